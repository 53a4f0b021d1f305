//! Looking things up: what `status` and the tests may see of a supervisor, and what its own parts ask it.

use std::iter;

use super::{Phase, Supervisor};
use crate::{
    config::Range,
    ipc::{ident::Generation, message::Accepts},
    master::{
        adoption::Tenancy,
        event::ChildId,
        ledger::Ledger,
        slot::{Child, SlotState},
        slots::Mark,
    },
};

impl Supervisor {
    /// All children, slot by slot, oldest first.
    pub fn children(&self) -> impl Iterator<Item = &Child> {
        self.slots.iter().flat_map(|slot| &slot.children)
    }

    /// The phase of the server's life.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// How many slots are to be filled.
    pub fn target(&self) -> u32 {
        self.target
    }

    /// Of how many it may choose by itself.
    pub fn range(&self) -> Range {
        self.range
    }

    /// The generation that is to fill them.
    pub fn generation(&self) -> Generation {
        self.wanted
    }

    /// The highest generation ever begun.
    pub fn newest(&self) -> Generation {
        self.newest
    }

    /// Whether workers are to take connections from the queue.
    pub fn accepts(&self) -> Accepts {
        self.accepts
    }

    /// The past.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether a slot that should be filled has nobody who accepts.
    pub fn is_degraded(&self) -> bool {
        !self.is_stopping() && !self.wanted_slots().all(|slot| slot.children.iter().any(Child::is_serving))
    }

    /// Whether there is a worker that serves and is not late; true while the server starts or stops.
    pub fn is_healthy(&self) -> bool {
        match self.phase {
            Phase::Starting | Phase::Stopping { .. } | Phase::Finished => true,
            Phase::Running => self.children().any(|child| child.is_serving() && child.strike.is_none()),
        }
    }

    /// How each slot stands for its queue, from the first on without an end.
    pub fn tenancies(&self) -> impl Iterator<Item = Tenancy> {
        let wanted = (0..).map(|index: u32| index < self.target);
        let slots = self.slots.iter().map(Some).chain(iter::repeat(None));
        slots.zip(wanted).map(|(slot, wanted)| match slot {
            Some(slot) if slot.children.iter().any(Child::is_serving) => Tenancy::Served,
            Some(slot) if wanted && slot.respawn.given_up().is_none() => Tenancy::Vacant,
            Some(_) | None => Tenancy::Abandoned,
        })
    }

    /// Those who can look after another's queue: they accept, and nobody has stopped them.
    pub fn adopters(&self) -> impl Iterator<Item = ChildId> {
        self.children().filter(|child| child.is_serving() && child.stopped.is_none()).map(|child| child.id)
    }

    /// Whether the server ends or has ended.
    pub fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. } | Phase::Finished)
    }

    /// Whether nothing moved when the slots were surveyed last.
    pub(super) fn is_settled(&self) -> bool {
        self.slots.marked(Mark::Moving).is_empty()
    }

    pub(super) fn is_wanted(&self, child: &Child) -> bool {
        !self.is_stopping() && child.generation == self.wanted && child.id.slot.index() < self.target as usize
    }

    pub(super) fn wanted_slots(&self) -> impl Iterator<Item = &SlotState> {
        self.slots.iter().take(self.target as usize)
    }

    pub(super) fn child(&self, id: ChildId) -> Option<&Child> {
        self.slots.get(id.slot.index())?.children.iter().find(|child| child.id == id)
    }

    pub(super) fn child_mut(&mut self, id: ChildId) -> Option<&mut Child> {
        self.slots.touch(id.slot.index())?.children.iter_mut().find(|child| child.id == id)
    }

    pub(super) fn take_child(&mut self, id: ChildId) -> Option<Child> {
        let children = &mut self.slots.touch(id.slot.index())?.children;
        let index = children.iter().position(|child| child.id == id)?;
        Some(children.remove(index))
    }
}
