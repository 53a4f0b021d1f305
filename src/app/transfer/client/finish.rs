//! Runs that have come are held against their digests and written by threads of their own, while the kernel goes on
//! receiving: hashing takes longer than the way over the network. (A client may have threads: it is no master, and
//! forks nothing.)
//!
//! Runs are given to the threads in turn, and their ends are heard in the same order. Meanwhile a later run may be
//! written before an earlier one; if the client is killed then, the next one finds the gap, because it trusts no byte
//! without its digest.

use std::{
    io,
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, Scope},
};

use super::Failure;
use crate::{
    app::transfer::{arrival::Arrival, digest::digests},
    protocol::transfer::{Cause, Digest, Part, Problem},
};

/// How many threads there are, at most: so many outrun any network.
const MOST: usize = 4;

/// How many runs may wait for one thread, with the one that it is at.
const DEPTH: usize = 2;

/// A run that has come.
#[derive(Debug)]
pub struct Came {
    /// Which one.
    pub part: Part,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The digests that its blocks should have.
    pub expected: Vec<Digest>,
}

/// The threads, of which each finishes every so-many-th run. As an iterator: the runs that were given, in that order,
/// each as soon as it is written.
#[derive(Debug)]
pub struct Finishers {
    lanes: Vec<Lane>,
    given: usize,
    taken: usize,
}

#[derive(Debug)]
struct Lane {
    work: Sender<Came>,
    finished: Receiver<Result<Came, Failure>>,
}

impl Finishers {
    /// Starts them. They end when this is dropped.
    pub fn start<'scope>(scope: &'scope Scope<'scope, '_>, arrival: &'scope Arrival) -> Self {
        let count = thread::available_parallelism().map_or(1, |count| count.get().min(MOST));
        let start = |_| {
            let (work, to_do) = mpsc::channel();
            let (done, finished) = mpsc::channel();
            scope.spawn(move || to_do.into_iter().try_for_each(|came| done.send(finish(arrival, came))));
            Lane { work, finished }
        };
        Self { lanes: (0..count).map(start).collect(), given: 0, taken: 0 }
    }

    /// Whether so many runs are under way that one should be heard of before another is given.
    pub fn are_busy(&self) -> bool {
        self.given - self.taken >= self.lanes.len() * DEPTH
    }

    /// Gives a run to the thread whose turn it is.
    pub fn give(&mut self, came: Came) {
        // A thread that is not there any more is noticed when its run is asked for.
        let _ = self.lanes[self.given % self.lanes.len()].work.send(came);
        self.given += 1;
    }
}

impl Iterator for Finishers {
    type Item = Result<Came, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.taken == self.given {
            return None;
        }
        let lane = &self.lanes[self.taken % self.lanes.len()];
        self.taken += 1;
        let gone = |_| Err(Failure::Local(io::Error::other("a thread of this client has panicked")));
        Some(lane.finished.recv().unwrap_or_else(gone))
    }
}

fn finish(arrival: &Arrival, came: Came) -> Result<Came, Failure> {
    if digests(&came.bytes) != came.expected {
        return Err(Failure::Refused(Problem::from(Cause::Corrupt)));
    }
    arrival.write(&came.bytes, came.part.offset).map_err(Failure::Local)?;
    Ok(came)
}
