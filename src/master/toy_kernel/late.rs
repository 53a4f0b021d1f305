//! Children that work for too long, or are stopped, and a machine that stands still.

use std::time::Duration;

use super::{Defect, Life, Toy, ToyKernel, Violation};
use crate::{
    master::{
        action::{Limit, Warning},
        event::{ChildId, Event, Sight},
    },
    process::clock::Time,
};

impl ToyKernel {
    /// Something happens after a while; if that is long, the loop was not let run meanwhile.
    pub(super) fn live_on(&mut self) -> Result<(), Violation> {
        let (before, promised) = (self.now, self.supervisor.next_deadline());
        self.pass();
        let late = promised.is_some_and(|time| self.now.since(time) > Duration::from_secs(1));
        self.gap = late;
        if late && !self.strikes(Defect::SleepUnseen) {
            let by = self.now.since(before);
            self.toys.values_mut().for_each(|toy| toy.due = toy.due.map(|due| due + by));
            self.deliver(Event::Overslept { by })?;
            self.gap = false;
        }
        let event = self.happen();
        self.deliver(event)?;
        self.gap = false;
        Ok(())
    }

    /// A child begins to work, works on, or waits again.
    pub(super) fn work(&mut self) -> Event {
        let due = self.now + Duration::from_millis(u64::from(1 + self.dice.below(3_000)));
        let busy = self.dice.one_in(2);
        let Some(id) = self.pick(Life::Ready) else { return Event::Woke };
        if let Some(toy) = self.toys.get_mut(&id) {
            toy.due = busy.then_some(due);
        }
        self.worked(id);
        Event::Woke
    }

    /// A child is stopped, or goes on.
    pub(super) fn halt(&mut self) -> Event {
        let Some(child) = self.pick(Life::Ready) else { return Event::Woke };
        let Some(toy) = self.toys.get_mut(&child) else { return Event::Woke };
        toy.stopped = !toy.stopped;
        if toy.stopped { Event::Stopped { child } } else { Event::Continued { child } }
    }

    /// What stands in the rows: a child says when it will have shown life again, or that it waits.
    pub(super) fn rows(&mut self) -> Event {
        let mistaken =
            self.toys.values().any(|toy| toy.life == Life::Ready) && self.strikes(Defect::MistakeRows);
        let living = self.toys.iter().filter(|(_, toy)| !matches!(toy.life, Life::Dead(_)));
        let sight = |(id, toy): (&ChildId, &Toy)| {
            let due = if mistaken { Some(Time::ZERO) } else { toy.due };
            Sight { child: *id, due, request_due: None, during: None, served: 0, active: 0 }
        };
        let sights = living.map(sight).collect();
        self.served(sights)
    }

    pub(super) fn warn(&mut self, child: ChildId, warning: Warning) -> Result<(), Violation> {
        let now = self.now;
        let Some(toy) = self.toys.get_mut(&child) else { return self.misdirected(child) };
        let before = toy.warned.replace(warning);
        let late = toy.stopped || toy.due.is_some_and(|due| due <= now) || matches!(toy.life, Life::Dead(_));
        let first = (warning == Warning::Abort) == before.is_none();
        self.require("only who is late is warned", late)?;
        self.require("who is warned is asked first", first)
    }

    /// A child passed a limit: it was warned as that limit has it.
    pub(super) fn passed(&self, child: ChildId, limit: Limit) -> Result<(), Violation> {
        self.require("a machine that stood still kills nobody", !self.gap)?;
        let Some(toy) = self.toys.get(&child) else { return Ok(()) };
        let working = matches!(limit, Limit::Liveness | Limit::Request);
        let dead = matches!(toy.life, Life::Dead(_));
        self.require(
            "who is stuck is warned before it is killed",
            !working || dead || toy.warned == Some(Warning::Terminate),
        )
    }
}
