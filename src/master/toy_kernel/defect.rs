//! Defects that are planted between the supervisor and its world, to see that the checks bite.

use super::{Life, ToyKernel};
use crate::master::{action::Action, event::ChildId};

/// A defect planted between the supervisor and its world, to see that the checks bite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::master) enum Defect {
    None,
    /// A death is reaped, but the supervisor never hears of it.
    LoseDeath,
    /// One spawn is carried out twice.
    SpawnTwice,
    /// A worker is drained as soon as its successor is forked.
    DrainTooEarly,
    /// An answer to a caller is lost.
    LoseAnswer,
    /// A stop's drains and kills reach nobody.
    DeafToStop,
    /// Limits are never enforced: the deadline stays in the past.
    StopTheClock,
    /// What crosses to another program leaves out who waits for the result.
    ForgetCallers,
    /// A child is told to drain twice.
    DrainTwice,
    /// What a generation was to run with is kept although its successor is trusted, or it is not.
    KeepLoser,
    /// It is let go by the wrong side.
    RetireWinner,
    /// A new generation runs under the limits of the one before.
    MixLimits,
    /// A warning does not reach its child.
    LoseWarning,
    /// The row of a child that waits looks like that of one that is late.
    MistakeRows,
    /// The rows say that everybody has served more than it has.
    InflateRows,
    /// Nobody tells the supervisor that the machine stood still.
    SleepUnseen,
}

impl ToyKernel {
    pub(super) fn sabotage(&mut self, actions: &mut Vec<Action>) {
        let drain = actions.iter().find(|action| matches!(action, Action::Drain { .. })).cloned();
        self.sabotage_births(actions);
        actions.extend(drain.filter(|_| self.strikes(Defect::DrainTwice)));
        let wanted = self.supervisor.generation();
        let kept = actions.iter().any(|action| matches!(action, Action::Retire { .. }))
            && self.strikes(Defect::KeepLoser);
        for action in &mut *actions {
            if let Action::Retire { generation } = action
                && self.strikes(Defect::RetireWinner)
            {
                *generation = wanted;
            }
        }
        let lost_answer =
            actions.iter().any(|a| matches!(a, Action::Answer { .. })) && self.strikes(Defect::LoseAnswer);
        let unheard =
            actions.iter().any(|a| matches!(a, Action::Warn { .. })) && self.strikes(Defect::LoseWarning);
        let deaf = self.defect == Defect::DeafToStop && self.supervisor.is_stopping();
        actions.retain(|action| match action {
            Action::Answer { .. } => !lost_answer,
            Action::Report { .. } => true,
            Action::Retire { .. } => !kept,
            Action::Drain { .. } | Action::Kill { .. } => !deaf,
            Action::Warn { .. } => !unheard,
            Action::Look
            | Action::Weigh
            | Action::Spawn { .. }
            | Action::Prepare { .. }
            | Action::Try { .. }
            | Action::EndTrial
            | Action::Reopen { .. }
            | Action::Accept { .. }
            | Action::CloseListeners
            | Action::AnnounceReady
            | Action::Tell(_)
            | Action::Finish(_) => true,
        });
    }

    fn sabotage_births(&mut self, actions: &mut Vec<Action>) {
        let spawn = actions.iter().find(|action| matches!(action, Action::Spawn { .. })).cloned();
        if let Some(Action::Spawn { child, .. }) = spawn {
            let old = self.toys_in(child.slot).find(|(_, toy)| toy.life == Life::Ready && !toy.drained);
            if let Some(victim) = old.map(|(id, _)| *id).filter(|_| self.strikes(Defect::DrainTooEarly)) {
                actions.push(Action::Drain { child: victim });
            }
            if self.strikes(Defect::SpawnTwice) {
                let twin = ChildId { serial: u64::MAX - 1, ..child };
                let (generation, accepts) = (self.supervisor.generation(), self.supervisor.accepts());
                actions.push(Action::Spawn { child: twin, generation, accepts });
            }
        }
    }

    /// Whether the planted defect shows itself now; it does so once.
    pub(super) fn strikes(&mut self, defect: Defect) -> bool {
        let strikes = self.defect == defect && !self.struck && self.dice.one_in(10);
        self.struck |= strikes;
        strikes
    }
}
