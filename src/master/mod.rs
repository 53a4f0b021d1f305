//! Life of the parent: what should be, what is, and the difference made good.
//!
//! The loop is three lines: wait for events, ask the supervisor what to do, do it. `sources` is the only reader of the
//! world, `world` the only writer to it; what happens in between is a pure function.
//!
//! ```text
//!  signals, SIGCHLD ─┐                                                   ┌─► fork, TERM, KILL
//!  channels ─────────┼─► sources ─► Event ─► supervisor ─► Action ─► world ─► log, hooks
//!  control socket ───┘                 ▲                                 ├─► answers
//!                                      └──── Spawned, SpawnFailed ───────┘
//! ```

mod action;
mod children;
#[cfg_attr(not(feature = "control"), path = "no_desk.rs")]
mod desk;
mod edition;
mod event;
mod ledger;
mod news;
mod place;
mod respawn;
mod slot;
mod sources;
#[cfg(feature = "control")]
mod status;
mod supervisor;
#[cfg(test)]
mod toy_kernel;
mod turn;
mod world;

use std::collections::VecDeque;

pub use action::{Ending, News, Who};
pub use edition::Edition;
pub use place::Place;
pub use respawn::RespawnPolicy;
pub use sources::Handled;
pub use supervisor::Policy;
pub use world::{Hooks, Instruments, OnReload, Plan};

use crate::process::clock::Time;
use event::Event;
use supervisor::Supervisor;
use world::{Effect, World};

/// A server, seen from its master.
pub struct Master<'a> {
    supervisor: Supervisor,
    world: World<'a>,
}

impl<'a> Master<'a> {
    /// A master that has forked nobody yet.
    pub fn new(plan: Plan<'a>, instruments: Instruments, hooks: Hooks<'a>, seed: u64) -> Self {
        let edition = &plan.edition;
        let supervisor = Supervisor::new(edition.workers, edition.policy, seed, Time::now());
        Self { supervisor, world: World::new(plan, instruments, hooks) }
    }

    /// Serves until it is asked to stop or no worker is left; then every child was reaped and nothing is left behind.
    pub fn run(mut self) -> Ending {
        let mut events = vec![Event::Woke];
        loop {
            for event in events {
                if let Some(ending) = self.decide(event) {
                    self.world.leave();
                    return ending;
                }
            }
            events = self.world.wait(self.supervisor.next_deadline());
            // Deadlines are looked at last: what a child has said counts before the limit on saying it.
            events.push(Event::Woke);
        }
    }

    /// Asks the supervisor, does what it says, and tells it what came of that, until nothing is left to do.
    fn decide(&mut self, event: Event) -> Option<Ending> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.supervisor.step(event, Time::now()) {
                match self.world.perform(action, &self.supervisor) {
                    Effect::None => {}
                    Effect::Caused(event) => events.push_back(event),
                    Effect::Ended(ending) => return Some(ending),
                }
            }
        }
        None
    }
}
