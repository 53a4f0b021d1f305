//! What should be, what is, and the difference: the decisions of a master, as a pure state machine.
//!
//! [`Supervisor::step`] takes one event and the time, and says what is to be done. It has no clock, no randomness but
//! the seed it was given, reads nothing and forks nobody. After every event it enforces the limits that have passed,
//! *reconciles* (compares each slot that this touched with what should fill it and starts or stops the difference) and
//! settles what came to its end. So there is one place where a worker is spawned and one where it is drained, whatever
//! the reason.
//!
//! ```text
//!            Spawned              Ready            successor ready, scale down, stop
//!   (fork) ──────────► Booting ──────────► Serving ─────────────────────────► Draining ──► (reaped)
//!                         │ boot limit        │                                  │ drain limit
//!                         └──────────► Killed ◄── stop at once ──────────────────┘
//! ```

mod deaths;
mod recycle;
mod reload;
mod requests;
mod settle;
mod size;
mod upgrade;
mod view;
mod watch;

#[cfg(test)]
pub use recycle::AT_LEAST;

use std::{mem, time::Duration};

use super::{
    action::{Action, Limit, News, Reason},
    crowd::Crowd,
    event::{Caller, ChildId, Event},
    ledger::Ledger,
    policy::Policy,
    respawn::{Dice, Respawn},
    share::Share,
    slot::{Child, Stage, slot_at},
    slots::{Mark, Slots, Wish},
    turn::{NextTurn, Turn},
};
use crate::{
    config::Range,
    ipc::{ident::Generation, message::Accepts},
    process::clock::Time,
};

/// The most workers that a server can have: the scoreboard has rows for twice as many children.
pub const MOST_WORKERS: u32 = 4096;

/// How much longer than the grace a child is left to end: a worker that keeps to the limit ends by itself.
const LAST_MOMENT: Duration = Duration::from_millis(250);

/// Where in its life the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Phase {
    /// Not every worker has been ready yet.
    Starting,
    /// Every worker has been ready once.
    Running,
    /// It ends; `failure` says why if nobody asked for it.
    Stopping {
        /// What to say at the end if it is a failure.
        failure: Option<String>,
        /// Whether a person pressed Ctrl-C: the next request to stop means now.
        interrupted: bool,
    },
    /// It has ended.
    Finished,
}

/// The decisions of a master; see the module.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Supervisor {
    policy: Policy,
    phase: Phase,
    /// How many slots are to be filled.
    target: u32,
    /// Of how many it may choose by itself.
    #[cfg_attr(feature = "control", serde(default))]
    range: Range,
    /// What there was to do lately.
    #[cfg_attr(feature = "control", serde(default))]
    crowd: Crowd,
    /// The generation that is to fill them.
    wanted: Generation,
    /// The highest generation ever begun: a number is never given twice, not even after a failure.
    newest: Generation,
    slots: Slots,
    /// The reload or upgrade that runs.
    turn: Option<Turn>,
    /// The reload that waits for it; several requests become one.
    next_turn: Option<NextTurn>,
    /// Whether workers are to take connections from the queue.
    accepts: Accepts,
    /// Who waits until they do, or no longer do.
    pausers: Vec<Caller>,
    /// Who waits for a number of workers.
    scalers: Vec<Caller>,
    /// Who waits for the end.
    stoppers: Vec<Caller>,
    /// When the rows are to be looked at again.
    look_at: Option<Time>,
    /// When the workers are to be weighed again.
    #[cfg_attr(feature = "control", serde(default))]
    weigh_at: Option<Time>,
    /// Until when the machine stood still last, and for how long.
    forgiven: (Time, Duration),
    ledger: Ledger,
    dice: Dice,
    serial: u64,
    now: Time,
    #[cfg_attr(feature = "control", serde(skip))]
    actions: Vec<Action>,
}

