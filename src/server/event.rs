//! What the library tells its user in the master: what happened to whom.

use crate::{
    ipc::message::Accepts,
    master::{Change, News, Who},
    process::{Pid, exit::ExitStatus},
};

/// One thing that happened to the server or to one of its workers. Slots and generations count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Every worker is ready for the first time.
    Started {
        /// The server's name.
        name: String,
        /// How many workers accept.
        workers: u32,
        /// One URL for each listener, in the order of binding: `http://127.0.0.1:8080`, `tcp://…`, `udp://…`, `unix:…`.
        urls: Vec<String>,
    },
    /// A worker was forked.
    Spawned(WorkerId),
    /// A worker accepts.
    Ready(WorkerId),
    /// A worker was asked to finish what it has and take no more.
    Draining(WorkerId),
    /// A worker passed a limit and is being killed.
    Killed {
        /// Which one.
        worker: WorkerId,
        /// Which limit.
        reason: String,
    },
    /// A worker ended and was reaped.
    Exited {
        /// Which one.
        worker: WorkerId,
        /// How: `exit:3`, `signal:SEGV`.
        status: ExitStatus,
        /// Why: its last words, or what it was asked for.
        reason: String,
        /// The request that it was serving.
        during: Option<String>,
    },
    /// A slot stays empty: its workers keep dying.
    GaveUp {
        /// The last of them.
        worker: WorkerId,
        /// Why it died.
        reason: String,
    },
    /// A reload came to its end.
    Reloaded {
        /// The generation that serves now.
        generation: u32,
    },
    /// A reload failed; the generation before serves on.
    ReloadFailed {
        /// Why.
        reason: String,
    },
    /// An upgrade came to its end: this is the new program.
    Upgraded {
        /// The generation that serves now.
        generation: u32,
    },
    /// An upgrade failed; the old program and the generation before serve on.
    UpgradeFailed {
        /// Why.
        reason: String,
    },
    /// Another number of workers is wanted.
    Scaled {
        /// How many.
        workers: u32,
    },
    /// No worker takes connections from the queue any more.
    Paused,
    /// They do again.
    Resumed,
    /// The server begins to end.
    Stopping {
        /// Why.
        reason: String,
    },
}

/// Which worker an [`Event`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerId {
    /// The slot that it fills.
    pub slot: u32,
    /// The generation that it was born in.
    pub generation: u32,
    /// Its process, which may be gone.
    pub pid: Option<Pid>,
}

impl From<&Who> for WorkerId {
    fn from(who: &Who) -> Self {
        Self { slot: who.child.slot.number(), generation: who.generation.number(), pid: who.pid }
    }
}

impl Event {
    /// The event in a piece of news, if it is one for users of the library.
    pub(super) fn from_news(news: &News) -> Option<Self> {
        Some(match news {
            News::Spawned { who } => Self::Spawned(who.into()),
            News::Ready { who, .. } => Self::Ready(who.into()),
            News::Draining { who, .. } => Self::Draining(who.into()),
            News::Killed { who, reason } => Self::Killed { worker: who.into(), reason: reason.to_string() },
            News::Exited { who, status, reason, during, .. } => {
                let (reason, during) = (reason.clone(), during.clone());
                Self::Exited { worker: who.into(), status: *status, reason, during }
            }
            News::GaveUp { who, reason, .. } => Self::GaveUp { worker: who.into(), reason: reason.clone() },
            News::Turned { change, generation } => match change {
                Change::Reload => Self::Reloaded { generation: generation.number() },
                Change::Upgrade => Self::Upgraded { generation: generation.number() },
            },
            News::TurnFailed { change, reason, .. } => match change {
                Change::Reload => Self::ReloadFailed { reason: reason.clone() },
                Change::Upgrade => Self::UpgradeFailed { reason: reason.clone() },
            },
            News::Scaled { to, .. } => Self::Scaled { workers: *to },
            News::Stopping { reason } => Self::Stopping { reason: reason.clone() },
            News::Accepts { accepts: Accepts::Paused } => Self::Paused,
            News::Accepts { accepts: Accepts::Yes } => Self::Resumed,
            News::Stopped { .. }
            | News::SpawnFailed { .. }
            | News::Respawn { .. }
            | News::TurnBegan { .. }
            | News::Struck { .. }
            | News::Halted { .. }
            | News::Continued { .. }
            | News::ReloadQueued { .. }
            | News::Refused { .. } => {
                return None;
            }
        })
    }
}
