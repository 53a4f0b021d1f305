//! Children that have done their share.

use std::time::Duration;

use super::{Defect, Life, Toy, ToyKernel, Violation};
use crate::{
    config::{Range, Recycling, Spread},
    ipc::ident::Generation,
    master::{
        event::{ChildId, Event, Queue, Sight},
        respawn::Dice,
        supervisor::AT_LEAST,
    },
    process::clock::Time,
};

/// What a toy has done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    born: Time,
    ready: Option<Time>,
    served: u64,
    weight: u64,
    /// How often in a row it was weighed with more than it may have.
    heavy: u32,
}

impl Work {
    pub(super) fn born(now: Time) -> Self {
        Self { born: now, ready: None, served: 0, weight: 0, heavy: 0 }
    }

    pub(super) fn ready(&mut self, now: Time) {
        self.ready.get_or_insert(now);
    }

    /// Whether any of this has been enough.
    fn is_over(&self, recycling: &Recycling, now: Time) -> bool {
        let age = now.since(self.born);
        recycling.requests.is_some_and(|share| self.served >= share.least)
            || recycling.age.is_some_and(|share| age >= share.least)
            || self.heavy > 1
    }
}

/// Each share is off now and then. Thousands of toys are looked at too seldom for more than the clock.
pub(super) fn recycling(dice: &mut Dice, most: u32) -> Recycling {
    let seconds = |seconds| Duration::from_secs(seconds);
    let age = dice.one_in(2).then(|| Spread { least: seconds(60), jitter: seconds(60) });
    let few = most <= 16;
    let requests = (few && dice.one_in(2)).then_some(Spread { least: 3, jitter: 2 });
    let memory = (few && dice.one_in(2)).then_some(80);
    Recycling { requests, memory, age }
}

/// A number of workers, or from it to another.
pub(super) fn range(dice: &mut Dice, least: u32, most: u32) -> Range {
    let further = if dice.one_in(2) { 0 } else { dice.below(most) };
    Range { least, most: (least + further).min(most) }
}

impl ToyKernel {
    /// A child has worked.
    pub(super) fn worked(&mut self, id: ChildId) {
        let weight = u64::from(self.dice.below(100));
        if let Some(toy) = self.toys.get_mut(&id) {
            toy.work.served += 1;
            toy.work.weight = weight;
        }
    }

    /// What the children weigh.
    pub(super) fn weights(&mut self) -> Event {
        let policies = &self.policies;
        let weigh = |(id, toy): (&ChildId, &mut Toy)| {
            let most = policies.get(&toy.generation).and_then(|policy| policy.recycling.memory);
            let heavy = most.is_some_and(|most| toy.work.weight > most);
            // Once it was too heavy twice in a row, its share is over.
            toy.work.heavy = match toy.work.heavy {
                0 | 1 if !heavy => 0,
                before => before + 1,
            };
            (*id, toy.work.weight)
        };
        Event::Weighed { weights: self.toys.iter_mut().map(weigh).collect() }
    }

    /// What a row says that its child has served.
    pub(super) fn served(&mut self, mut sights: Vec<Sight>) -> Event {
        for sight in &mut sights {
            sight.served = self.toys.get(&sight.child).map_or(0, |toy| toy.work.served);
        }
        if self.strikes(Defect::InflateRows) {
            sights.iter_mut().for_each(|sight| sight.served += 1_000);
        }
        let queue = if self.dice.one_in(3) { Queue::Empty } else { Queue::Waiting };
        Event::Looked { sights, queue }
    }

    /// Whoever is in the slot already is of another generation, or has done its share, and then nothing else moves.
    pub(super) fn may_be_born(&self, child: ChildId, generation: Generation) -> Result<(), Violation> {
        let alive = |toy: &Toy| !toy.drained && !toy.killed && !matches!(toy.life, Life::Dead(_));
        let rivals = self.toys_in(child.slot).filter(|(_, toy)| toy.generation == generation && alive(toy));
        for (_, rival) in rivals {
            self.require("no slot is filled twice", rival.life == Life::Ready)?;
            let recycling = self.policies.get(&generation).map(|policy| policy.recycling).unwrap_or_default();
            let over = rival.work.is_over(&recycling, self.now);
            self.require("who is replaced has done its share", over)?;
            let served = rival.work.ready.is_some_and(|since| self.now.since(since) >= AT_LEAST);
            self.require("every child serves for a while", served)?;
            let calm = |toy: &Toy| match toy.life {
                Life::Ready | Life::Dead(_) => !toy.drained && !toy.killed,
                Life::Booting | Life::Leaving => false,
            };
            self.require("one child is replaced at a time", self.toys.values().all(calm))?;
        }
        Ok(())
    }
}
