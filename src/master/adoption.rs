//! Who looks after the queue of a slot that nobody fills: a pure function of the slots, beside the supervisor.
//!
//! Where each slot has a queue of its own (`--balance reuseport`), the kernel goes on dealing clients to a slot whose
//! worker is dead, or that is wanted no more. So a living worker adopts that queue until the slot is filled again: at once
//! where the slot stays empty (scaled down, given up), otherwise after a moment in which a successor is mostly there.
//!
//! ```text
//! slot 1  worker ready ──── takes from 1 ─────────── from 1 and 2 ─────────── from 1
//! slot 2  worker ready ──── dies ──── 100 ms ──────── (adopted by 1) ──────── ready: gets it back
//! ```

use std::{collections::BTreeMap, time::Duration};

use super::event::ChildId;
use crate::{ipc::ident::Slot, process::clock::Time};

/// How a slot stands, as far as its queue is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenancy {
    /// A worker takes from it.
    Served,
    /// Nobody does, and somebody is to come.
    Vacant,
    /// Nobody does, and nobody is to come.
    Abandoned,
}

/// What a worker is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// Take from that slot's queue too.
    TakeOver {
        /// The worker.
        by: ChildId,
        /// Whose queue it is.
        slot: Slot,
    },
    /// Take from it no more.
    GiveBack {
        /// The worker.
        by: ChildId,
        /// Whose queue it is.
        slot: Slot,
    },
}

/// Which queues have been adopted, and which may have to be.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Adoption {
    /// Since when nobody takes from them.
    vacant: BTreeMap<Slot, Time>,
    /// Who has adopted them.
    adopters: BTreeMap<Slot, ChildId>,
    deadline: Option<Time>,
}

impl Adoption {
    /// How long a queue may be nobody's while its slot is being filled.
    const MOMENT: Duration = Duration::from_millis(100);

    /// What is to be done, by how the slots stand and who is alive: workers that take from their own queues.
    pub fn step(&mut self, slots: &[(Slot, Tenancy)], living: &[ChildId], now: Time) -> Vec<Errand> {
        let mut errands = Vec::new();
        // An adopter that is stopped, or leaves, may hear of it later or never: it does no harm while it lasts.
        self.adopters.retain(|slot, by| {
            let stays =
                living.contains(by) && slots.iter().all(|(other, how)| other != slot || !how.is_served());
            if !stays {
                errands.push(Errand::GiveBack { by: *by, slot: *slot });
            }
            stays
        });
        self.vacant.retain(|slot, _| slots.iter().any(|(other, how)| other == slot && !how.is_served()));
        self.deadline = None;
        for (slot, how) in slots.iter().filter(|(_, how)| !how.is_served()) {
            let due = *self.vacant.entry(*slot).or_insert(now) + Self::MOMENT;
            if self.adopters.contains_key(slot) {
                continue;
            }
            if *how == Tenancy::Vacant && due > now {
                self.deadline = self.deadline.into_iter().chain([due]).min();
            } else if let Some(by) = self.least_burdened(living) {
                self.adopters.insert(*slot, by);
                errands.push(Errand::TakeOver { by, slot: *slot });
            }
        }
        errands
    }

    /// When the next queue has been nobody's for too long.
    pub fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// The worker could not be told: as if it had not been chosen.
    pub fn refused(&mut self, slot: Slot) {
        self.adopters.remove(&slot);
    }

    fn least_burdened(&self, living: &[ChildId]) -> Option<ChildId> {
        let burden = |child: &&ChildId| self.adopters.values().filter(|adopter| adopter == child).count();
        living.iter().min_by_key(burden).copied()
    }
}

