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
mod adoption;
mod birth;
mod children;
mod crowd;
#[cfg_attr(not(feature = "control"), path = "no_desk.rs")]
mod desk;
mod edition;
mod event;
mod interest;
mod ledger;
mod lending;
mod logs;
mod news;
mod place;
mod policy;
mod process;
mod program;
mod protocols;
mod respawn;
mod share;
mod slot;
mod slots;
mod sources;
#[cfg(feature = "control")]
mod status;
mod supervisor;
mod tail;
#[cfg(test)]
mod toy_kernel;
mod turn;
#[cfg_attr(not(feature = "control"), path = "no_upgrade.rs")]
pub mod upgrade;
mod watchdog;
mod world;

#[cfg(feature = "control")]
use std::io;
use std::{collections::VecDeque, time::Duration};

pub use action::{Change, Ending, News, Who};
pub use edition::{Edition, Work};
pub use place::Place;
pub use policy::Policy;
pub use protocols::Protocols;
pub use respawn::RespawnPolicy;
pub use sources::Handled;
pub use world::{Hooks, Instruments, OnReload, Plan};

use crate::process::clock::Time;
use event::Event;
use supervisor::Supervisor;
#[cfg(feature = "control")]
use upgrade::{Beginning, State};
use watchdog::Watchdog;
use world::{Effect, World};

/// A loop that wakes so much later than it meant to was not let run: the machine stood still, or this process did.
const OVERSLEPT: Duration = Duration::from_secs(1);

/// A server, seen from its master.
pub struct Master<'a> {
    supervisor: Supervisor,
    world: World<'a>,
    /// What the supervisor is told before anything else.
    first: Event,
    /// A service manager that wants to hear that all is well.
    watchdog: Option<Watchdog>,
}

impl<'a> Master<'a> {
    /// A master that has forked nobody yet.
    pub fn new(plan: Plan<'a>, instruments: Instruments, hooks: Hooks<'a>, seed: u64) -> Self {
        let edition = &plan.edition;
        let supervisor = Supervisor::new(edition.workers, edition.policy, seed, Time::now());
        let world = World::new(plan, instruments, hooks);
        Self { supervisor, world, first: Event::Woke, watchdog: Watchdog::of_this_process() }
    }

    /// The master of a trial: one worker, which accepts nobody, is brought to ready and sent away.
    #[cfg(feature = "control")]
    pub fn rehearse(
        plan: Plan<'a>,
        instruments: Instruments,
        hooks: Hooks<'a>,
        rehearsal: upgrade::Rehearsal,
    ) -> Self {
        let mut master = Self::new(plan, instruments, hooks, 0);
        master.supervisor = master.supervisor.for_trial();
        master.world.programs.rehearsal = Some(rehearsal);
        master
    }

    /// A master that goes on with what the one in the program before began.
    ///
    /// # Errors
    /// When something of that cannot be had; then nothing has happened.
    #[cfg(feature = "control")]
    pub fn resume(
        plan: Plan<'a>,
        hooks: Hooks<'a>,
        handled: Handled,
        state: State,
        beginning: Beginning,
    ) -> io::Result<Self> {
        let (workers, policy) = (plan.edition.workers, plan.edition.policy);
        let supervisor = state.supervisor.clone();
        let first = match beginning {
            Beginning::New => {
                Event::Prepared { workers: (workers != state.range()).then_some(workers), policy }
            }
            Beginning::Returned => Event::Returned,
            Beginning::Spared(cause) => Event::CrossFailed { cause },
        };
        let world = World::resume(plan, hooks, handled, state)?;
        Ok(Self { supervisor, world, first, watchdog: Watchdog::of_this_process() })
    }

    /// Serves until it is asked to stop or no worker is left; then every child was reaped and nothing is left behind.
    pub fn run(mut self) -> Ending {
        let mut events = vec![std::mem::replace(&mut self.first, Event::Woke)];
        loop {
            for event in events {
                if let Some(ending) = self.decide(event) {
                    self.world.leave();
                    return ending;
                }
            }
            #[cfg(feature = "control")]
            if let Some(program) = self.supervisor.crossing() {
                // Nothing is under way: whatever was decided is done, whatever happened is known.
                events = vec![self.world.cross(program, &self.supervisor)];
                continue;
            }
            let heartbeat = self.watchdog.as_ref().map(Watchdog::deadline);
            let queues = self.world.look_after_queues(&self.supervisor);
            let deadlines = [self.supervisor.next_deadline(), heartbeat, queues];
            let (began, deadline) = (Time::now(), deadlines.into_iter().flatten().min());
            events = self.world.wait(deadline);
            let now = Time::now();
            if deadline.is_some_and(|deadline| now.since(deadline) > OVERSLEPT) {
                events.insert(0, Event::Overslept { by: now.since(began) });
            }
            // Deadlines are looked at last: what a child has said counts before the limit on saying it.
            events.push(Event::Woke);
            if let Some(watchdog) = &mut self.watchdog {
                watchdog.look(&self.supervisor, now);
            }
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
            events.extend(self.world.known());
        }
        None
    }
}
