//! A kernel of toy processes that drives the supervisor through random lives, and checks after every step what must
//! always hold. It knows nothing of the supervisor's insides but the list of children that `status` shows.
//!
//! At any step a toy child may say ready, die of anything, refuse to drain or never become ready; forks may fail;
//! somebody may ask for a reload, another number of workers or a stop, in the middle of each other; the clock may
//! stand still or jump by minutes; and events may name children that are long gone.

mod chance;
mod change;
mod checks;
mod defect;
mod late;
mod share;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use self::defect::Defect;
use super::{
    action::{Action, Ending, News, Reason, Verdict, Warning},
    event::{Caller, ChildId, Event},
    policy::{Pausing, Policy},
    respawn::{Dice, RespawnPolicy},
    supervisor::Supervisor,
};
use crate::{
    config::Recycling,
    ipc::{
        control::{Pace, Request},
        ident::{Generation, Slot},
    },
    process::{Pid, clock::Time},
    worker::Taking,
};

/// What a check found: the name of the invariant, and the step.
pub(super) type Violation = (&'static str, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Booting,
    Ready,
    Leaving,
    Dead(i32),
}

#[derive(Debug, Clone, Copy)]
struct Toy {
    life: Life,
    generation: Generation,
    drained: bool,
    killed: bool,
    /// When it must show life, as its row says.
    due: Option<Time>,
    stopped: bool,
    warned: Option<Warning>,
    work: share::Work,
}

/// The world, and what was asked of it.
pub(super) struct ToyKernel {
    supervisor: Supervisor,
    toys: BTreeMap<ChildId, Toy>,
    /// What each generation is to run with; those that are alive.
    policies: BTreeMap<Generation, Policy>,
    editions: BTreeSet<Generation>,
    /// Forks that failed a moment ago: the supervisor is not told yet, so a signal to one reaches nobody.
    stillborn: BTreeSet<ChildId>,
    owed: BTreeSet<Caller>,
    dice: Dice,
    now: Time,
    steps: u64,
    callers: u64,
    announced: u32,
    closed: bool,
    ending: Option<Ending>,
    most: u32,
    /// While the world is calm nothing fails and nobody asks.
    calm: bool,
    defect: Defect,
    struck: bool,
    frozen: Option<Time>,
    /// Whether a trial child of a new program is there.
    trying: bool,
    /// After how many steps a second supervisor, which must answer alike, is made anew of what the first would carry over.
    /// It looks at all slots at first, and so finds what the other does not look at but should.
    shadowed: Option<u64>,
    shadow: Option<Supervisor>,
    /// The machine stood still until now.
    gap: bool,
}

const POLICY: Policy = Policy {
    boot: Some(Duration::from_secs(30)),
    liveness: Some(Duration::from_secs(20)),
    request: None,
    drain: Some(Duration::from_secs(30)),
    respawn: RespawnPolicy {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(3),
        healthy: Duration::from_secs(1),
        patience: 8,
    },
    pausing: Pausing::Possible,
    taking: Taking::Many,
    recycling: Recycling { requests: None, memory: None, age: None },
};

impl ToyKernel {
    pub(super) fn new(seed: u64, most: u32, defect: Defect) -> Self {
        let mut dice = Dice::new(seed);
        let workers = if most > 16 { most } else { 1 + dice.below(most) };
        let policy = Policy { recycling: share::recycling(&mut dice, most), ..POLICY };
        let workers = share::range(&mut dice, workers, most);
        Self {
            supervisor: Supervisor::new(workers, policy, dice.roll(), Time::ZERO),
            toys: BTreeMap::new(),
            policies: [(Generation::FIRST, policy)].into(),
            editions: [Generation::FIRST].into(),
            stillborn: BTreeSet::new(),
            owed: BTreeSet::new(),
            dice,
            now: Time::ZERO,
            steps: 0,
            callers: 0,
            announced: 0,
            closed: false,
            ending: None,
            most,
            calm: false,
            defect,
            struck: false,
            frozen: None,
            trying: false,
            shadowed: None,
            shadow: None,
            gap: false,
        }
    }

    /// Lives for about `steps` steps, with a calm spell now and then, then stops; says how many it took.
    pub(super) fn live(mut self, steps: u64) -> Result<u64, Violation> {
        self.deliver(Event::Woke)?;
        while self.steps < steps && self.ending.is_none() {
            if self.most <= 16 && self.dice.one_in(2_000) {
                self.calm_spell()?;
            } else {
                self.live_on()?;
            }
        }
        self.end()?;
        Ok(self.steps)
    }

