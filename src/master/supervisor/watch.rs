//! Workers that work for longer than they may: seen by a look at their rows, warned, asked, and killed at last.
//!
//! A row says until when its child will have shown life again. While a child waits there is no such moment, so an idle
//! one is never late. One that was stopped cannot say anything; wait(2) tells of it.
//!
//! ```text
//! due passes ── ABRT: it may say where it is ── 2 s ── TERM ── 1 s ── KILL
//!                                                └─ back at work: it drains, like any that is replaced
//! ```

use std::time::Duration;

use super::Supervisor;
use crate::{
    master::{
        action::{Action, Limit, News, Reason, Warning},
        event::{ChildId, Queue, Sight},
        slot::{Child, Stage, Strike},
    },
    process::clock::Time,
};

/// How long a child may take to answer the first warning, which asks where it is, and to heed the second.
const ANSWER: Duration = Duration::from_secs(2);
const HEED: Duration = Duration::from_secs(1);

/// A look at the rows comes so often within the shortest limit, and within these bounds.
const LOOKS: u32 = 4;
const OFTEN: Duration = Duration::from_millis(25);
const SELDOM: Duration = Duration::from_secs(15);

impl Supervisor {
    /// How long to wait from one look at the rows to the next; none if nobody can be late.
    pub(super) fn interval(&self) -> Option<Duration> {
        let limits = [self.policy.liveness, self.policy.request].into_iter().flatten().min();
        let limits = limits.map(|limit| (limit / LOOKS).clamp(OFTEN, SELDOM));
        limits.into_iter().chain(self.count_interval()).chain(self.crowd_interval()).min()
    }

    /// Asks for a look at the rows when it is time.
    pub(super) fn look(&mut self) {
        let due = self.look_at.is_none_or(|time| time <= self.now);
        let Some(interval) = self.interval().filter(|_| !self.is_stopping()) else {
            self.look_at = None;
            return;
        };
        if due {
            self.look_at = Some(self.now + interval);
            self.actions.push(Action::Look);
        }
    }

    /// What stands in the rows now.
    pub(super) fn looked(&mut self, sights: Vec<Sight>, queue: Queue) {
        self.measure(&sights, queue);
        for sight in sights {
            let (now, forgiven) = (self.now, self.forgiven);
            let shifted =
                |due: Option<Time>| due.map(|due| if due <= forgiven.0 { due + forgiven.1 } else { due });
            let dues = [(Limit::Liveness, shifted(sight.due)), (Limit::Request, shifted(sight.request_due))];
            self.counted(sight.child, sight.served);
            let Some(child) = self.child(sight.child).filter(|child| child.is_serving()) else {
                continue;
            };
            let passed =
                dues.iter().find(|(_, due)| due.is_some_and(|due| due <= now)).map(|(limit, _)| *limit);
            let late = passed.is_some() || child.stopped.is_some();
            match (passed, child.strike) {
                (Some(limit), None) => self.warn(sight.child, limit, sight.during),
                (_, Some(strike)) if strike.expired => self.judge(sight.child, strike, late),
                (_, Some(_)) | (None, None) => {}
            }
            let next = dues.iter().filter_map(|(_, due)| *due).filter(|due| *due > now).min();
            self.look_at = [self.look_at, next].into_iter().flatten().min();
        }
    }

    /// A child was stopped, or goes on.
    pub(super) fn halted(&mut self, id: ChildId, stopped: Option<Time>) {
        let Some(child) = self.child_mut(id) else { return };
        child.stopped = stopped;
        let who = child.who();
        self.tell(if stopped.is_some() { News::Halted { who } } else { News::Continued { who } });
    }

    /// The machine stood still, or this process: nobody could do anything in that time, so nobody is late for it.
    pub(super) fn overslept(&mut self, by: Duration) {
        self.forgiven = (self.now, by);
        for child in self.slots.touch_all().flat_map(|slot| &mut slot.children) {
            child.forgive(by);
        }
        if let Some(turn) = &mut self.turn {
            turn.forgive(by);
        }
    }

    /// A child that is late is warned first.
    pub(super) fn warn(&mut self, id: ChildId, limit: Limit, during: Option<String>) {
        let until = self.now + ANSWER;
        let Some(child) = self.child_mut(id) else { return };
        let after = child.policy.limit(limit).unwrap_or_default();
        let reason = Reason::Passed(limit, after);
        child.strike = Some(Strike { reason, warning: Warning::Abort, until, expired: false });
        let who = child.who();
        self.tell(News::Struck { who, reason, during });
        self.actions.push(Action::Warn { child: id, warning: Warning::Abort });
    }

    /// The time for its last warning is over.
    pub(super) fn unheeded(&mut self, id: ChildId) {
        let until = self.now + HEED;
        let Some(child) = self.child_mut(id) else { return };
        let Some(strike) = child.strike else { return self.warn(id, Limit::Liveness, None) };
        match strike.warning {
            Warning::Abort => {
                child.strike = Some(Strike { until, expired: true, ..strike });
                self.look_at = Some(self.now);
            }
            Warning::Terminate => {
                self.ledger.killed += 1;
                self.kill(id, strike.reason, true);
            }
        }
    }

    /// It is asked to go: if it is back at work with the usual grace, else with none to speak of.
    fn judge(&mut self, id: ChildId, strike: Strike, late: bool) {
        if !late {
            return self.drain(id, strike.reason);
        }
        let (warning, until) = (Warning::Terminate, self.now + HEED);
        if let Some(child) = self.child_mut(id) {
            child.strike = Some(Strike { warning, until, expired: false, ..strike });
            self.actions.push(Action::Warn { child: id, warning });
        }
    }
}

impl Child {
    /// Puts off what it could be late for.
    fn forgive(&mut self, by: Duration) {
        match &mut self.stage {
            Stage::Booting { deadline } | Stage::Draining { deadline, .. } => {
                *deadline = deadline.map(|deadline| deadline + by);
            }
            Stage::Serving { .. } | Stage::Killed { .. } => {}
        }
        self.stopped = self.stopped.map(|since| since + by);
        if let Some(strike) = &mut self.strike {
            (strike.until, strike.expired) = (strike.until + by, false);
        }
    }
}
