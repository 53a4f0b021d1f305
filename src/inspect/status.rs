//! What `/proc/PID/status` tells beside `stat`: signals, owner, namespaces.
//!
//! The `procfs` crate reads this file too, but takes its text for UTF-8, and a Chinese name that the kernel cut at 15
//! bytes is none; and a single line that is missing or new makes it refuse the rest.

use std::fs;

/// The lines that explanations need. What is missing reads as nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The user that it acts for.
    pub uid: u32,
    /// Who traces it; 0 is nobody.
    pub tracer: i32,
    /// Its pid in each namespace from this one inwards.
    pub pids: Vec<i32>,
    /// Signals that it ignores.
    pub ignored: Signals,
    /// Signals that it has a handler for.
    pub caught: Signals,
    /// Signals that it does not let through at the moment.
    pub blocked: Signals,
    /// Signals that have come and wait to be let through.
    pub pending: Signals,
}

/// A set of signals as the kernel writes it, in hexadecimal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals(u64);

impl Signals {
    /// Whether a signal is in the set.
    pub fn has(self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.0 & (1 << (signal - 1)) != 0
    }

    /// The numbers in the set.
    pub fn numbers(self) -> impl Iterator<Item = i32> {
        (1..=64).filter(move |signal| self.has(*signal))
    }
}

impl Status {
    /// Reads it; `None` when the process is gone or hidden. proc_pid_status(5).
    pub fn read(pid: i32) -> Option<Self> {
        Some(Self::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/status")).ok()?)))
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Self {
        let line = |key: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            found.unwrap_or_default().trim()
        };
        let mask = |key: &str| u64::from_str_radix(line(key), 16).unwrap_or_default();
        Self {
            // Real, effective, saved and file system; the effective one says for whom it acts.
            uid: line("Uid")
                .split_ascii_whitespace()
                .nth(1)
                .and_then(|uid| uid.parse().ok())
                .unwrap_or_default(),
            tracer: line("TracerPid").parse().unwrap_or_default(),
            pids: line("NSpid").split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect(),
            ignored: Signals(mask("SigIgn")),
            caught: Signals(mask("SigCgt")),
            blocked: Signals(mask("SigBlk")),
            pending: Signals(mask("SigPnd") | mask("ShdPnd")),
        }
    }

    /// Whether it is the first process of a namespace below this one.
    pub fn is_inner_init(&self) -> bool {
        self.pids.len() > 1 && self.pids.last() == Some(&1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_names() {
        let text = "Name:\ta\\nUid:\t7\nUmask:\t0022\nTracerPid:\t12\nUid:\t0\t1000\t0\t0\nNSpid:\t4711\t1\n\
            SigPnd:\t0000000000000000\nShdPnd:\t0000000000004000\nSigBlk:\t0000000000010000\n\
            SigIgn:\t0000000000001000\nSigCgt:\t8000000000000001\n";
        let status = Status::parse(text);
        assert_eq!((status.uid, status.tracer, status.is_inner_init()), (1000, 12, true));
        assert_eq!(status.caught.numbers().collect::<Vec<_>>(), [1, 64]);
        assert!(status.ignored.has(libc::SIGPIPE) && status.blocked.has(libc::SIGCHLD));
        assert!(status.pending.has(libc::SIGTERM) && !status.pending.has(libc::SIGKILL));
    }

    #[test]
    fn what_is_missing_reads_as_nothing() {
        assert_eq!(Status::parse("Name:\tx\n"), Status::default());
        assert!(!Status::default().is_inner_init());
    }
}