impl Tenancy {
    fn is_served(self) -> bool {
        self == Self::Served
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn child(slot: u32, serial: u64) -> ChildId {
        ChildId { slot: Slot::new(slot), serial }
    }

    fn slots(how: &[Tenancy]) -> Vec<(Slot, Tenancy)> {
        (1..).map(Slot::new).zip(how.iter().copied()).collect()
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    use Tenancy::{Abandoned, Served, Vacant};

    #[test]
    fn a_queue_is_adopted_after_a_moment_and_given_back() {
        let mut adoption = Adoption::default();
        let (one, slot) = (child(1, 1), Slot::new(2));
        assert_eq!(adoption.step(&slots(&[Served, Vacant]), &[one], at(1000)), []);
        assert_eq!(adoption.deadline(), Some(at(1100)));
        assert_eq!(adoption.step(&slots(&[Served, Vacant]), &[one], at(1099)), []);
        let taken = [Errand::TakeOver { by: one, slot }];
        assert_eq!(adoption.step(&slots(&[Served, Vacant]), &[one], at(1100)), taken);
        assert_eq!(adoption.deadline(), None);
        let back = [Errand::GiveBack { by: one, slot }];
        assert_eq!(adoption.step(&slots(&[Served, Served]), &[one, child(2, 3)], at(1200)), back);
        // The next time the moment begins anew.
        assert_eq!(adoption.step(&slots(&[Served, Vacant]), &[one], at(1300)), []);
    }

    #[test]
    fn a_slot_that_stays_empty_is_adopted_at_once() {
        let mut adoption = Adoption::default();
        let (one, two) = (child(1, 1), child(2, 2));
        let how = [Served, Served, Abandoned, Abandoned];
        let expected = [(one, 3), (two, 4)].map(|(by, slot)| Errand::TakeOver { by, slot: Slot::new(slot) });
        assert_eq!(adoption.step(&slots(&how), &[one, two], at(0)), expected);
    }

    #[test]
    fn when_an_adopter_goes_another_takes_over_in_the_same_step() {
        let mut adoption = Adoption::default();
        let (one, heir, slot) = (child(1, 1), child(1, 9), Slot::new(2));
        adoption.step(&slots(&[Served, Abandoned]), &[one], at(0));
        let expected = [Errand::GiveBack { by: one, slot }, Errand::TakeOver { by: heir, slot }];
        assert_eq!(adoption.step(&slots(&[Served, Abandoned]), &[heir], at(1)), expected);
    }

    #[test]
    fn without_anybody_alive_nothing_is_due_until_somebody_is() {
        let mut adoption = Adoption::default();
        let how = slots(&[Vacant]);
        adoption.step(&how, &[], at(0));
        assert_eq!((adoption.step(&how, &[], at(500)), adoption.deadline()), (vec![], None));
        let slot = Slot::new(1);
        let taken = [Errand::TakeOver { by: child(2, 2), slot }];
        assert_eq!(adoption.step(&how, &[child(2, 2)], at(501)), taken);
        adoption.refused(slot);
        assert_eq!(adoption.step(&how, &[child(2, 2)], at(502)), taken);
    }

    fn tenancy() -> impl Strategy<Value = Tenancy> {
        prop_oneof![Just(Served), Just(Vacant), Just(Abandoned)]
    }

    proptest! {
        /// Whatever happens: what the workers were told adds up to what is known, each queue is taken from by its own
        /// worker or by one living adopter once its moment is over, and nobody is told the same twice.
        #[test]
        fn no_queue_is_forgotten(
            story in prop::collection::vec((prop::collection::vec((tenancy(), any::<bool>()), 1..6), 0u64..300), 1..30)
        ) {
            let mut adoption = Adoption::default();
            let mut told: BTreeMap<Slot, ChildId> = BTreeMap::new();
            let mut since: BTreeMap<Slot, Time> = BTreeMap::new();
            let mut now = at(0);
            for (serial, (how, later)) in (0..).zip(story) {
                now = now + Duration::from_millis(later);
                let slots: Vec<_> = (1..).map(Slot::new).zip(how.iter().map(|(how, _)| *how)).collect();
                // Some workers live on, others were replaced meanwhile.
                let serving = slots.iter().zip(&how).filter(|((_, how), _)| *how == Served);
                let living: Vec<_> = serving
                    .map(|((slot, _), (_, old))| ChildId { slot: *slot, serial: if *old { 0 } else { serial } })
                    .collect();
                for errand in adoption.step(&slots, &living, now) {
                    match errand {
                        Errand::TakeOver { by, slot } => {
                            prop_assert!(living.contains(&by));
                            prop_assert_eq!(told.insert(slot, by), None);
                        }
                        Errand::GiveBack { by, slot } => prop_assert_eq!(told.remove(&slot), Some(by)),
                    }
                }
                since.retain(|slot, _| slots.iter().any(|(other, how)| other == slot && *how != Served));
                for (slot, how) in slots {
                    let began = *since.entry(slot).or_insert(now);
                    let due = how == Abandoned || how == Vacant && now.since(began) >= Adoption::MOMENT;
                    prop_assert!(how != Served || !told.contains_key(&slot));
                    prop_assert!(!due || living.is_empty() || told.contains_key(&slot));
                    let waits = how == Vacant && !due && !told.contains_key(&slot);
                    prop_assert!(!waits || adoption.deadline().is_some_and(|at| at <= began + Adoption::MOMENT));
                    if how == Served {
                        since.remove(&slot);
                    }
                }
                // Slots never become fewer; those that this story leaves out are nobody's business.
                told.retain(|slot, _| slot.number() <= 5);
            }
        }
    }
}
