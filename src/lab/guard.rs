//! What stands above the stage and leaves nothing behind, however the stage went.
//!
//! Whoever ran the experiment holds the lifeline; the guard watches it, and the stage. When either is gone, or the
//! time is up, it ends every process of the experiment: its own descendants, since it adopts orphans, and the members
//! of the stage's session where adoption is what the experiment is about. A guard that is killed takes the stage with
//! it, by PDEATHSIG.

use std::{io, os::fd::AsFd, time::Duration};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{prctl, signal::Signal},
    unistd::{getpid, getppid, setsid},
};

use super::look;
use crate::{
    inspect::{snapshot::Snapshot, stat::Process},
    process::{Pid, clock::Time, death, lifeline::Tether, signal, spawn, wait},
    sys::{pidfd, wait as raw},
};

/// Who adopts the orphans of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adopter {
    /// The guard, so that none gets away.
    Guard,
    /// Whoever does it for every process of this machine: for experiments that are about this.
    Machine,
}

/// What the guard says by its exit code when the time was up.
pub const TIME_IS_UP: i32 = 3;

/// The guard's whole life: makes the stage, waits for its end, ends and reaps what is left. Its exit code.
///
/// # Errors
/// Those of fork(2) and poll(2).
pub fn keep(
    adopter: Adopter,
    limit: Option<Duration>,
    tether: &Tether,
    stage: impl FnOnce() -> i32,
) -> io::Result<i32> {
    // A session of its own, so that a terminal's Ctrl-C ends who asked, and the broken lifeline the rest.
    setsid()?;
    crate::sys::title::set_comm("lab-guard")?;
    signal::unblock_all();
    if adopter == Adopter::Guard {
        death::become_subreaper()?;
    }
    let guard = getpid();
    let stage = spawn::fork(|| open(guard).map_or(1, |()| stage()))?;
    let ended = watch(stage, limit, tether)?;
    sweep(stage)?;
    Ok(if ended { 0 } else { TIME_IS_UP })
}

/// What the stage does before anything else.
fn open(guard: Pid) -> io::Result<()> {
    setsid()?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid() != guard {
        return Err(io::ErrorKind::NotConnected.into());
    }
    signal::unblock_all();
    crate::sys::title::set_comm("lab-stage")
}

/// Waits for the end of the stage; `false` when the time was up first.
fn watch(stage: Pid, limit: Option<Duration>, tether: &Tether) -> io::Result<bool> {
    let end = pidfd::open(stage)?;
    let begin = Time::now();
    let mut fds = [PollFd::new(end.as_fd(), PollFlags::POLLIN), PollFd::new(tether.fd(), PollFlags::POLLIN)];
    loop {
        let left = limit.map(|limit| limit.saturating_sub(Time::now().since(begin)));
        let timeout =
            left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        match poll(&mut fds, timeout) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(nix::errno::Errno::EINTR) => {}
            Err(cause) => return Err(cause.into()),
        }
    }
}

/// Ends and reaps every process of the experiment. The stage is reaped last: until then its session is nobody else's.
fn sweep(stage: Pid) -> io::Result<()> {
    loop {
        let left = members(stage)?;
        for process in &left {
            end(process);
        }
        reap_all_but(stage);
        if left.is_empty() {
            break;
        }
        // What was killed a moment ago is gone as soon as its parent, this process or PID 1, has looked.
        poll::<PollTimeout>(&mut [], PollTimeout::from(1u8))?;
    }
    wait::join(stage).map(drop)
}

/// The living processes of the experiment: those below this one, and those of the stage's session.
fn members(stage: Pid) -> io::Result<Vec<Process>> {
    let snapshot = Snapshot::take()?;
    let own = getpid().as_raw();
    let member = |process: &&Process| {
        let below = || snapshot.ancestors(process).iter().any(|above| above.pid == own);
        !process.is_zombie() && process.pid != own && (process.session == stage.as_raw() || below())
    };
    Ok(snapshot.processes().iter().filter(member).cloned().collect())
}

/// Kills a process, and never a stranger that got its number meanwhile.
fn end(process: &Process) {
    let pid = Pid::from_raw(process.pid);
    let Ok(handle) = pidfd::open(pid) else { return };
    // The descriptor names one process for good: if it is still the one that was seen, it is the right one.
    if look::stat(process.pid).is_some_and(|now| now.start_ticks == process.start_ticks) {
        let _ = pidfd::send(&handle, libc::SIGKILL);
    }
}

/// Reaps whatever has ended, the stage excepted.
fn reap_all_but(stage: Pid) {
    while let Ok(Some(pid)) = raw::peek(raw::Target::Any, raw::Patience::Poll) {
        if pid == stage {
            // It stands first in the line of the dead and hides the others: ask for each by its number.
            let Ok(snapshot) = Snapshot::take() else { return };
            for dead in snapshot.children(getpid().as_raw()).filter(|child| child.pid != stage.as_raw()) {
                let _ = wait::reap(Pid::from_raw(dead.pid));
            }
            return;
        }
        let _ = wait::reap(pid);
    }
}
