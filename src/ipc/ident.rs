//! The numbers by which the processes of one server name things to each other.

use std::fmt;

/// A numbered place to fill with a worker, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Slot(u32);

impl Slot {
    /// The slot with this number, counted from 1.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, counted from 1.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its place in a list, counted from 0.
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }
}

/// A number that rises at every reload and upgrade; a child keeps the one it was born with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Generation(u32);

impl Generation {
    /// The generation of a fresh start.
    pub const FIRST: Self = Self(1);

    /// The generation with this number, counted from 1.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number, counted from 1.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// A row of the scoreboard, counted from 0. It belongs to a child, not to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct RowId(u32);

impl RowId {
    /// The row at this place, counted from 0.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Its place, counted from 0.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
