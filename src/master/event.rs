//! What can happen to a server, as the supervisor is told of it.
//!
//! Nobody above [`super::sources`] sees a signal number, a descriptor or a pid that was not checked: an event names a
//! child of our own table, and says one thing about it.

use std::time::Duration;

use super::policy::Policy;
use crate::{
    config::Range,
    ipc::{control::Request, ident::Slot, message::Accepts},
    process::{Pid, clock::Time, exit::ExitStatus},
};

/// One child for its whole life: the slot it fills and a number that is never given twice.
///
/// A pid would not do: the kernel gives it to somebody else as soon as the child is reaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct ChildId {
    /// The slot it was born for.
    pub slot: Slot,
    /// Its number among all children of this master.
    pub serial: u64,
}

/// Somebody who waits for the result of a request: a connection of the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Caller(pub u64);

/// A program that this process may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The one that an upgrade brings.
    New,
    /// The one that ran before.
    Old,
}

/// What a child says of itself in its row. It may say anything, and harms none but itself by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Which child.
    pub child: ChildId,
    /// When it will have shown life again; none while it waits.
    pub due: Option<Time>,
    /// When what it works at will be over; none while it waits.
    pub request_due: Option<Time>,
    /// The request that it works at.
    pub during: Option<String>,
    /// How many requests it has answered.
    pub served: u64,
    /// How many of its connections are open.
    pub active: u64,
}

/// Whether clients wait to be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// Nobody does.
    Empty,
    /// Somebody does.
    Waiting,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The fork that was asked for went well.
    Spawned { child: ChildId, pid: Pid },
    /// The fork that was asked for failed; nothing was born.
    SpawnFailed { child: ChildId, cause: String },
    /// A child says that it accepts.
    Ready { child: ChildId },
    /// A child says why it is about to end.
    LastWords { child: ChildId, words: Option<String>, lines: Vec<String> },
    /// A child says whether it takes connections from the queue.
    Accepts { child: ChildId, accepts: Accepts },
    /// A child ended and was reaped; `during` is the request that stood in its row.
    Exited { child: ChildId, status: ExitStatus, during: Option<String> },
    /// A person or a program asks for something; without a caller by signal, so that nobody waits for the result.
    Asked { request: Request, caller: Option<Caller> },
    /// The configuration was read anew for the reload that was asked for, and its listeners are bound.
    Prepared { workers: Option<Range>, policy: Policy },
    /// It could not be read, or is wrong: the reload fails before it begins.
    PrepareFailed { cause: String },
    /// The trial child of a new program is gone; it had shown all that it must, or it had not.
    Tried { result: Result<(), String> },
    /// This process has become the old program again.
    Returned,
    /// This process could not become the other program.
    CrossFailed { cause: String },
    /// What stands in the rows of the children that serve, and whether clients wait in a queue.
    Looked { sights: Vec<Sight>, queue: Queue },
    /// How much memory each worker has in use, in bytes.
    Weighed { weights: Vec<(ChildId, u64)> },
    /// A child was stopped: it does nothing until it goes on.
    Stopped { child: ChildId },
    /// A child that was stopped goes on.
    Continued { child: ChildId },
    /// The loop woke long after it had meant to: for so long nobody may have had a chance to do anything.
    Overslept { by: Duration },
    /// A deadline passed: nothing else happened.
    Woke,
}
