//! Reaping children.
//!
//! Signals coalesce, the dead do not: one SIGCHLD may stand for many ends. So whoever is woken by it asks for each of
//! its children that have ended, and as PID 1 or subreaper for the strangers that were left to it too.

use std::io;

pub use crate::sys::wait::Usage;
use crate::sys::wait::{Patience, Reaped, Target, peek, wait4};

use super::{Pid, exit::ExitStatus};

/// A child that has ended and is reaped: from here on its pid may be a stranger's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// The pid that it had.
    pub pid: Pid,
    /// How it ended.
    pub status: ExitStatus,
    /// What it used in its life.
    pub usage: Usage,
}

/// Reaps that child if it has ended, without waiting. wait4(2).
///
/// # Errors
/// `ECHILD` when it is no child of this process, or was reaped before.
pub fn reap(pid: Pid) -> io::Result<Option<Exit>> {
    Ok(wait4(Target::Child(pid), Patience::Poll)?.map(Exit::from))
}

/// Whether that child has ended and waits to be reaped: until then its pid and its process group are its own. waitid(2).
pub fn has_ended(pid: Pid) -> bool {
    peek(Target::Child(pid), Patience::Poll).is_ok_and(|ended| ended.is_some())
}

/// Reaps that child if it has ended; one that was stopped or goes on is told once, and not reaped. wait4(2).
///
/// # Errors
/// As [`reap`].
pub fn watch(pid: Pid) -> io::Result<Option<Exit>> {
    Ok(wait4(Target::Child(pid), Patience::Watch)?.map(Exit::from))
}

/// Waits until that child has ended, and reaps it. wait4(2).
///
/// # Errors
/// `ECHILD` when it is no child of this process, or was reaped before.
pub fn join(pid: Pid) -> io::Result<Exit> {
    // Without WNOHANG the call returns with a child or with an error.
    wait4(Target::Child(pid), Patience::Block)?
        .map(Exit::from)
        .ok_or_else(|| io::ErrorKind::WouldBlock.into())
}

/// A child of this process that has ended, was stopped or goes on, whoever forked it; it is not reaped by this. The same
/// one is named until somebody has waited for it. waitid(2), `WNOWAIT`.
pub fn changed() -> Option<Pid> {
    // Without children there is an error, and nobody to name.
    peek(Target::Any, Patience::Watch).unwrap_or_default()
}

impl From<Reaped> for Exit {
    fn from(Reaped { pid, status, usage }: Reaped) -> Self {
        Self { pid, status: ExitStatus::from_raw(status), usage }
    }
}
