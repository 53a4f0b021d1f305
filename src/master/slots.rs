//! All slots, and what is known of them together.
//!
//! A master may have thousands of slots, and an event touches one. So whoever changes a slot gets it from here, and
//! [`Slots::survey`] looks at those alone that were touched since, or whose time has come. It keeps an *agenda* of what
//! comes next in which slot, *marks* of the few things that must be known of all slots, and a list of those that are to
//! be *reconciled*. All of that follows from the slots themselves: so it is not carried over to another program, which
//! finds it out by its first survey.

use std::{
    collections::BTreeSet,
    mem,
    ops::{Deref, Range},
};

use super::{
    event::Program,
    slot::{Child, SlotState},
};
use crate::{ipc::ident::Generation, process::clock::Time};

/// What the slots should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// How many are to be filled.
    pub count: usize,
    /// With which generation.
    pub generation: Generation,
    /// Into which program this process is about to go: until then nobody is born.
    pub crossing: Option<Program>,
}

/// What can be true of a slot and matters to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Something moves here still.
    Moving,
    /// Nobody of the generation that is to fill it serves.
    Behind,
    /// A successor is on the way beside a predecessor that still serves.
    Turning,
    /// Only predecessors are here: it waits to be turned.
    Waiting,
    /// A child has done its share.
    Spent,
}

/// The slots, from the first on.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Slots {
    states: Vec<SlotState>,
    #[cfg_attr(feature = "control", serde(skip))]
    known: Known,
}

/// What follows from the slots.
#[derive(Debug, Clone, Default)]
struct Known {
    /// Those that were touched since the last survey, and those that were not reconciled since.
    touched: BTreeSet<usize>,
    loose: BTreeSet<usize>,
    /// What they were held against.
    wish: Option<Wish>,
    /// How each stood when it was surveyed last; the same by time and by mark.
    standings: Vec<Standing>,
    agenda: BTreeSet<(Time, usize)>,
    marked: [BTreeSet<usize>; Mark::ALL.len()],
}

/// How one slot stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Standing {
    /// When something is to be done here although nothing happens.
    due: Option<Time>,
    marks: [bool; Mark::ALL.len()],
}

impl Slots {
    /// One slot, to change it.
    pub fn touch(&mut self, index: usize) -> Option<&mut SlotState> {
        let state = self.states.get_mut(index)?;
        self.known.touched.insert(index);
        Some(state)
    }

    /// All of them, to change them.
    pub fn touch_all(&mut self) -> impl Iterator<Item = &mut SlotState> {
        self.known.touched.extend(0..self.states.len());
        self.states.iter_mut()
    }

    /// Looks at what has changed: the slots that were touched, those whose time has come, and if something else is
    /// wished for, those that this means. There are as many as are to be filled from here on.
    pub fn survey(&mut self, wish: Wish, now: Time) {
        self.known.touched.extend(self.concerned(wish));
        self.known.wish = Some(wish);
        let count = self.states.len().max(wish.count);
        self.states.resize_with(count, SlotState::default);
        self.known.standings.resize(count.max(self.known.standings.len()), Standing::default());
        let due = self.known.agenda.iter().take_while(|(time, _)| *time <= now);
        self.known.touched.extend(due.map(|(_, index)| *index));
        for index in mem::take(&mut self.known.touched) {
            self.known.loose.insert(index);
            let standing =
                self.states.get(index).map(|state| Standing::of(state, index < wish.count, wish, now));
            self.known.note(index, standing.unwrap_or_default());
        }
    }

    /// Which slots another wish means.
    fn concerned(&self, wish: Wish) -> Range<usize> {
        match self.known.wish {
            Some(before) if Wish { count: wish.count, ..before } == wish => {
                before.count.min(wish.count)..before.count.max(wish.count)
            }
            Some(_) | None => 0..self.states.len().max(wish.count),
        }
    }

    /// Those that may differ from what they should be, as of the last survey.
    pub fn loose(&self) -> impl Iterator<Item = usize> {
        self.known.loose.iter().copied()
    }

    /// The same, as somebody sees to them now.
    pub fn take_loose(&mut self) -> BTreeSet<usize> {
        mem::take(&mut self.known.loose)
    }

    /// Lets go of the last ones that are empty, down to as many as there should be.
    pub fn trim(&mut self, count: usize) {
        while self.states.len() > count && self.states.last().is_some_and(|state| state.children.is_empty()) {
            self.states.pop();
            self.known.touched.insert(self.states.len());
        }
    }

    /// The slots of which something is true, as of the last survey.
    pub fn marked(&self, mark: Mark) -> &BTreeSet<usize> {
        &self.known.marked[mark as usize]
    }

    /// When something is to be done in one of them although nothing happens.
    pub fn due(&self) -> Option<Time> {
        self.known.agenda.first().map(|(time, _)| *time)
    }
}

impl Deref for Slots {
    type Target = [SlotState];

    fn deref(&self) -> &[SlotState] {
        &self.states
    }
}

impl Known {
    fn note(&mut self, index: usize, standing: Standing) {
        let before = mem::replace(&mut self.standings[index], standing);
        if before == standing {
            return;
        }
        before.due.map(|time| self.agenda.remove(&(time, index)));
        standing.due.map(|time| self.agenda.insert((time, index)));
        for (set, is_so) in self.marked.iter_mut().zip(standing.marks) {
            if is_so {
                set.insert(index)
            } else {
                set.remove(&index)
            };
        }
    }
}

impl Standing {
    fn of(state: &SlotState, wanted: bool, wish: Wish, now: Time) -> Self {
        let heir = state.heir(wish.generation);
        let terms = || state.children.iter().filter_map(Child::term).filter(|_| wanted);
        // A delay that is over was used, or its slot waits for its turn: only one to come counts.
        let delay = state.respawn.allowed_at().filter(|time| wanted && heir.is_none() && *time > now);
        let limits = state.children.iter().filter_map(Child::deadline);
        let is = |mark| match mark {
            Mark::Moving => !wanted || !state.is_settled(wish.generation),
            Mark::Behind => wanted && !heir.is_some_and(Child::is_serving),
            Mark::Turning => wanted && state.is_turning(),
            Mark::Waiting => wanted && heir.is_none() && state.predecessors(wish.generation).next().is_some(),
            Mark::Spent => terms().any(|term| term <= now),
        };
        // One whose share is over already waits for something else that moves.
        let terms = terms().filter(|term| *term > now);
        Self { due: limits.chain(terms).chain(delay).min(), marks: Mark::ALL.map(is) }
    }
}

impl Mark {
    /// All of them.
    const ALL: [Self; 5] = [Self::Moving, Self::Behind, Self::Turning, Self::Waiting, Self::Spent];
}
