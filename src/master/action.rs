//! What the supervisor wants done to the world, and what it wants told.

use std::{path::PathBuf, time::Duration};

use super::event::{Caller, ChildId};
pub use super::turn::Change;
use crate::{
    ipc::{ident::Generation, message::Accepts},
    process::{Pid, exit::ExitStatus},
};

/// One thing to be done by [`super::effects`], the only writer to the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Fork a worker; answered by `Spawned` or `SpawnFailed`.
    Spawn { child: ChildId, generation: Generation, accepts: Accepts },
    /// Ask a child to finish what it has and take no more: SIGTERM.
    Drain { child: ChildId },
    /// Order a child to take connections from the queue, or to leave it alone.
    Accept { child: ChildId, accepts: Accepts },
    /// Warn a child that is late: a signal that it can answer, or one that asks it to go.
    Warn { child: ChildId, warning: Warning },
    /// Read the rows of the scoreboard; answered by `Looked`.
    Look,
    /// See how much memory each worker has in use; answered by `Weighed`.
    Weigh,
    /// End a child and its process group: SIGKILL.
    Kill { child: ChildId },
    /// Read the configuration anew for this generation; answered by `Prepared` or `PrepareFailed`.
    Prepare { generation: Generation },
    /// Let go of what this generation alone was to run with: its successor is trusted, or it is not.
    Retire { generation: Generation },
    /// Start a trial child of this program, or of the one that was started; answered by `Tried`.
    Try { generation: Generation, binary: Option<PathBuf> },
    /// Kill the trial child; answered by `Tried` too.
    EndTrial,
    /// Take no new client any more: close the master's listeners. Who waits in a queue is still accepted by the workers,
    /// which close theirs as they drain; whoever comes later is refused at once, not left waiting for nobody.
    CloseListeners,
    /// Every worker is ready for the first time.
    AnnounceReady,
    /// Say in the log, and to who listens, what happened.
    Tell(News),
    /// Say how the server stands.
    Report { caller: Caller },
    /// Open the log files again, here and in every worker; and say to who asked whether they could be.
    Reopen { caller: Option<Caller> },
    /// A request came to its end.
    Answer { caller: Caller, verdict: Verdict },
    /// All children are gone: the master ends.
    Finish(Ending),
}

/// How a request came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether what was asked for is so.
    pub outcome: Outcome,
    /// What happened, for a person.
    pub text: String,
    /// The last lines of the child that failed, if one did.
    pub lines: Vec<String>,
}

impl Verdict {
    /// A verdict in one line.
    pub fn new(outcome: Outcome, text: impl Into<String>) -> Self {
        Self { outcome, text: text.into(), lines: Vec::new() }
    }
}

/// Whether a request was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It was tried and did not come about.
    Failed,
    /// It cannot be meant: a number of workers out of range.
    Refused,
}

/// Why a master ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Somebody asked for it.
    Stopped,
    /// No worker could be brought to ready, or none any more.
    Failed(String),
}

/// What is done about a child that is late, before it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Warning {
    /// SIGABRT, as systemd's watchdog sends it: our own workers say where they are.
    Abort,
    /// SIGTERM.
    Terminate,
}

/// A limit that a child can pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Limit {
    /// Fork to ready.
    Boot,
    /// No sign of life.
    Liveness,
    /// One request, or one step of a session.
    Request,
    /// Told to drain to gone.
    Drain,
}

/// A share of the work after which a worker is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Quota {
    /// It has answered so many requests.
    Requests,
    /// It has so much memory in use.
    Memory,
    /// It has lived for so long.
    Age,
}

/// Why another number of workers is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizing {
    /// Somebody asked for it.
    Asked,
    /// The settings say so, or said so before a reload that failed.
    Settings,
    /// All are busy and clients queue.
    Queue,
    /// Those that stay will do.
    Quiet,
}

/// One line of the story: what a log line, or the library's `on_event`, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A worker was forked.
    Spawned { who: Who },
    /// It could not be.
    SpawnFailed { who: Who, cause: String, delay: Duration },
    /// A worker accepts.
    Ready { who: Who, after: Duration },
    /// A worker was asked to drain.
    Draining { who: Who, reason: Reason },
    /// A worker passed a limit and is warned.
    Struck { who: Who, reason: Reason, during: Option<String> },
    /// A worker was stopped by a signal.
    Halted { who: Who },
    /// A worker that was stopped goes on.
    Continued { who: Who },
    /// A worker passed a limit and is being killed.
    Killed { who: Who, reason: Reason },
    /// A worker ended.
    Exited { who: Who, status: ExitStatus, reason: String, during: Option<String>, expected: Expectation },
    /// A slot will be filled again.
    Respawn { who: Who, deaths: u32, delay: Duration },
    /// A slot stays empty.
    GaveUp { who: Who, deaths: u32, reason: String },
    /// A reload or an upgrade began.
    TurnBegan { change: Change, generation: Generation },
    /// A reload waits for what runs.
    ReloadQueued { behind: Generation },
    /// It came to its end.
    Turned { change: Change, generation: Generation },
    /// It failed, and `generation` is not to be.
    TurnFailed { change: Change, generation: Generation, reason: String },
    /// Another number of workers is wanted.
    Scaled { from: u32, to: u32, why: Sizing },
    /// The server takes connections from the queue, or leaves it alone, from now on.
    Accepts { accepts: Accepts },
    /// A request that came without a caller was refused.
    Refused { text: String },
    /// The server begins to end.
    Stopping { reason: String },
    /// Every worker is gone; the master ends.
    Stopped { ending: Ending },
}

/// Whether a death was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// It was drained or killed by us.
    Asked,
    /// It ended by itself.
    Unasked,
}

/// Which child a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// The child.
    pub child: ChildId,
    /// The generation that it was born in.
    pub generation: Generation,
    /// Its process, once it has one.
    pub pid: Option<Pid>,
}

/// Why a child must go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Reason {
    /// Its successor is ready.
    Replaced,
    /// Fewer workers are wanted.
    ScaledDown,
    /// The server stops.
    Stop,
    /// The server stops at once.
    StopNow,
    /// The reload that it was born for failed.
    RolledBack,
    /// It passed a limit.
    Passed(Limit, Duration),
    /// It has done its share, and its successor is ready.
    Spent(Quota),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Replaced => f.write_str("replaced"),
            Self::ScaledDown => f.write_str("scaled down"),
            Self::Stop => f.write_str("stop"),
            Self::StopNow => f.write_str("stop now"),
            Self::RolledBack => f.write_str("rolled back"),
            Self::Spent(quota) => quota.fmt(f),
            Self::Passed(limit, after) => {
                write!(f, "{limit} limit of {} passed", humantime::format_duration(*after))
            }
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Boot => "boot",
            Self::Liveness => "liveness",
            Self::Request => "request",
            Self::Drain => "drain",
        })
    }
}

/// The names of the flags, for those who look for them.
impl std::fmt::Display for Quota {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Requests => "max-requests",
            Self::Memory => "max-memory",
            Self::Age => "max-age",
        })
    }
}

impl std::fmt::Display for Sizing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Asked => "asked",
            Self::Settings => "settings",
            Self::Queue => "all busy and clients queue",
            Self::Quiet => "quiet",
        })
    }
}
