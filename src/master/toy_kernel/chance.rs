//! What happens in the toy world, by the fall of the dice.

use std::{mem, time::Duration};

use super::{Defect, Life, POLICY, ToyKernel};
use crate::{
    ipc::control::{Pace, Request, Scale},
    master::{
        event::{Caller, ChildId, Event},
        slot::slot_at,
        supervisor::MOST_WORKERS,
    },
    process::{Pid, exit::ExitStatus},
};

impl ToyKernel {
    /// A while passes.
    pub(super) fn pass(&mut self) {
        let most = if self.dice.one_in(50) && !self.calm { 90_000 } else { 300 };
        self.now = self.now + Duration::from_millis(u64::from(self.dice.below(most)));
    }

    /// Something happens somewhere.
    pub(super) fn happen(&mut self) -> Event {
        match self.dice.below(if self.calm { 60 } else { 100 }) {
            0..15 if self.trying && self.dice.one_in(3) => self.end_trial(),
            0..15 => self.bury_one().unwrap_or(Event::Woke),
            15..45 => self.pick(Life::Booting).map_or(Event::Woke, |id| self.become_ready(id)),
            45..52 => self.pick(Life::Leaving).and_then(|id| self.die(id, 0)).unwrap_or(Event::Woke),
            52..60 => {
                self.now = self.supervisor.next_deadline().unwrap_or(self.now).max(self.now);
                Event::Woke
            }
            60..63 => self.work(),
            63..65 => self.halt(),
            65..75 => self.pick_any().and_then(|id| self.crash(id)).unwrap_or(Event::Woke),
            75..80 => self.stale(),
            80..90 => self.ask_scale(),
            90..99 => {
                let timeout =
                    self.dice.one_in(2).then(|| Duration::from_millis(u64::from(self.dice.below(60_000))));
                let upgrade = self.dice.one_in(3);
                self.ask(if upgrade {
                    Request::Upgrade { binary: None, timeout }
                } else {
                    Request::Reload { timeout }
                })
            }
            _ if self.dice.one_in(3) => {
                let mut choice = [Request::Status, Request::Reopen, Request::Pause, Request::Resume];
                let request = mem::replace(&mut choice[self.dice.below(4) as usize], Request::Status);
                self.ask(request)
            }
            _ if self.dice.one_in(40) => {
                let pace = [Pace::Drain, Pace::Interrupt, Pace::Now][self.dice.below(3) as usize];
                self.ask(Request::Stop(pace))
            }
            _ => Event::Woke,
        }
    }

    pub(super) fn ask_scale(&mut self) -> Event {
        let count = self.dice.below(self.most + 2);
        let scale =
            [Scale::To(count), Scale::Up(count / 4), Scale::Down(count / 4)][self.dice.below(3) as usize];
        let fits = |to: u32| to <= self.most;
        let target = self.supervisor.target();
        let sensible = match scale {
            Scale::To(to) => fits(to),
            Scale::Up(more) => fits(target + more),
            Scale::Down(_) => true,
        };
        if sensible {
            self.ask(Request::Scale(scale))
        } else {
            self.ask(Request::Scale(Scale::To(MOST_WORKERS + 1)))
        }
    }

    pub(super) fn ask(&mut self, request: Request) -> Event {
        self.callers += 1;
        let caller = self.dice.one_in(2).then_some(Caller(self.callers));
        self.owed.extend(caller);
        Event::Asked { request, caller }
    }

    /// A message from, or about, a child that is none of ours any more, or an answer nobody asked for.
    pub(super) fn stale(&mut self) -> Event {
        let child = ChildId { slot: slot_at(self.dice.below(self.most * 2) as usize), serial: u64::MAX };
        match self.dice.below(7) {
            5 => Event::Returned,
            6 if !self.trying => Event::Tried { result: Ok(()) },
            0 => Event::Ready { child },
            1 => Event::Exited { child, status: ExitStatus::Exited(0), during: None },
            2 => Event::Spawned { child, pid: Pid::from_raw(1) },
            3 => Event::PrepareFailed { cause: "late".into() },
            _ => Event::Prepared { workers: None, policy: POLICY },
        }
    }

    pub(super) fn become_ready(&mut self, id: ChildId) -> Event {
        if let Some(toy) = self.toys.get_mut(&id) {
            toy.life = Life::Ready;
            toy.work.ready(self.now);
        }
        Event::Ready { child: id }
    }

    pub(super) fn crash(&mut self, id: ChildId) -> Option<Event> {
        let status = [9, 11, 6, 34][self.dice.below(4) as usize];
        self.die(id, status)
    }

    /// A child ends; its death is reaped at once or later.
    pub(super) fn die(&mut self, id: ChildId, status: i32) -> Option<Event> {
        self.toys.get_mut(&id)?.life = Life::Dead(status);
        self.dice.one_in(2).then(|| self.bury(id, status))
    }

    pub(super) fn bury_one(&mut self) -> Option<Event> {
        let dead = self.pick_where(|life| matches!(life, Life::Dead(_)))?;
        match self.toys.get(&dead)?.life {
            Life::Dead(status) => Some(self.bury(dead, status)),
            Life::Booting | Life::Ready | Life::Leaving => None,
        }
    }

    pub(super) fn bury(&mut self, id: ChildId, status: i32) -> Event {
        self.toys.remove(&id);
        if self.strikes(Defect::LoseDeath) {
            return Event::Woke;
        }
        let status = if status == 0 {
            ExitStatus::Exited(0)
        } else {
            ExitStatus::Signaled { signal: status, core: false }
        };
        Event::Exited { child: id, status, during: None }
    }

    pub(super) fn pick(&mut self, life: Life) -> Option<ChildId> {
        self.pick_where(|other| other == life)
    }

    /// The next of such a life behind a place that the dice choose.
    pub(super) fn pick_where(&mut self, fits: impl Fn(Life) -> bool) -> Option<ChildId> {
        let serial = self.dice.roll() % (self.steps + 1);
        let from = ChildId { slot: slot_at(self.dice.below(self.most) as usize), serial };
        let mut toys = self.toys.range(from..).chain(self.toys.range(..from));
        toys.find(|(_, toy)| fits(toy.life)).map(|(id, _)| *id)
    }

    pub(super) fn pick_any(&mut self) -> Option<ChildId> {
        let lives = [Life::Booting, Life::Ready, Life::Leaving];
        let life = lives[self.dice.below(3) as usize];
        self.pick(life)
    }
}
