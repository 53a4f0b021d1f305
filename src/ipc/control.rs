//! What people can ask of a master: one table, whichever way they ask.
//!
//! A signal, a message on the control socket and a word on the command line are three spellings of one row of
//! [`REQUESTS`]. From there on there is one road.

#[cfg(feature = "control")]
pub mod status;
#[cfg(feature = "control")]
pub mod wire;

use std::{path::PathBuf, time::Duration};

use nix::sys::signal::Signal;

/// Everything that a master can be asked for. There is no other word, and no way to add one from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(rename_all = "lowercase", deny_unknown_fields))]
pub enum Request {
    /// How it stands.
    Status,
    /// The end.
    Stop(Pace),
    /// New children with new configuration, the old ones serving until the new ones are ready.
    Reload {
        /// How long the successors may take together; without it each has the boot limit.
        timeout: Option<Duration>,
    },
    /// A new binary in place of the running one, in the same process.
    Upgrade {
        /// The binary; without it the path that was started, read anew.
        binary: Option<PathBuf>,
        /// How long it may take until the successors are ready; without it the boot limit for each.
        timeout: Option<Duration>,
    },
    /// Another number of workers.
    Scale(Scale),
    /// Open the log files again: they were renamed.
    Reopen,
    /// Accept no more; the queue and the connections stay.
    Pause,
    /// Accept again.
    Resume,
}

/// How a server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "control",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Pace {
    /// Drain, and kill after the grace.
    Drain,
    /// Drain, but the next request to stop means now: a person sits at the terminal.
    Interrupt,
    /// Kill at once.
    Now,
}

/// A number of workers, as people ask for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "control",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Scale {
    /// That many.
    To(u32),
    /// That many more.
    Up(u32),
    /// That many fewer.
    Down(u32),
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What is typed: `forkd` in front of it, a server's name behind the first word.
    pub verb: &'static str,
    /// The signal to the master that asks for the same.
    pub signal: Option<Signal>,
    /// What is asked for.
    pub request: Request,
    /// What happens then, in one sentence.
    pub help: &'static str,
}

/// The table. A signal stands in it once; a verb once for each of its signals.
pub const REQUESTS: &[Entry] = &[
    entry("status", None, Request::Status, "say how the server and each of its workers stand"),
    entry("stop", Some(Signal::SIGTERM), Request::Stop(Pace::Drain), STOP),
    entry("stop", Some(Signal::SIGQUIT), Request::Stop(Pace::Drain), STOP),
    entry(
        "stop",
        Some(Signal::SIGINT),
        Request::Stop(Pace::Interrupt),
        "the same; a second one ends at once",
    ),
    entry("stop --now", None, Request::Stop(Pace::Now), "end at once, whatever is being served"),
    entry(
        "reload",
        Some(Signal::SIGHUP),
        Request::Reload { timeout: None },
        "new configuration, new generation",
    ),
    entry(
        "upgrade",
        Some(Signal::SIGUSR2),
        Request::Upgrade { binary: None, timeout: None },
        "new binary, same master pid",
    ),
    entry(
        "reopen",
        Some(Signal::SIGUSR1),
        Request::Reopen,
        "open the log files again after they were renamed",
    ),
    entry(
        "pause",
        Some(Signal::SIGWINCH),
        Request::Pause,
        "stop accepting, keep the queue and the connections",
    ),
    entry("resume", Some(Signal::SIGCONT), Request::Resume, "accept again"),
    entry("scale +1", Some(Signal::SIGTTIN), Request::Scale(Scale::Up(1)), "one worker more"),
    entry("scale -1", Some(Signal::SIGTTOU), Request::Scale(Scale::Down(1)), "one worker fewer"),
];

const STOP: &str = "drain, then exit 0; after the grace, kill";

impl Request {
    /// What this signal asks for; `None` for one that asks for nothing.
    pub fn of_signal(signal: i32) -> Option<Self> {
        let entry = REQUESTS.iter().find(|entry| entry.signal.is_some_and(|known| known as i32 == signal))?;
        Some(entry.request.clone())
    }
}

const fn entry(verb: &'static str, signal: Option<Signal>, request: Request, help: &'static str) -> Entry {
    Entry { verb, signal, request, help }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_signal_asks_for_one_thing() {
        let signals: Vec<_> = REQUESTS.iter().filter_map(|entry| entry.signal).collect();
        assert_eq!(signals.iter().collect::<BTreeSet<_>>().len(), signals.len());
        assert_eq!(Request::of_signal(libc::SIGHUP), Some(Request::Reload { timeout: None }));
        assert_eq!(Request::of_signal(libc::SIGTTOU), Some(Request::Scale(Scale::Down(1))));
        assert_eq!(Request::of_signal(libc::SIGCHLD), None);
    }
}
