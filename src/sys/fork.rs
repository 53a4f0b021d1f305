//! Making a process, and ending one without unwinding.

use std::io;

use nix::unistd::{ForkResult, Pid};

/// Which of the two processes this is, after [`fork`] returned twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// The process that called, with the pid of its new child.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Makes a copy of this process: the call returns once in each of the two.
///
/// This is the raw call, for `process::spawn` and the lab. Everything else forks through `process::spawn::fork`,
/// which holds the rules that make it safe: one thread, signals blocked, a child that never returns. fork(2).
///
/// # Errors
/// `EAGAIN` at a limit of processes, `ENOMEM` without memory for the copy.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the call itself is sound in any process. What the child of a *threaded* process may do is bounded by
    // signal-safety(7), and the callers named above refuse to fork such a process.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Fork::Parent(child)),
        ForkResult::Child => Ok(Fork::Child),
    }
}

/// Makes a copy of this process, and sleeps uninterruptibly until the copy has ended or become another program.
///
/// That is vfork(2) without its danger: the memory is copied. For the lab, which shows state D. clone(2), `CLONE_VFORK`.
///
/// # Errors
/// As [`fork`].
#[cfg(feature = "lab")]
pub fn fork_and_hold() -> io::Result<Fork> {
    // SAFETY: without a stack and without CLONE_VM the call is fork, but for the parent's sleep; the other arguments
    // are not looked at with these flags.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_VFORK | libc::SIGCHLD, 0, 0, 0, 0) };
    match i32::try_from(pid) {
        Ok(0) => Ok(Fork::Child),
        Ok(pid) if pid > 0 => Ok(Fork::Parent(Pid::from_raw(pid))),
        Ok(_) | Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Ends this process at once: no destructor, no exit handler, no flush of a buffer that the parent will flush too.
///
/// The parent reads the low eight bits of `code`. _exit(2).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any value, touches no memory and does not return.
    unsafe { libc::_exit(code) }
}
