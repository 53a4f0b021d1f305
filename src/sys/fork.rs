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

/// Has a copy of this process do what a signal handler must not do, while the process itself goes on at once.
///
/// The copy stands where the handler was called, so it sees the same stack. Whatever was held at that moment, such as a
/// lock of malloc(3), is held in the copy for ever: it may get stuck where the process itself would have, and is ended
/// by an alarm then. It is a child of this process's *parent*, whose duty is to reap strangers, so that this
/// process gets neither a SIGCHLD nor a zombie. clone(2), `CLONE_PARENT`; signal-safety(7).
pub fn in_a_copy(act: impl Fn()) {
    // SAFETY: without CLONE_VM the call is fork without what the C library does around it; the other arguments are
    // not looked at with these flags. It is async-signal-safe, being one system call.
    if unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_PARENT, 0, 0, 0, 0) } == 0 {
        // SAFETY: neither touches memory of ours.
        unsafe {
            libc::signal(libc::SIGALRM, libc::SIG_DFL);
            libc::alarm(COPY_SECONDS);
        }
        act();
        exit_now(0);
    }
}

/// How long such a copy may live.
const COPY_SECONDS: u32 = 2;

/// Ends this process at once: no destructor, no exit handler, no flush of a buffer that the parent will flush too.
///
/// The parent reads the low eight bits of `code`. _exit(2).
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any value, touches no memory and does not return.
    unsafe { libc::_exit(code) }
}