impl Supervisor {
    /// A supervisor of the least of `workers` slots, all of them empty; the first [`Event::Woke`] fills them.
    pub fn new(workers: Range, policy: Policy, seed: u64, now: Time) -> Self {
        Self {
            policy,
            phase: Phase::Starting,
            target: workers.least.clamp(1, MOST_WORKERS),
            range: workers,
            crowd: Crowd::default(),
            wanted: Generation::FIRST,
            newest: Generation::FIRST,
            slots: Slots::default(),
            turn: None,
            next_turn: None,
            accepts: Accepts::Yes,
            pausers: Vec::new(),
            scalers: Vec::new(),
            stoppers: Vec::new(),
            look_at: Some(now),
            weigh_at: None,
            forgiven: (Time::ZERO, Duration::ZERO),
            ledger: Ledger::default(),
            dice: Dice::new(seed),
            serial: 0,
            now,
            actions: Vec::new(),
        }
    }

    /// Takes one event and says what is to be done about it, in this order.
    pub fn step(&mut self, event: Event, now: Time) -> Vec<Action> {
        self.now = now;
        self.survey();
        match event {
            Event::Spawned { child, pid } => self.spawned(child, pid),
            Event::SpawnFailed { child, cause } => self.spawn_failed(child, &cause),
            Event::Ready { child } => self.ready(child),
            Event::Accepts { child, accepts } => self.heeded(child, accepts),
            Event::LastWords { child, words, lines } => self.heard(child, words, lines),
            Event::Exited { child, status, during } => self.exited(child, status, during),
            Event::Asked { request, caller } => self.asked(request, caller),
            Event::Prepared { workers, policy } => self.prepared(workers, policy),
            Event::PrepareFailed { cause } => self.prepare_failed(&cause),
            Event::Tried { result } => self.tried(result),
            Event::Returned => self.returned(None),
            Event::CrossFailed { cause } => self.cross_failed(&cause),
            Event::Looked { sights, queue } => self.looked(sights, queue),
            Event::Weighed { weights } => self.weighed(weights),
            Event::Stopped { child } => self.halted(child, Some(now)),
            Event::Continued { child } => self.halted(child, None),
            Event::Overslept { by } => self.overslept(by),
            Event::Woke => {}
        }
        self.enforce();
        self.look();
        self.weigh();
        self.recycle();
        self.reconcile();
        self.settle();
        mem::take(&mut self.actions)
    }

