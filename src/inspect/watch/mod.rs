//! What processes do, as they do it: fork, exec, exit, reaped, adopted.
//!
//! ```text
//! sh 4711 forks 4712 · 4712 executes sleep · 4711 exits · 1 adopts 4712 · 4712 exits · 1 reaps it
//! ```
//!
//! Where the kernel tells root of every process, nothing is missed. Elsewhere /proc is walked again and again: what
//! lives shorter than the time between two walks is not seen. Either way each process of interest is held by a
//! descriptor of its own, which says at once when it has ended and when it is reaped, and whose number nobody else
//! can get. Nobody tells of adoption: when a process has ended, each of its children is asked who its parent is now.

pub mod bell;
mod connector;
mod look;
mod table;
pub mod watcher;

use std::time::Duration;

use crate::process::{clock::Time, exit::ExitStatus};

/// A process, and what it is called. The name is as it is: see [`super::text::printable`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its number.
    pub pid: i32,
    /// Its short name; `None` for one that ended before it could be asked.
    pub comm: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// When.
    pub at: Time,
    /// To whom.
    pub process: Named,
    /// What.
    pub event: Event,
}

/// What happened to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It was made.
    Fork {
        /// By whom.
        parent: Named,
    },
    /// It runs another program.
    Exec {
        /// The command line of that.
        title: Option<String>,
    },
    /// It ended.
    Exit {
        /// How; `None` where that cannot be seen (yet).
        status: Option<ExitStatus>,
        /// How long it lived, if its beginning was seen.
        lived: Option<Duration>,
    },
    /// Its parent asked how it ended, and its number is free.
    Reaped {
        /// Who asked.
        by: Reaper,
        /// How long it was a zombie.
        after: Duration,
        /// How it ended, where that could not be seen before.
        status: Option<ExitStatus>,
    },
    /// Its parent ended, and it has another.
    Adopted {
        /// The one that ended.
        parent: Named,
        /// The new one.
        by: Named,
    },
    /// The kernel told more than could be read: some events are missing here.
    Lost,
}

/// Who reaped a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaper {
    /// Its parent.
    Parent(Named),
    /// The kernel at once, for its parent ignores SIGCHLD.
    Kernel(Named),
    /// Whoever adopted it: its parent had ended.
    Adopter,
}

/// How it is known what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The kernel tells.
    Kernel,
    /// /proc is walked this often.
    Walks {
        /// The time between two walks.
        every: Duration,
        /// Why the kernel does not tell.
        because: String,
    },
}

impl Source {
    /// The name of the source in documents.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kernel => "netlink",
            Self::Walks { .. } => "proc",
        }
    }

    /// What may be missed, in words.
    pub fn may_miss(&self) -> String {
        match self {
            Self::Kernel => "nothing, unless events come faster than they can be read: that is said".into(),
            Self::Walks { every, because: _ } => format!(
                "processes that live for less than {} ms, an exec that changes no name, exit statuses of other users' \
                 processes",
                every.as_millis()
            ),
        }
    }
}
