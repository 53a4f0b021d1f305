//! What a process does at a signal, where `nix` can set it but not ask, and the one handler of ours that does more
//! than signal-hook's own.

use std::{
    io,
    mem::MaybeUninit,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
    time::Duration,
};

use signal_hook::SigId;

use super::{check, fork::in_a_copy, timer::arm_deadline};

/// What a process does at a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// What signal(7) lists for it.
    Default,
    /// Nothing; this survives exec.
    Ignored,
    /// It runs a handler; exec turns this into the default.
    Handled,
}

/// What this process does at that signal. sigaction(2).
///
/// # Errors
/// `EINVAL` for a number that is no signal, or that the C library keeps for itself.
pub fn disposition(signal: i32) -> io::Result<Disposition> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null new action only asks; the old one is a live, writable place of the right type.
    check(unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: the call succeeded, so the kernel filled it.
    Ok(match unsafe { action.assume_init() }.sa_sigaction {
        libc::SIG_DFL => Disposition::Default,
        libc::SIG_IGN => Disposition::Ignored,
        _ => Disposition::Handled,
    })
}

/// Makes this process ignore that signal from now on. sigaction(2).
///
/// # Errors
/// `EINVAL` for a number that is no signal, and for KILL and STOP.
pub fn ignore(signal: i32) -> io::Result<()> {
    install(signal, libc::SIG_IGN)
}

/// Gives that signal its default action. sigaction(2).
///
/// # Errors
/// As [`ignore`].
pub fn restore_default(signal: i32) -> io::Result<()> {
    install(signal, libc::SIG_DFL)
}

fn install(signal: i32, handler: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: all zeroes is a valid sigaction: no flags, an empty mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    // SAFETY: the new action is a live, readable place, and its handler is one of the kernel's own two constants.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) }).map(drop)
}

/// The numbers of the signals that this thread holds back, real-time ones included. sigprocmask(2).
pub fn blocked() -> Vec<i32> {
    let mut mask = MaybeUninit::<libc::sigset_t>::zeroed();
    // SAFETY: a null new mask only asks; the old one is a live, writable place, and all zeroes is an empty mask.
    let mask = unsafe {
        libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), mask.as_mut_ptr());
        mask.assume_init()
    };
    // SAFETY: the mask is a live, readable place; a number that is no signal gets -1.
    (1..=libc::SIGRTMAX())
        .filter(|&signal| unsafe { libc::sigismember(&raw const mask, signal) } == 1)
        .collect()
}

/// What the handler of a stop signal needs. It may run between any two instructions, so this is atomics alone.
#[derive(Debug, Default)]
pub struct StopHandler {
    /// Raised at the first signal, never lowered.
    pub raised: AtomicBool,
    /// A socket that gets one byte per signal, so that a poll of its other end wakes; below 0 for none. Whoever sets it
    /// keeps it open as long as it stands here.
    pub wake: AtomicI32,
    /// The pid of the parent whose death makes an orphan of this process; 0 where nobody's does.
    pub parent: AtomicI32,
    /// Whether the deadline of an orphan runs already: a second signal must not put it off.
    pub deadline: AtomicBool,
}

/// Runs `handler` at each `signal` from now on, through signal-hook, until the answer is unregistered.
///
/// # Errors
/// `EINVAL` for a number that is no signal.
pub fn on_stop(signal: i32, handler: Arc<StopHandler>) -> io::Result<SigId> {
    // SAFETY: the action touches atomics, and calls send, getppid and setitimer: no allocation, no lock, no panic.
    unsafe { signal_hook::low_level::register(signal, move || handler.run()) }
}

