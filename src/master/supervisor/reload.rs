//! The reload, as a transaction: successors are brought to ready one after the other, and a failure undoes everything.

use super::{MOST_WORKERS, Policy, Supervisor};
use crate::config::Range;
use crate::master::{
    action::{Action, News, Reason, Sizing},
    respawn::Respawn,
    slot::Child,
    turn::{Change, NextTurn, Progress, Turn},
};

impl Supervisor {
    pub(super) fn begin_turn(&mut self, order: NextTurn) {
        self.newest = self.newest.next();
        self.turn = Some(Turn::new(order, self.newest, self.wanted, self.policy, self.now));
        self.tell(News::TurnBegan { change: Change::Reload, generation: self.newest });
        self.actions.push(Action::Prepare { generation: self.newest });
    }

    /// The configuration was read anew, by this program or by the one that it has become: the new generation begins to
    /// fill the slots.
    pub(super) fn prepared(&mut self, workers: Option<Range>, policy: Policy) {
        let ready = |turn: &&mut Turn| matches!(turn.progress, Progress::Preparing | Progress::Crossing);
        let Some(turn) = self.turn.as_mut().filter(ready) else { return };
        turn.progress = Progress::Raising;
        turn.target_before = workers.map(|_| self.target);
        turn.range_before = workers.map(|_| self.range);
        self.wanted = turn.generation;
        self.policy = policy;
        self.slots.touch_all().for_each(|slot| slot.respawn = Respawn::default());
        if let Some(workers) = workers {
            self.range = workers;
            self.retarget(workers.nearest(self.target).clamp(1, MOST_WORKERS), Sizing::Settings);
        }
    }

    pub(super) fn prepare_failed(&mut self, cause: &str) {
        if self.turn.as_ref().is_some_and(|turn| turn.progress == Progress::Preparing) {
            self.fail_turn(cause);
        }
    }

    /// Whether the death of this child means that the new generation cannot be trusted.
    pub(super) fn fails_turn(&self, child: &Child) -> bool {
        let raising = self.turn.as_ref().filter(|turn| turn.progress == Progress::Raising);
        raising.is_some_and(|turn| turn.generation == child.generation) && self.is_wanted(child)
    }

    /// Goes back to the generation before: those of the new one that are not ready are killed, those that are will be
    /// replaced like any other predecessor.
    pub(super) fn fail_turn(&mut self, why: &str) {
        let Some(turn) = &mut self.turn else { return };
        // An upgrade whose workers fail runs as the new program: the old one must turn back what was turned.
        let returns = turn.change == Change::Upgrade && turn.progress == Progress::Raising;
        let progress = if returns { Progress::Returning } else { Progress::Failed };
        turn.progress = progress(why.to_owned());
        let (change, failed, previous) = (turn.change, turn.generation, turn.previous);
        let (range, target) = (turn.range_before.take(), turn.target_before.take());
        self.wanted = previous;
        self.policy = turn.policy_before;
        if !returns {
            self.actions.push(Action::Retire { generation: failed });
        }
        *match change {
            Change::Reload => &mut self.ledger.failed_reloads,
            Change::Upgrade => &mut self.ledger.failed_upgrades,
        } += 1;
        self.tell(News::TurnFailed { change, generation: failed, reason: why.to_owned() });
        self.range = range.unwrap_or(self.range);
        let target = target.unwrap_or(self.target);
        self.retarget(
            if self.range.is_open() { self.range.nearest(target) } else { target },
            Sizing::Settings,
        );
        let doomed = self.children().filter(|child| child.generation == failed && child.is_booting());
        for id in doomed.map(|child| child.id).collect::<Vec<_>>() {
            self.kill(id, Reason::RolledBack, false);
        }
    }
}