    /// A world without accidents settles: every slot serves, nobody waits.
    fn calm_spell(&mut self) -> Result<(), Violation> {
        self.calm = true;
        for _ in 0..self.most * 40 + 400 {
            if self.ending.is_some() || self.is_quiet() {
                break;
            }
            self.pass();
            let event = self.happen();
            self.deliver(event)?;
        }
        self.require("a calm world settles", self.ending.is_some() || self.is_quiet())?;
        self.calm = false;
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        let serving = self.toys.values().filter(|toy| toy.life == Life::Ready && !toy.drained).count();
        let moving = self.toys.values().any(|toy| toy.life != Life::Ready || toy.drained);
        let settled =
            !moving && serving == self.supervisor.target() as usize && !self.supervisor.is_degraded();
        // A slot that was given up before the calm stays so: nobody waits for it.
        let given_up = !moving && self.supervisor.is_degraded() && self.supervisor.next_deadline().is_none();
        (settled || given_up) && self.owed.is_empty() && !self.trying
    }

    /// Stop ends, whatever the children do.
    fn end(&mut self) -> Result<(), Violation> {
        for _ in 0..self.toys.len() * 8 + 100 {
            if self.ending.is_some() {
                break;
            }
            if !self.supervisor.is_stopping() {
                let event = self.ask(Request::Stop(Pace::Drain));
                self.deliver(event)?;
            }
            self.now = self.supervisor.next_deadline().unwrap_or(self.now).max(self.now);
            let event = self.bury_one().unwrap_or(Event::Woke);
            self.deliver(event)?;
            if self.trying {
                let event = self.end_trial();
                self.deliver(event)?;
            }
        }
        self.require("stop always ends", self.ending.is_some())?;
        self.require("nobody is left behind", self.toys.is_empty())?;
        self.require("every caller is answered", self.owed.is_empty())
    }

    /// Tells the supervisor, does what it says, and tells it what came of that, until nothing is left to do.
    fn deliver(&mut self, event: Event) -> Result<(), Violation> {
        self.hear(event)?;
        self.cross()
    }