    /// When the next deadline passes, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Time> {
        let looks = [self.look_at, self.weigh_at].into_iter().flatten().filter(|_| !self.is_stopping());
        self.slots.due().into_iter().chain(looks).chain(self.turn.as_ref().and_then(Turn::deadline)).min()
    }

    fn enforce(&mut self) {
        let children =
            self.slots.loose().flat_map(|index| self.slots.get(index)).flat_map(|slot| &slot.children);
        let late = children.filter(|child| child.deadline().is_some_and(|time| time <= self.now));
        let late: Vec<_> = late.map(|child| (child.id, child.stage, child.policy)).collect();
        for (id, stage, policy) in late {
            let (limit, booting) = match stage {
                Stage::Booting { .. } => (Limit::Boot, true),
                Stage::Draining { .. } => (Limit::Drain, false),
                Stage::Serving { .. } | Stage::Killed { .. } => {
                    self.unheeded(id);
                    continue;
                }
            };
            self.ledger.killed += 1;
            self.kill(id, Reason::Passed(limit, policy.limit(limit).unwrap_or_default()), booting);
        }
        if let Some(limit) = self.turn.as_ref().and_then(|turn| turn.passed(self.now)) {
            self.late(limit);
        }
    }

    /// Brings each slot that may differ to what it should be, and then turns the next.
    fn reconcile(&mut self) {
        self.survey();
        let count = self.wish().count;
        for index in self.slots.take_loose() {
            if index < count { self.fill(index) } else { self.clear(index) }
        }
        self.slots.trim(count);
        self.turn_next();
    }

    /// A slot that is wanted: a ready heir sends its predecessors away, and where nobody is somebody is spawned.
    fn fill(&mut self, index: usize) {
        let slot = &self.slots[index];
        let predecessors: Vec<_> =
            slot.predecessors(self.wanted).map(|child| (child.id, child.spent())).collect();
        match slot.heir(self.wanted) {
            Some(heir) if heir.is_serving() => {
                let rolled_back = self.turn.as_ref().is_some_and(Turn::has_failed);
                let usual = if rolled_back { Reason::RolledBack } else { Reason::Replaced };
                for (id, spent) in predecessors {
                    self.drain(id, spent.map_or(usual, Reason::Spent));
                }
            }
            None if predecessors.is_empty() && self.may_spawn(index) => self.spawn(index),
            Some(_) | None => {}
        }
    }

    /// A slot that is wanted no more.
    fn clear(&mut self, index: usize) {
        let Some(slot) = self.slots.get(index) else { return };
        let reason = if self.is_stopping() { Reason::Stop } else { Reason::ScaledDown };
        let staying: Vec<_> = slot.children.iter().filter(|c| c.is_staying()).map(|c| c.id).collect();
        staying.into_iter().for_each(|id| self.drain(id, reason));
        // If it is wanted again later it starts with a clean sheet.
        if self.slots[index].respawn != Respawn::default()
            && let Some(slot) = self.slots.touch(index)
        {
            slot.respawn = Respawn::default();
        }
    }

    /// Beside a predecessor a successor is spawned only if no other slot is being turned at this moment.
    fn turn_next(&mut self) {
        self.survey();
        if !self.slots.marked(Mark::Turning).is_empty() {
            return;
        }
        let next = self.slots.marked(Mark::Waiting).iter().copied().find(|index| self.may_spawn(*index));
        if let Some(index) = next {
            self.spawn(index);
        }
    }

    fn may_spawn(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        // What the old program forks now, the new one would have to replace.
        self.crossing().is_none() && !slot.is_mourning() && slot.respawn.allows(self.now)
    }

    /// What the slots should be.
    fn wish(&self) -> Wish {
        let count = if self.is_stopping() { 0 } else { self.target as usize };
        Wish { count, generation: self.wanted, crossing: self.crossing() }
    }

    /// Takes in what was done to the slots, and what time has.
    fn survey(&mut self) {
        self.slots.survey(self.wish(), self.now);
    }

    // The three things that are ever done to a child.

    fn spawn(&mut self, index: usize) {
        self.serial += 1;
        let child = ChildId { slot: slot_at(index), serial: self.serial };
        let deadline = self.policy.boot.map(|limit| self.now + limit);
        let stage = Stage::Booting { deadline };
        let share = Share::draw(&self.policy.recycling, self.now, &mut self.dice);
        let (generation, born, accepts) = (self.wanted, self.now, self.accepts);
        let Some(slot) = self.slots.touch(index) else { return };
        slot.children.push(Child {
            id: child,
            generation,
            policy: self.policy,
            pid: None,
            born,
            stage,
            stopped: None,
            strike: None,
            share,
            told: accepts,
            accepts,
            words: None,
            lines: Vec::new(),
        });
        self.actions.push(Action::Spawn { child, generation, accepts });
    }

    fn drain(&mut self, id: ChildId, reason: Reason) {
        let now = self.now;
        let Some(child) = self.child_mut(id) else { return };
        let deadline = child.policy.drain.map(|grace| now + grace + LAST_MOMENT);
        child.stage = Stage::Draining { deadline, reason };
        let who = child.who();
        self.tell(News::Draining { who, reason });
        self.actions.push(Action::Drain { child: id });
    }

    fn kill(&mut self, id: ChildId, reason: Reason, failed: bool) {
        let Some(child) = self.child_mut(id) else { return };
        child.stage = Stage::Killed { reason, failed };
        let who = child.who();
        self.tell(News::Killed { who, reason });
        self.actions.push(Action::Kill { child: id });
    }

    fn tell(&mut self, news: News) {
        self.actions.push(Action::Tell(news));
    }
}
