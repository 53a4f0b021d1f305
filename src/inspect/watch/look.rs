//! What the watcher asks /proc, as a trait: the tests answer from a list.

use std::fs;

use crate::inspect::{snapshot::Snapshot, stat::Process};

/// Answers questions about processes that may be gone.
pub trait Look {
    /// What it is at.
    fn process(&self, pid: i32) -> Option<Process>;
    /// Its command line.
    fn title(&self, pid: i32) -> Option<String>;
    /// The file that it runs.
    fn program(&self, pid: i32) -> Option<String>;
    /// Whether it ignores SIGCHLD, so that the kernel reaps its children.
    fn ignores_children(&self, pid: i32) -> bool;
}

/// The real /proc.
#[derive(Debug, Clone, Copy)]
pub struct Proc;

impl Look for Proc {
    fn process(&self, pid: i32) -> Option<Process> {
        Process::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    fn title(&self, pid: i32) -> Option<String> {
        let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
        Some(words.join(" ")).filter(|title| !title.is_empty())
    }

    fn program(&self, pid: i32) -> Option<String> {
        Some(fs::read_link(format!("/proc/{pid}/exe")).ok()?.display().to_string())
    }

    fn ignores_children(&self, pid: i32) -> bool {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        ignored & (1 << (libc::SIGCHLD - 1)) != 0
    }
}

/// All processes of a snapshot that people watch: not the kernel's own threads.
pub fn people(snapshot: &Snapshot) -> impl Iterator<Item = &Process> {
    snapshot.processes().iter().filter(|process| !process.kernel)
}
