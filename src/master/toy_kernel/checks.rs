//! What must hold after every step, and the tests that hold it.

use super::{Defect, ToyKernel, Violation};
use crate::master::{
    event::ChildId,
    supervisor::{MOST_WORKERS, Phase},
};

impl ToyKernel {
    pub(super) fn misdirected(&self, child: ChildId) -> Result<(), Violation> {
        self.require("only the living are signalled", self.stillborn.contains(&child))
    }

    /// What holds after every step.
    pub(super) fn check(&self) -> Result<(), Violation> {
        self.check_children()?;
        let late = self.supervisor.next_deadline().is_some_and(|time| time <= self.now);
        self.require("the loop never spins", !late)?;
        self.require("ready is said once", self.announced <= 1)?;
        let ended = *self.supervisor.phase() == Phase::Finished;
        self.require("the end is said", ended == self.ending.is_some())?;
        self.require("at most two editions live", self.editions.len() <= 2)?;
        self.require("one slot is turned at a time", self.turning() <= 1)?;
        let (range, target) = (self.supervisor.range(), self.supervisor.target());
        self.require("a range is kept", !range.is_open() || range.nearest(target) == target)?;
        self.require("memory is bounded", self.supervisor.ledger().last_exits.len() <= 16)
    }

    /// What holds of each child, in one walk: there may be thousands.
    fn check_children(&self) -> Result<(), Violation> {
        let mut toys = self.toys.keys();
        let (mut living, mut limits) = (Vec::new(), None);
        for child in self.supervisor.children() {
            // Both are ordered by slot, then by age.
            self.require("no child is forgotten, none imagined", toys.next() == Some(&child.id))?;
            // Nearly all are of the generation of the one before.
            if limits.is_none_or(|(generation, _)| generation != child.generation) {
                limits = Some((child.generation, self.policies.get(&child.generation)));
            }
            let own = limits.is_some_and(|(_, policy)| policy == Some(&child.policy));
            self.require("a child runs under its generation's limits", own)?;
            if child.is_staying() && !living.contains(&child.generation) {
                living.push(child.generation);
            }
        }
        self.require("no child is forgotten, none imagined", toys.next().is_none())?;
        self.require("at most two generations live", living.len() <= 2)
    }

    /// Slots in which a successor boots beside a serving predecessor.
    pub(super) fn turning(&self) -> usize {
        let (mut slot, mut heir, mut old, mut count) = (None, false, false, 0);
        for child in self.supervisor.children() {
            if slot != Some(child.id.slot) {
                (slot, heir, old) = (Some(child.id.slot), false, false);
            }
            heir |= child.is_booting();
            old |= child.is_serving();
            if heir && old {
                count += 1;
                (heir, old) = (false, false);
            }
        }
        count
    }

    pub(super) fn require(&self, invariant: &'static str, holds: bool) -> Result<(), Violation> {
        if holds { Ok(()) } else { Err((invariant, self.steps)) }
    }
}

#[test]
fn a_million_random_steps_break_no_invariant() {
    let (mut steps, mut seed) = (0, 1);
    while steps < 1_000_000 {
        seed += 1;
        match ToyKernel::new(seed, 16, Defect::None).live(4_000) {
            Ok(taken) => steps += taken,
            Err((invariant, step)) => panic!("seed {seed}, step {step}: \"{invariant}\" does not hold"),
        }
    }
}

#[test]
fn nor_do_ten_thousand_with_four_thousand_slots() {
    let lived = ToyKernel::new(7, MOST_WORKERS, Defect::None).live(10_000 + u64::from(MOST_WORKERS) * 2);
    assert!(lived.is_ok_and(|steps| steps >= 10_000), "{lived:?}");
}

/// Each check is seen to fail for the defect that it is there for.
#[test]
fn the_checks_bite() {
    for (defect, invariant) in [
        (Defect::LoseDeath, "no child is forgotten, none imagined"),
        (Defect::SpawnTwice, "no slot is filled twice"),
        (Defect::DrainTooEarly, "no ready child drains before its successor is ready"),
        (Defect::DrainTwice, "a child is drained once"),
        (Defect::LoseAnswer, "every caller is answered"),
        (Defect::ForgetCallers, "a calm world settles"),
        (Defect::DeafToStop, "stop always ends"),
        (Defect::KeepLoser, "at most two editions live"),
        (Defect::RetireWinner, "only a living edition is forked from"),
        (Defect::MixLimits, "a child runs under its generation's limits"),
        (Defect::LoseWarning, "who is stuck is warned before it is killed"),
        (Defect::MistakeRows, "only who is late is warned"),
        (Defect::SleepUnseen, "a machine that stood still kills nobody"),
        (Defect::StopTheClock, "the loop never spins"),
        (Defect::InflateRows, "who is replaced has done its share"),
    ] {
        // What is rare needs longer lives: a caller must wait for an upgrade that crosses.
        let mut lives = (1..200).filter_map(|seed| ToyKernel::new(seed, 16, defect).live(4_000).err());
        assert!(lives.any(|(name, _)| name == invariant), "{defect:?}: {invariant:?} was never found");
    }
}
