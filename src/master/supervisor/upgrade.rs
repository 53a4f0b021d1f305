//! The upgrade, as a transaction: a trial child shows that the new program can serve, then this process becomes it, and
//! from there on all is as in a reload, but that a failure leads back into the old program.
//!
//! ```text
//!            Tried            Prepared (new)           all ready
//!  Trying ─────────► Crossing ─────────────► Raising ───────────► Leaving ──► done
//!    │ refused          │ cannot                │ a worker fails
//!    └──────► Failed ◄──┘          Failed ◄─────┴─ Returning
//!                                         Returned (old)
//! ```

use std::{mem, path::PathBuf, time::Duration};

use super::{Phase, Supervisor};
use crate::master::{
    action::{Action, News, Outcome},
    event::{Caller, Program},
    turn::{Change, NextTurn, Progress, Turn},
};

/// How much longer than a worker may boot its trial may take: so that it is the trial that says what was slow.
const TRIAL_MARGIN: Duration = Duration::from_secs(1);

impl Supervisor {
    /// The same for a trial: nobody is accepted, and the first failure is the answer.
    #[cfg(feature = "control")]
    #[must_use]
    pub fn for_trial(mut self) -> Self {
        (self.target, self.accepts, self.policy.respawn.patience) =
            (1, crate::ipc::message::Accepts::Paused, 0);
        self
    }

    /// Which program this process is to become now, before anything else happens.
    pub fn crossing(&self) -> Option<Program> {
        self.turn.as_ref().and_then(Turn::crossing)
    }

    pub(super) fn asked_to_upgrade(
        &mut self,
        binary: Option<PathBuf>,
        timeout: Option<Duration>,
        caller: Option<Caller>,
    ) {
        let running = self.turn.as_ref().map(|turn| turn.change);
        let hindrance = match running {
            Some(Change::Reload) => "a reload runs (wait for its end)",
            Some(Change::Upgrade) => "an upgrade runs already (wait for its end)",
            None if self.phase == Phase::Starting => "it still starts (wait until it is ready)",
            None => return self.begin_upgrade(binary, timeout, caller),
        };
        self.refuse(caller, Outcome::Failed, format!("cannot upgrade: {hindrance}"));
    }

    fn begin_upgrade(&mut self, binary: Option<PathBuf>, timeout: Option<Duration>, caller: Option<Caller>) {
        self.newest = self.newest.next();
        let from_now = |limit: Duration| (self.now + limit, limit);
        let trial = self.policy.boot.map(|boot| from_now(boot + TRIAL_MARGIN));
        let order = NextTurn { timeout, callers: caller.into_iter().collect(), behind: None };
        let turn = Turn::new(order, self.newest, self.wanted, self.policy, self.now);
        self.turn = Some(turn.upgrade(trial));
        self.tell(News::TurnBegan { change: Change::Upgrade, generation: self.newest });
        self.actions.push(Action::Try { generation: self.newest, binary });
    }

    /// The limit on what runs has passed.
    pub(super) fn late(&mut self, limit: Duration) {
        let limit = humantime::format_duration(limit);
        let Some(turn) = &mut self.turn else { return };
        if turn.progress == Progress::Trying {
            turn.progress = Progress::EndingTrial(format!("the trial did not answer within {limit}"));
            self.actions.push(Action::EndTrial);
        } else {
            self.fail_turn(&format!("not every worker was ready within {limit}"));
        }
    }

    /// A server that stops tries nothing any more.
    pub(super) fn abandon_trial(&mut self) {
        let trying = self.turn.as_ref().is_some_and(|turn| turn.progress == Progress::Trying);
        self.actions.extend(trying.then_some(Action::EndTrial));
    }

    pub(super) fn tried(&mut self, result: Result<(), String>) {
        let Some(turn) = &mut self.turn else { return };
        match (&mut turn.progress, result) {
            (progress @ Progress::Trying, Ok(())) => *progress = Progress::Crossing,
            (Progress::Trying, Err(why)) => self.fail_turn(&why),
            (Progress::EndingTrial(why), _) => {
                let why = mem::take(why);
                self.fail_turn(&why);
            }
            (
                Progress::Preparing
                | Progress::Crossing
                | Progress::Raising
                | Progress::Leaving
                | Progress::Returning(_)
                | Progress::Failed(_),
                _,
            ) => {}
        }
    }

    pub(super) fn cross_failed(&mut self, cause: &str) {
        match self.crossing() {
            Some(Program::New) => self.fail_turn(cause),
            // The new program has to turn back what it turned.
            Some(Program::Old) => self.returned(Some(cause)),
            None => {}
        }
    }

    /// What was turned is turned back from here on: by the old program, unless that could not be had.
    pub(super) fn returned(&mut self, but: Option<&str>) {
        let Some(turn) = &mut self.turn else { return };
        let Progress::Returning(why) = &mut turn.progress else { return };
        let mut why = mem::take(why);
        why.extend(but.map(|cause| format!("; cannot go back to the old program: {cause}")));
        turn.progress = Progress::Failed(why);
        let generation = turn.generation;
        self.actions.push(Action::Retire { generation });
    }
}
