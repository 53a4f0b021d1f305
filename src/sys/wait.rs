//! Reaping, with the raw status and the bill.
//!
//! nix decodes the status into its enum of signals, which has no real-time ones: it answers `EINVAL` for a child that
//! such a signal killed, after the kernel has already forgotten the child. And it has no `wait4`.

use std::{io, mem::MaybeUninit, time::Duration};

use libc::{c_int, id_t, idtype_t};
use nix::unistd::Pid;

use super::check;

/// Which children a wait is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every child of this process.
    Any,
    /// The child with this pid.
    Child(Pid),
}

/// Whether a wait waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until a child has ended.
    Block,
    /// Not at all: `None` when no child has ended yet.
    Poll,
    /// Not at all; a child that was stopped, or goes on, is an answer too, and is not reaped.
    Watch,
}

/// A child that the kernel has now forgotten: its pid may be given to a stranger from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Its former pid.
    pub pid: Pid,
    /// Its status as wait(2) encodes it.
    pub status: i32,
    /// What it used, with the descendants that it reaped itself.
    pub usage: Usage,
}

/// What a process used in its life. getrusage(2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time in its own code.
    pub user: Duration,
    /// Time in the kernel on its behalf.
    pub system: Duration,
    /// The most memory that it held at once, in bytes.
    pub max_rss_bytes: u64,
}

/// Reaps one child that has ended; `None` if there is none to reap yet. wait4(2).
///
/// # Errors
/// `ECHILD` when there is no such child, or when SIGCHLD is ignored, so that the kernel reaps by itself.
pub fn wait4(target: Target, patience: Patience) -> io::Result<Option<Reaped>> {
    let pid = match target {
        Target::Any => -1,
        Target::Child(pid) => pid.as_raw(),
    };
    let options = match patience {
        Patience::Block => 0,
        Patience::Poll => libc::WNOHANG,
        Patience::Watch => libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED,
    };
    let mut status: c_int = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let reaped = uninterrupted(|| {
        // SAFETY: both pointers are to live, writable places of the right types.
        check(unsafe { libc::wait4(pid, &raw mut status, options, usage.as_mut_ptr()) })
    })?;
    // SAFETY: all zeroes is a valid rusage, and the kernel wrote over it if it reaped.
    let usage = Usage::from(&unsafe { usage.assume_init() });
    Ok((reaped != 0).then(|| Reaped { pid: Pid::from_raw(reaped), status, usage }))
}

/// Waits until a child ends, stops or goes on: the raw number that the kernel gives. waitpid(2).
///
/// # Errors
/// `ECHILD` when there is no such child.
#[cfg(feature = "lab")]
pub fn change(target: Pid) -> io::Result<i32> {
    let mut status: c_int = 0;
    let options = libc::WUNTRACED | libc::WCONTINUED;
    uninterrupted(|| {
        // SAFETY: the pointer is to a live, writable place of the right type.
        check(unsafe { libc::waitpid(target.as_raw(), &raw mut status, options) })
    })?;
    Ok(status)
}

/// The pid of a child that has ended and is not reaped yet, leaving it so; `None` if there is none. To [`Patience::Watch`] is
/// to hear of those that were stopped or go on, too. waitid(2).
///
/// As long as it is not reaped, its pid and its process group cannot belong to a stranger.
///
/// # Errors
/// `ECHILD` when there is no such child.
pub fn peek(target: Target, patience: Patience) -> io::Result<Option<Pid>> {
    let (kind, id): (idtype_t, id_t) = match target {
        Target::Any => (libc::P_ALL, 0),
        Target::Child(pid) => (libc::P_PID, pid.as_raw().unsigned_abs()),
    };
    let options = libc::WEXITED
        | libc::WNOWAIT
        | match patience {
            Patience::Block => 0,
            Patience::Poll => libc::WNOHANG,
            Patience::Watch => libc::WNOHANG | libc::WSTOPPED | libc::WCONTINUED,
        };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    uninterrupted(|| {
        // SAFETY: the pointer is to a live, writable place of the right type.
        check(unsafe { libc::waitid(kind, id, info.as_mut_ptr(), options) })
    })?;
    // SAFETY: all zeroes is a valid siginfo_t, and its pid is the field that waitid(2) fills: zero for "none yet".
    let pid = unsafe { info.assume_init().si_pid() };
    Ok((pid != 0).then(|| Pid::from_raw(pid)))
}

/// Repeats a call that a signal handler interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}

impl From<&libc::rusage> for Usage {
    fn from(usage: &libc::rusage) -> Self {
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        }
    }
}

fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(u64::try_from(time.tv_usec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_without_that_child_is_told_so() {
        let stranger = Target::Child(Pid::from_raw(1));
        for refused in
            [wait4(stranger, Patience::Poll).map(|_| ()), peek(stranger, Patience::Poll).map(|_| ())]
        {
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::ECHILD));
        }
    }

    #[test]
    fn the_bill_is_in_bytes_and_microseconds() {
        // SAFETY: all zeroes is a valid rusage.
        let mut raw: libc::rusage = unsafe { std::mem::zeroed() };
        raw.ru_utime = libc::timeval { tv_sec: 2, tv_usec: 500_000 };
        raw.ru_maxrss = 3;
        let usage = Usage { user: Duration::from_millis(2500), system: Duration::ZERO, max_rss_bytes: 3072 };
        assert_eq!(Usage::from(&raw), usage);
    }
}
