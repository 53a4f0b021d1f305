//! How many lines of a log were lost, counted by all processes of a server together.
//!
//! One that loses lines may be gone before the log flows again, and whoever writes first then tells all of it. So the
//! count lies in memory that they share, made before the first fork.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::sys::memory::SharedMemory;

/// The count of one log.
#[derive(Debug)]
pub struct Lost {
    /// Missing where no descriptor is left: then each process counts for itself.
    shared: Option<SharedMemory>,
    own: AtomicU64,
}

impl Lost {
    /// A count for this process and those that it forks from now on.
    pub fn new() -> Self {
        Self { shared: SharedMemory::new(size_of::<u64>()).ok(), own: AtomicU64::new(0) }
    }

    /// So many more were lost.
    pub fn add(&self, lines: u64) {
        self.count().fetch_add(lines, Relaxed);
    }

    /// Whether there is something to tell.
    pub fn any(&self) -> bool {
        self.count().load(Relaxed) > 0
    }

    /// How many were lost since the last call in any process; none if none were.
    pub fn take(&self) -> Option<u64> {
        if self.any() { Some(self.count().swap(0, Relaxed)).filter(|lines| *lines > 0) } else { None }
    }

    fn count(&self) -> &AtomicU64 {
        self.shared.as_ref().and_then(|memory| memory.words().first()).unwrap_or(&self.own)
    }
}

impl Default for Lost {
    fn default() -> Self {
        Self::new()
    }
}
