//! What happened to children: births, readiness, deaths, and what a death means for its slot.

use std::time::Duration;

use super::{Phase, Supervisor, recycle::AGAIN};
use crate::ipc::message::Accepts;
use crate::master::{
    action::News,
    event::ChildId,
    ledger::{epitaph, expectation},
    respawn::{Death, Response},
    slot::{Child, SlotState, Stage},
};
use crate::process::{Pid, exit::ExitStatus};

impl Supervisor {
    pub(super) fn spawned(&mut self, id: ChildId, pid: Pid) {
        let Some(child) = self.child_mut(id) else { return };
        child.pid = Some(pid);
        let who = child.who();
        if let Some(slot) = self.slots.touch(id.slot.index()) {
            slot.respawn.forked();
        }
        self.ledger.spawned += 1;
        self.tell(News::Spawned { who });
    }

    pub(super) fn spawn_failed(&mut self, id: ChildId, cause: &str) {
        let Some(child) = self.take_child(id) else { return };
        let who = child.who();
        if self.fails_turn(&child) {
            self.fail_turn(cause);
        } else if self.acquit(&child) {
            self.tell(News::SpawnFailed { who, cause: cause.to_owned(), delay: AGAIN });
        } else if self.phase == Phase::Starting {
            // A server that cannot start should say so, not try for ever.
            self.mourn(&child, None, cause);
        } else if self.is_wanted(&child) {
            let Some(slot) = self.slots.touch(id.slot.index()) else { return };
            let delay = slot.respawn.fork_failed(cause, self.now, &self.policy.respawn, &mut self.dice);
            self.tell(News::SpawnFailed { who, cause: cause.to_owned(), delay });
        }
    }

    pub(super) fn ready(&mut self, id: ChildId) {
        let now = self.now;
        let Some(child) = self.child_mut(id) else { return };
        // A child that was already told to go, or killed, may have said so before it heard.
        if child.is_booting() {
            child.stage = Stage::Serving { since: now };
            let news = News::Ready { who: child.who(), after: now.since(child.born) };
            self.tell(news);
            self.relieve(id);
        }
    }

    pub(super) fn heeded(&mut self, id: ChildId, accepts: Accepts) {
        if let Some(child) = self.child_mut(id) {
            child.accepts = accepts;
        }
    }

    pub(super) fn heard(&mut self, id: ChildId, words: Option<String>, lines: Vec<String>) {
        if let Some(child) = self.child_mut(id) {
            child.words = words.or(child.words.take());
            child.lines = lines;
        }
    }

    pub(super) fn exited(&mut self, id: ChildId, status: ExitStatus, during: Option<String>) {
        let Some(child) = self.take_child(id) else { return };
        let reason = epitaph(&child, status);
        self.ledger.bury(&child, status, &reason, during.clone(), self.now);
        let (who, expected) = (child.who(), expectation(&child));
        if let (Stage::Serving { .. }, Some(strike)) = (child.stage, child.strike) {
            // It heeded the warning in its way: by its end.
            self.ledger.killed += 1;
            self.tell(News::Killed { who, reason: strike.reason });
        }
        self.tell(News::Exited { who, status, reason: reason.clone(), during, expected });
        match child.stage {
            Stage::Booting { .. } | Stage::Killed { failed: true, .. } => self.lost(&child, None, &reason),
            Stage::Serving { .. } => self.lost(&child, child.ready_for(self.now), &reason),
            Stage::Draining { .. } | Stage::Killed { failed: false, .. } => {}
        }
    }

    /// A child is gone that nobody had asked to go.
    pub(super) fn lost(&mut self, child: &Child, ready_for: Option<Duration>, why: &str) {
        if self.fails_turn(child) {
            if let Some(turn) = &mut self.turn {
                turn.lines.clone_from(&child.lines);
            }
            self.fail_turn(why);
        } else if !self.acquit(child) && self.is_wanted(child) {
            self.mourn(child, ready_for, why);
        }
    }

    /// Counts a death against its slot.
    pub(super) fn mourn(&mut self, child: &Child, ready_for: Option<Duration>, why: &str) {
        let Some(SlotState { respawn, .. }) = self.slots.touch(child.id.slot.index()) else { return };
        let death = Death { ready_for, why, lines: &child.lines };
        let response = respawn.died(death, self.now, &self.policy.respawn, &mut self.dice);
        let (who, deaths) = (child.who(), respawn.deaths());
        match response {
            Response::After(delay) => self.tell(News::Respawn { who, deaths, delay }),
            Response::GiveUp => {
                self.tell(News::GaveUp { who, deaths, reason: why.to_owned() });
                self.consider_failure(why);
            }
        }
    }

    /// A server that never was ready, or has no slot left, fails as a whole: its supervisor can then act.
    pub(super) fn consider_failure(&mut self, why: &str) {
        let all_gone =
            self.wanted_slots().all(|slot| slot.respawn.given_up().is_some() && slot.children.is_empty());
        if self.phase == Phase::Starting {
            self.stop(Some(format!("no worker could be brought to ready: {why}")));
        } else if all_gone {
            self.stop(Some(format!("every slot was given up: {why}")));
        }
    }
}
