//! Fixed rows in memory that the master shares with its children: how a worker is doing, told without a word.
//!
//! A row belongs to a child, not to a slot: during a reload a slot has two. The master counts and shows what stands
//! there and decides nothing by it. No pid, length, index or pointer is taken from it, for any child can write
//! anything anywhere in it.
//!
//! ```ignore
//! let mut board = Scoreboard::new()?;
//! let id = board.take().ok_or("as many children as rows")?;
//! let row = board.row(id);              // and after fork, in the child:
//! row.ready();
//! assert_eq!(board.read(id).state, State::Idle);
//! ```

use std::{io, sync::Arc};

use super::{
    ident::RowId,
    row::{WORDS, Words},
    tally::Restart,
};
#[cfg(feature = "control")]
use crate::sys::luggage::{Luggage, Ticket, claim};
use crate::sys::memory::SharedMemory;

pub use super::{reading::Reading, row::Row};

/// How many rows there are: two for each of 4,096 slots, for a reload, and some for those that are slow to leave.
pub const ROWS: u32 = 4096 * 2 + 64;

/// All rows, and which of them are taken: the first is shared, the second is the master's own.
#[derive(Debug)]
pub struct Scoreboard {
    memory: Arc<SharedMemory>,
    /// Rows that were given back; the last one is taken first, for its page is there already.
    free: Vec<RowId>,
    /// Rows from here on were never taken.
    fresh: u32,
}

impl Scoreboard {
    /// Makes an empty scoreboard; rows that were never touched cost no memory.
    ///
    /// # Errors
    /// Those of making a shared memory: no descriptor or no address space left.
    pub fn new() -> io::Result<Self> {
        let memory = SharedMemory::new((ROWS as usize + 1) * WORDS * size_of::<u64>())?;
        Ok(Self { memory: Arc::new(memory), free: Vec::new(), fresh: 0 })
    }

    /// Takes a row for a child that is to be born, all zero; `None` when all are taken.
    pub fn take(&mut self) -> Option<RowId> {
        let id = self.free.pop().or_else(|| self.take_fresh())?;
        self.row(id).clear();
        Some(id)
    }

    /// Gives back the row of a child that is gone for good: reaped, so that it can write no more.
    pub fn give_back(&mut self, id: RowId) {
        debug_assert!(id.index() < self.fresh as usize && !self.free.contains(&id), "{id:?} is not taken");
        self.server().cells().inherit(self.row(id).cells());
        self.free.push(id);
    }

    /// A row, for the child that writes it.
    pub fn row(&self, id: RowId) -> Row {
        Row::at(Words::Shared(Arc::clone(&self.memory)), id.index())
    }

    /// What stands in a row.
    pub fn read(&self, id: RowId) -> Reading {
        self.row(id).read()
    }

    fn take_fresh(&mut self) -> Option<RowId> {
        let id = RowId::new(self.fresh);
        self.fresh = (self.fresh < ROWS).then_some(self.fresh + 1)?;
        self.server().cells().note_fresh(self.fresh);
        Some(id)
    }

    /// Shows everybody how many workers were forked, and for each reason replaced.
    pub fn note_lives(&self, spawned: u64, restarts: &[u64; Restart::ALL.len()]) {
        self.server().cells().note_lives(spawned, restarts);
    }

    /// The master's own row, behind those of its children.
    fn server(&self) -> Row {
        Row::at(Words::Shared(Arc::clone(&self.memory)), ROWS as usize)
    }
}

/// A scoreboard on its way into another program.
#[cfg(feature = "control")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    memory: Ticket,
    free: Vec<RowId>,
    fresh: u32,
}

#[cfg(feature = "control")]
impl Scoreboard {
    /// Puts the memory into the luggage; the children write on meanwhile.
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        Packed { memory: luggage.put(&*self.memory), free: self.free.clone(), fresh: self.fresh }
    }

    /// The scoreboard as it was.
    ///
    /// # Errors
    /// When the memory did not come with the luggage, or is another program's.
    pub fn unpack(packed: Packed) -> io::Result<Self> {
        let memory = SharedMemory::from_fd(claim(packed.memory)?)?;
        let Packed { free, fresh, .. } = packed;
        let fits = memory.words().len() == (ROWS as usize + 1) * WORDS && fresh <= ROWS;
        if !fits || free.iter().any(|row| row.index() >= fresh as usize) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { memory: Arc::new(memory), free, fresh })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ipc::reading::State;

    #[test]
    fn each_child_has_a_row_of_its_own_until_all_are_taken() {
        let mut board = Scoreboard::new().unwrap();
        let taken: BTreeSet<_> = std::iter::from_fn(|| board.take()).collect();
        assert_eq!(taken.len(), ROWS as usize);
        let last = *taken.last().unwrap();
        board.row(last).ready();
        board.row(last).accepted();
        assert_eq!(board.read(last).state, State::Busy);
        assert!(taken.iter().rev().skip(1).all(|id| board.read(*id).state == State::Booting));
    }

    #[test]
    fn a_child_sees_how_many_connections_the_least_busy_other_one_has() {
        let mut board = Scoreboard::new().unwrap();
        let rows: Vec<_> = std::iter::from_fn(|| board.take().map(|id| board.row(id))).take(4).collect();
        assert_eq!(rows[0].least_active_of_others(), None);
        rows.iter().for_each(Row::ready);
        (0..3).for_each(|_| rows[0].accepted());
        (0..2).for_each(|_| rows[1].accepted());
        rows[2].accepted();
        rows[3].draining();
        assert_eq!(rows[0].least_active_of_others(), Some(1));
        assert_eq!(rows[2].least_active_of_others(), Some(2));
        assert_eq!(Row::detached().least_active_of_others(), None);
    }

    #[test]
    fn a_row_that_was_given_back_is_clean_when_it_is_taken_again() {
        let mut board = Scoreboard::new().unwrap();
        let id = board.take().unwrap();
        board.row(id).begin(b"GET /the-end");
        board.give_back(id);
        assert_eq!(board.take(), Some(id));
        assert_eq!(board.read(id), Row::detached().read());
    }
}
