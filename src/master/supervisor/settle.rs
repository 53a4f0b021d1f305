//! What came to its end: who waits for it is told.

use std::mem;

use super::{Phase, Supervisor};
use crate::{
    ipc::message::Accepts,
    master::{
        action::{Action, Ending, News, Outcome, Verdict},
        slot::{Child, slot_at},
        slots::Mark,
        turn::{Change, Progress, Turn},
    },
};

impl Supervisor {
    pub(super) fn settle(&mut self) {
        self.survey();
        if self.is_stopping() {
            return self.finish();
        }
        if self.phase == Phase::Starting
            && self.wanted_slots().all(|slot| slot.children.iter().any(Child::is_serving))
        {
            self.phase = Phase::Running;
            self.actions.push(Action::AnnounceReady);
        }
        self.trust_the_new();
        // Each of these looks at every child: only for those who wait.
        let heeds = |child: &Child| !child.is_serving() || child.accepts == self.accepts;
        if !self.pausers.is_empty() && self.children().all(heeds) {
            self.answer_pausers();
        }
        if (self.turn.is_some() || !self.scalers.is_empty()) && self.is_settled() {
            self.end_turn();
            self.answer_scalers();
        }
    }

    /// Once every slot has a ready child of the new generation, nothing is undone any more.
    fn trust_the_new(&mut self) {
        let raising = |turn: &&Turn| turn.progress == Progress::Raising;
        let Some(generation) = self.turn.as_ref().filter(raising).map(|turn| turn.previous) else { return };
        if self.slots.marked(Mark::Behind).is_empty() {
            if let Some(turn) = &mut self.turn {
                turn.progress = Progress::Leaving;
            }
            self.actions.push(Action::Retire { generation });
        }
    }

    fn end_turn(&mut self) {
        let over = |turn: &mut Turn| turn.is_over();
        let Some(turn) = self.turn.take_if(over) else { return };
        let verdict = turn.verdict(self.target);
        if verdict.outcome == Outcome::Done {
            *match turn.change {
                Change::Reload => &mut self.ledger.reloads,
                Change::Upgrade => &mut self.ledger.upgrades,
            } += 1;
            self.tell(News::Turned { change: turn.change, generation: turn.generation });
        }
        for caller in turn.callers {
            self.actions.push(Action::Answer { caller, verdict: verdict.clone() });
        }
        if let Some(next) = self.next_turn.take() {
            self.begin_turn(next);
        }
    }

    fn answer_scalers(&mut self) {
        if self.turn.is_some() {
            return;
        }
        let verdict = self
            .shortfall()
            .unwrap_or_else(|| Verdict::new(Outcome::Done, format!("{} workers", self.target)));
        for caller in mem::take(&mut self.scalers) {
            self.actions.push(Action::Answer { caller, verdict: verdict.clone() });
        }
    }

    /// What there is to say where a slot stays empty.
    fn shortfall(&self) -> Option<Verdict> {
        let mut slots = self.wanted_slots().enumerate();
        let (index, why, lines) = slots.find_map(|(index, slot)| {
            Some((index, slot.respawn.despair()?, slot.respawn.lines().to_vec()))
        })?;
        let serving = self.children().filter(|child| child.is_serving()).count();
        let (target, slot) = (self.target, slot_at(index));
        let text = format!("cannot scale to {target} workers: {serving} serve, and slot {slot} {why}");
        Some(Verdict { outcome: Outcome::Failed, text, lines })
    }

    fn answer_pausers(&mut self) {
        let text = if self.accepts == Accepts::Paused { "paused" } else { "resumed" };
        for caller in mem::take(&mut self.pausers) {
            self.grant(Some(caller), text);
        }
    }

    fn finish(&mut self) {
        if !self.slots.is_empty() || self.phase == Phase::Finished {
            return;
        }
        let phase = mem::replace(&mut self.phase, Phase::Finished);
        for caller in mem::take(&mut self.stoppers) {
            self.grant(Some(caller), "stopped");
        }
        let failure = if let Phase::Stopping { failure, .. } = phase { failure } else { None };
        let ending = failure.map_or(Ending::Stopped, Ending::Failed);
        self.tell(News::Stopped { ending: ending.clone() });
        self.actions.push(Action::Finish(ending));
    }
}
