//! When a worker is replaced although nothing is wrong with it.

use std::time::Duration;

/// The shares of work after which a worker is replaced, one at a time, its successor first; `None` is `off`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Recycling {
    /// How many requests it answers; where nobody counts them, how many connections it has.
    pub requests: Option<Spread<u64>>,
    /// How much memory it may have in use, in bytes, shared pages counted in full.
    pub memory: Option<u64>,
    /// How long it lives.
    pub age: Option<Spread<Duration>>,
}

/// A share, and how much more it may be: each worker draws its own, so that those who began together do not end together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Spread<T> {
    /// It is no less than this.
    pub least: T,
    /// And less than so much more.
    pub jitter: T,
}

impl<T: Default> From<T> for Spread<T> {
    /// The same for every worker.
    fn from(least: T) -> Self {
        Self { least, jitter: T::default() }
    }
}
