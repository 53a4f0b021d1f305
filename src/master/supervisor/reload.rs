//! The reload, as a transaction: successors are brought to ready one after the other, and a failure undoes everything.

use super::{MOST_WORKERS, Policy, Supervisor};
use crate::master::{
    action::{Action, News, Reason},
    respawn::Respawn,
    slot::Child,
    turn::{NextTurn, Progress, Turn},
};

impl Supervisor {
    pub(super) fn begin_turn(&mut self, order: NextTurn) {
        self.newest = self.newest.next();
        self.turn = Some(Turn::new(order, self.newest, self.wanted, self.policy, self.now));
        self.tell(News::ReloadBegan { generation: self.newest });
        self.actions.push(Action::Prepare { generation: self.newest });
    }

    pub(super) fn prepared(&mut self, workers: Option<u32>, policy: Policy) {
        let Some(turn) = self.turn.as_mut().filter(|turn| turn.progress == Progress::Preparing) else {
            return;
        };
        turn.progress = Progress::Raising;
        turn.target_before = workers.map(|_| self.target);
        self.wanted = turn.generation;
        self.policy = policy;
        self.slots.iter_mut().for_each(|slot| slot.respawn = Respawn::default());
        if let Some(workers) = workers {
            self.retarget(workers.clamp(1, MOST_WORKERS));
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
        turn.progress = Progress::Failed(why.to_owned());
        let (failed, previous, target) = (turn.generation, turn.previous, turn.target_before.take());
        self.wanted = previous;
        self.policy = turn.policy_before;
        self.actions.push(Action::Retire { generation: failed });
        self.ledger.failed_reloads += 1;
        self.tell(News::ReloadFailed { generation: failed, reason: why.to_owned() });
        if let Some(target) = target {
            self.retarget(target);
        }
        let doomed = self.children().filter(|child| child.generation == failed && child.is_booting());
        for id in doomed.map(|child| child.id).collect::<Vec<_>>() {
            self.kill(id, Reason::RolledBack, false);
        }
    }
}