    fn hear(&mut self, event: Event) -> Result<(), Violation> {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.steps += 1;
            if let Event::SpawnFailed { child, .. } = &event {
                self.stillborn.remove(child);
            }
            if self.strikes(Defect::StopTheClock) {
                self.frozen = Some(self.now);
            }
            let mut actions = self.step(event)?;
            self.sabotage(&mut actions);
            for action in actions {
                events.extend(self.perform(action)?);
            }
            if self.stillborn.is_empty() {
                self.check()?;
            }
        }
        Ok(())
    }

    /// What the supervisor says, and its shadow says too.
    fn step(&mut self, event: Event) -> Result<Vec<Action>, Violation> {
        let now = self.frozen.unwrap_or(self.now);
        let shadow =
            self.shadow.as_mut().map(|shadow| (shadow.step(event.clone(), now), shadow.next_deadline()));
        let actions = self.supervisor.step(event, now);
        let alike = shadow.is_none_or(|shadow| shadow == (actions.clone(), self.supervisor.next_deadline()));
        self.require("a copy acts alike", alike)?;
        if self.shadowed.is_some_and(|often| self.steps.is_multiple_of(often)) {
            self.shadow = Some(change::carried(&self.supervisor));
        }
        Ok(actions)
    }

    fn perform(&mut self, action: Action) -> Result<Option<Event>, Violation> {
        match action {
            Action::Spawn { child, generation, .. } => return self.spawn(child, generation).map(Some),
            // It heeds at once, unless it is busy dying.
            Action::Accept { child, accepts } => {
                let alive = self.toys.get(&child).is_some_and(|toy| !matches!(toy.life, Life::Dead(_)));
                return Ok(alive.then_some(Event::Accepts { child, accepts }));
            }
            Action::CloseListeners => {
                self.require(
                    "listeners are closed once, at the stop",
                    self.supervisor.is_stopping() && !self.closed,
                )?;
                self.closed = true;
            }
            Action::Drain { child } => self.drain(child)?,
            Action::Kill { child } => self.kill(child)?,
            Action::Warn { child, warning } => self.warn(child, warning)?,
            Action::Look => return Ok(Some(self.rows())),
            Action::Weigh => return Ok(Some(self.weights())),
            Action::Tell(News::Killed { who, reason: Reason::Passed(limit, _) }) => {
                self.passed(who.child, limit)?;
            }
            Action::Prepare { generation } if self.dice.one_in(5) => {
                self.unprepared(generation);
                return Ok(Some(Event::PrepareFailed { cause: "unknown key".into() }));
            }
            Action::Prepare { generation } => return Ok(Some(self.prepare(generation))),
            Action::Retire { generation } => {
                let living = self.editions.remove(&generation);
                self.require("an edition is retired once", living)?;
            }
            Action::Try { generation, .. } => return self.try_program(generation),
            Action::EndTrial => self.require("only a trial is ended", self.trying)?,
            Action::Answer { caller, verdict: Verdict { .. } } => {
                let owed = self.owed.remove(&caller);
                self.require("a caller is answered once", owed)?;
            }
            Action::AnnounceReady => self.announced += 1,
            Action::Finish(ending) => self.ending = Some(ending),
            Action::Report { caller } | Action::Reopen { caller: Some(caller) } => {
                self.owed.remove(&caller);
            }
            Action::Reopen { caller: None } | Action::Tell(_) => {}
        }
        Ok(None)
    }

    fn prepare(&mut self, generation: Generation) -> Event {
        let workers = self.dice.one_in(4).then(|| {
            let least = 1 + self.dice.below(self.most);
            share::range(&mut self.dice, least, self.most)
        });
        let boot = Some(Duration::from_secs(u64::from(1 + self.dice.below(60))));
        let recycling = share::recycling(&mut self.dice, self.most);
        let policy = Policy { boot, recycling, ..POLICY };
        self.unprepared(generation);
        if !self.strikes(Defect::MixLimits) {
            self.policies.insert(generation, policy);
        }
        Event::Prepared { workers, policy }
    }

    /// The reload fails before there is anything to run with: what will be let go is nothing.
    fn unprepared(&mut self, generation: Generation) {
        self.editions.insert(generation);
        self.policies.insert(generation, POLICY);
    }

    fn spawn(&mut self, child: ChildId, generation: Generation) -> Result<Event, Violation> {
        self.require("only a living edition is forked from", self.editions.contains(&generation))?;
        self.require("nobody is born into a program that ends", self.supervisor.crossing().is_none())?;
        self.require("nothing is spawned while stopping", !self.supervisor.is_stopping() && !self.closed)?;
        self.may_be_born(child, generation)?;
        if !self.calm && self.dice.one_in(20) {
            self.stillborn.insert(child);
            return Ok(Event::SpawnFailed { child, cause: "EAGAIN".into() });
        }
        self.toys.insert(
            child,
            Toy {
                life: Life::Booting,
                generation,
                drained: false,
                killed: false,
                due: None,
                stopped: false,
                warned: None,
                work: share::Work::born(self.now),
            },
        );
        Ok(Event::Spawned { child, pid: Pid::from_raw(2) })
    }

    fn toys_in(&self, slot: Slot) -> impl Iterator<Item = (&ChildId, &Toy)> {
        self.toys.range(ChildId { slot, serial: 0 }..=ChildId { slot, serial: u64::MAX })
    }

    fn drain(&mut self, child: ChildId) -> Result<(), Violation> {
        let Some(toy) = self.toys.get(&child).copied() else { return self.misdirected(child) };
        self.require("a child is drained once", !toy.drained)?;
        let leaving = self.supervisor.is_stopping() || child.slot.number() > self.supervisor.target();
        let successor = self.toys_in(child.slot).any(|(id, other)| {
            // A death that was not reaped yet is unknown to everybody.
            let serves = matches!(other.life, Life::Ready | Life::Dead(_));
            *id != child && serves && !other.drained && !other.killed
        });
        let serving = toy.life == Life::Ready;
        self.require(
            "no ready child drains before its successor is ready",
            leaving || successor || !serving || toy.warned.is_some(),
        )?;
        if let Some(toy) = self.toys.get_mut(&child) {
            toy.drained = true;
            if !matches!(toy.life, Life::Dead(_)) {
                toy.life = Life::Leaving;
            }
        }
        Ok(())
    }

    fn kill(&mut self, child: ChildId) -> Result<(), Violation> {
        let Some(toy) = self.toys.get_mut(&child) else { return self.misdirected(child) };
        let again = std::mem::replace(&mut toy.killed, true);
        if !matches!(toy.life, Life::Dead(_)) {
            toy.life = Life::Dead(9);
        }
        self.require("a child is killed once", !again)
    }
}

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.roll() % u64::from(bound.max(1))).unwrap_or_default()
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.roll().is_multiple_of(odds)
    }
}
