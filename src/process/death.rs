//! What happens to a process when another one dies.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::{
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::{getpid, getppid},
};

use super::Pid;

/// SIGCHLD as a descriptor, in a worker that waits for its own children. signalfd(2).
///
/// The signal is held back from now on, and no handler runs for it: so a child that is forked has nothing to undo but to
/// let its signals through and to close its copy.
#[derive(Debug)]
pub struct Deaths(SignalFd);

impl Deaths {
    /// Listens from now on.
    ///
    /// # Errors
    /// `EMFILE` when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        let signals = SigSet::from(Signal::SIGCHLD);
        signals.thread_block()?;
        Ok(Self(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    /// The descriptor to wait for: readable when a child has ended since the last [`Deaths::heed`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Takes note. Signals coalesce, the dead do not: whoever heeds this waits until nothing is left to wait for.
    pub fn heed(&self) {
        // There is none, or one.
        let _ = self.0.read_signal();
    }
}

/// Asks the kernel to send TERM to this process when its parent dies; `false` when that has happened already.
///
/// The pid must be the one that the parent noted before it forked: a parent that died in between has left this
/// process to an adopter, and no signal will come. The adopter need not be PID 1. Changing user or group clears the
/// request, so it is made again after that. prctl(2), `PR_SET_PDEATHSIG`.
pub fn bind_to_parent(parent: Pid) -> bool {
    // A kernel that refuses leaves the lifeline, which says the same a little later.
    let _ = prctl::set_pdeathsig(Signal::SIGTERM);
    getppid() == parent
}

/// Does something that takes back the wish to hear of the parent's death, and wishes it again, if there was one. A
/// parent that died meanwhile is heard of, too. prctl(2).
///
/// # Errors
/// Those of what is done.
pub fn still_bound(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let (wish, parent) = (prctl::get_pdeathsig().ok().flatten(), getppid());
    act()?;
    let Some(wish) = wish else { return Ok(()) };
    prctl::set_pdeathsig(wish)?;
    if getppid() != parent {
        kill(getpid(), wish)?;
    }
    Ok(())
}

/// Whether this process is handed the orphans of others: as process 1 of its namespace, or as a subreaper. prctl(2).
pub fn is_adopter() -> bool {
    getpid().as_raw() == 1 || prctl::get_child_subreaper().unwrap_or(false)
}

/// Makes this process the adopter of its descendants that lose their parent, in place of PID 1.
///
/// It must then reap them: see [`changed`](super::wait::changed). Children do not inherit this.
/// prctl(2), `PR_SET_CHILD_SUBREAPER`.
///
/// # Errors
/// None on a kernel since Linux 3.4.
pub fn become_subreaper() -> io::Result<()> {
    Ok(prctl::set_child_subreaper(true)?)
}