/// Runs `answer` at a SIGABRT that this process sent, through signal-hook; one that comes from elsewhere, as by
/// abort(3), is left to end the process.
///
/// The answer is given by a copy of this process, since it may allocate, although malloc(3) may be what was interrupted:
/// this process does no more than to make the copy. See [`in_a_copy`].
///
/// # Errors
/// Those of sigaction(2).
pub fn on_warning(sender: nix::unistd::Pid, answer: impl Fn() + Sync + Send + 'static) -> io::Result<SigId> {
    let warned = move |info: &libc::siginfo_t| {
        // SAFETY: the sender stands in the information of every signal that kill(2) sends.
        let by_kill = info.si_code == libc::SI_USER && unsafe { info.si_pid() } == sender.as_raw();
        if by_kill {
            in_a_copy(&answer);
        } else {
            let _ = restore_default(libc::SIGABRT);
            let _ = signal_hook::low_level::raise(libc::SIGABRT);
        }
    };
    // SAFETY: a comparison, and clone; or sigaction and raise. No allocation, no lock, no panic.
    unsafe { signal_hook_registry::register_sigaction(libc::SIGABRT, warned) }
}

impl StopHandler {
    /// How long an orphan may take to end by itself.
    const ORPHAN_GRACE: Duration = Duration::from_secs(1);

    fn run(&self) {
        // The flag goes first: whoever is woken by the byte must find it raised.
        self.raised.store(true, Ordering::Release);
        self.wake();
        // A signal that the kernel sent at the parent's death: nobody is left to kill this process if it is stuck.
        let parent = self.parent.load(Ordering::Relaxed);
        let orphan = parent != 0 && nix::unistd::getppid().as_raw() != parent;
        if orphan && !self.deadline.swap(true, Ordering::Relaxed) {
            let _ = arm_deadline(Self::ORPHAN_GRACE);
        }
    }

    /// Wakes whoever polls.
    pub fn wake(&self) {
        let wake = self.wake.load(Ordering::Acquire);
        // SAFETY: the descriptor is open as long as it stands there, and a number below 0 is refused; the buffer is one
        // readable byte. A full buffer is no loss: the other end is readable then.
        unsafe { libc::send(wake, [0_u8].as_ptr().cast(), 1, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
    }
}

/// What a handler for SIGCHLD has done.
#[cfg(feature = "lab")]
#[derive(Debug, Default)]
pub struct Tally {
    /// How often it ran.
    pub runs: std::sync::atomic::AtomicI64,
    /// How many children it collected.
    pub collected: std::sync::atomic::AtomicI64,
}

/// How often a handler for SIGCHLD waits.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Until nothing is left: signals coalesce.
    UntilNothingIsLeft,
    /// Once for each signal: the mistake.
    Once,
}

/// Installs the handler of the textbook: at SIGCHLD it waits for children, within the handler. For the lab.
///
/// # Errors
/// Those of sigaction(2).
#[cfg(feature = "lab")]
pub fn reap_in_handler(tally: Arc<Tally>, waits: Waits) -> io::Result<SigId> {
    let handler = move || {
        tally.runs.fetch_add(1, Ordering::Relaxed);
        // SAFETY: waitpid is async-signal-safe and may be told that nobody wants the status.
        while unsafe { libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG) } > 0 {
            tally.collected.fetch_add(1, Ordering::Relaxed);
            if waits == Waits::Once {
                break;
            }
        }
    };
    // SAFETY: the handler calls nothing but waitpid, and atomics.
    unsafe { signal_hook::low_level::register(libc::SIGCHLD, handler) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disposition_is_read_back_as_it_was_set() {
        // Nothing else in the tests uses this signal: its default action is to do nothing.
        let signal = libc::SIGURG;
        assert_eq!(disposition(signal).unwrap(), Disposition::Default);
        ignore(signal).unwrap();
        assert_eq!(disposition(signal).unwrap(), Disposition::Ignored);
        restore_default(signal).unwrap();
        assert_eq!(disposition(signal).unwrap(), Disposition::Default);
    }

    #[test]
    fn rust_ignores_the_broken_pipe() {
        assert_eq!(disposition(libc::SIGPIPE).unwrap(), Disposition::Ignored);
    }

    #[test]
    fn what_is_no_signal_is_refused() {
        assert!(disposition(0).is_err() && disposition(4096).is_err() && ignore(libc::SIGKILL).is_err());
    }
}
