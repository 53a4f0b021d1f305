//! Signals as data.
//!
//! A handler does no work: it notes the signal and writes a byte to a pipe of this process, which a poll(2) waits for.
//! The master reads them from [`Signals`] with who sent each; a child has its [`StopFlag`].
//!
//! signal-hook keeps a table of what runs at which signal, and installs its one handler when a signal enters that
//! table. To set such a signal to its default behind its back would switch off every later registration, tokio's
//! included, without a word. So a child that drops the master's registrations keeps the handler, which then does
//! nothing: those signals have no effect in it until it makes registrations of its own, and exec(2) resets them all.

use std::{
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI32, Ordering},
    },
};

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, killpg};
use signal_hook::{
    SigId,
    iterator::{backend::SignalDelivery, exfiltrator::WithRawSiginfo},
};

pub use crate::sys::siginfo::Sender;
use crate::sys::{
    self, siginfo,
    signal::{Disposition, StopHandler, disposition, on_stop, restore_default},
};

use super::Pid;

/// A signal that arrived, and who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caught {
    /// Its number.
    pub signal: i32,
    /// Who sent it.
    pub sender: Sender,
}

/// The signals that a master waits for.
///
/// A child drops its copy before it makes its own, while signals are still blocked: that takes the registrations out
/// of the child's memory and closes its ends of the pipe, and the master does not notice. A child that kept it would
/// write into the master's pipe at its own signals. sigaction(2).
#[derive(Debug)]
pub struct Signals(SignalDelivery<UnixStream, WithRawSiginfo>);

impl Signals {
    /// Catches these signals from now on.
    ///
    /// # Errors
    /// `EMFILE` when no descriptor is left, `EINVAL` for a number that is no signal.
    ///
    /// # Panics
    /// For KILL, STOP, SEGV, ILL and FPE, which nobody can catch and go on.
    pub fn new(signals: &[i32]) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        Ok(Self(SignalDelivery::with_pipe(read, write, WithRawSiginfo, signals)?))
    }

    /// The descriptor to poll(2): readable when a signal has come since the last [`Signals::pending`].
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.get_read().as_fd()
    }

    /// What has come since the last call, in the order of the numbers; none if nothing has.
    ///
    /// A storm is cut to the first five of each kind. A kind that came is never left out, and one that comes while this
    /// runs makes the descriptor readable again.
    pub fn pending(&mut self) -> Vec<Caught> {
        // signal-hook empties the pipe before it looks, so that a signal in between is at worst looked for twice.
        let caught = self.0.pending();
        caught.map(|info| Caught { signal: info.si_signo, sender: siginfo::sender(&info) }).collect()
    }
}

/// What tells a child to finish: raised for good by TERM, INT or QUIT.
///
/// An orphan that gets such a signal (the kernel sends one at its parent's death, if it asked for that) has a second
/// to end by itself: then SIGALRM ends it, even if it is stuck. sigaction(2), setitimer(2).
#[derive(Debug)]
pub struct StopFlag {
    handler: Arc<StopHandler>,
    /// The two ends of what wakes a poll, made when somebody first wants to: a process that serves one short connection
    /// never waits.
    pipe: OnceLock<(UnixStream, UnixStream)>,
    registrations: Vec<SigId>,
}

impl StopFlag {
    /// The signals that mean "finish".
    pub const SIGNALS: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT];

    /// Listens for them from now on. `parent` is the process whose death makes an orphan of this one; `None` for one
    /// whose parent is meant to be gone, as after a double fork.
    ///
    /// # Errors
    /// `EINVAL`, which is for other signals than these.
    pub fn new(parent: Option<Pid>) -> io::Result<Self> {
        let mut flag = Self::deaf(parent);
        for signal in Self::SIGNALS {
            flag.registrations.push(on_stop(signal, Arc::clone(&flag.handler))?);
        }
        Ok(flag)
    }

    /// A flag that no signal raises yet; in tests for good, where the tests beside it raise signals.
    pub(crate) fn deaf(parent: Option<Pid>) -> Self {
        let handler = StopHandler { wake: AtomicI32::new(-1), ..StopHandler::default() };
        handler.parent.store(parent.map_or(0, Pid::as_raw), Ordering::Relaxed);
        Self { handler: Arc::new(handler), pipe: OnceLock::new(), registrations: Vec::new() }
    }

    /// In a child that was forked with signals blocked: makes the copy of its parent's flag its own, as if it were new.
    /// Its signals wake nobody else, and nothing is registered anew, which would cost more than all the rest of a short
    /// life.
    pub fn begin_anew(&mut self, parent: Option<Pid>) {
        self.handler.wake.store(-1, Ordering::Relaxed);
        self.handler.parent.store(parent.map_or(0, Pid::as_raw), Ordering::Relaxed);
        self.handler.raised.store(false, Ordering::Relaxed);
        self.pipe = OnceLock::new();
    }

    /// Whether it was raised: one atomic load.
    pub fn raised(&self) -> bool {
        self.handler.raised.load(Ordering::Acquire)
    }

    /// The descriptor to poll(2): readable once the flag is raised, and from then on.
    ///
    /// # Errors
    /// `EMFILE` at the first call when no descriptor is left.
    pub fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        if let Some((woken, _)) = self.pipe.get() {
            return Ok(woken.as_fd());
        }
        let pipe = UnixStream::pair()?;
        let (woken, wake) = self.pipe.get_or_init(|| pipe);
        self.handler.wake.store(wake.as_raw_fd(), Ordering::Release);
        // A signal before that store has woken nobody.
        if self.raised() {
            self.handler.wake();
        }
        Ok(woken.as_fd())
    }
}

impl Drop for StopFlag {
    /// Forgets the registrations in this process alone, which may be a copy of the one that made them: its own TERM
    /// would wake that one.
    fn drop(&mut self) {
        for registration in self.registrations.drain(..) {
            signal_hook::low_level::unregister(registration);
        }
        // The handler outlives this where it runs just now.
        self.handler.wake.store(-1, Ordering::Relaxed);
    }
}

/// Answers a warning of that process, SIGABRT, from now on: the signal that systemd's watchdog and others send to who is
/// stuck. One that comes from elsewhere ends this process as before.
///
/// # Errors
/// `EMFILE` and those of sigaction(2).
pub fn on_warning(sender: Pid, answer: impl Fn() + Sync + Send + 'static) -> io::Result<()> {
    sys::signal::on_warning(sender, answer).map(drop)
}

/// Which signals a process holds back.
#[derive(Debug, Clone, Copy)]
pub struct Mask(SigSet);

/// Holds back every signal but KILL and STOP from now on, and returns what was held back before. sigprocmask(2).
///
/// # Errors
/// None that is known.
pub fn block_all() -> io::Result<Mask> {
    Ok(Mask(SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?))
}

/// Lets every signal through from now on, those that came meanwhile first. sigprocmask(2).
pub fn unblock_all() {
    restore(&Mask(SigSet::empty()));
}

/// Holds back exactly what that mask says.
pub fn restore(mask: &Mask) {
    // The call fails for a wrong `how` alone.
    let _ = mask.0.thread_set_mask();
}

/// Makes this process ignore that signal, and every program that it executes. sigaction(2).
///
/// For SIGCHLD this means that the kernel reaps each child by itself and wait(2) fails with `ECHILD`.
///
/// # Errors
/// `EINVAL` for a number that is no signal, and for KILL and STOP.
pub fn ignore(signal: i32) -> io::Result<()> {
    sys::signal::ignore(signal)
}

/// Gives that signal its default action, if it is ignored; one with a handler keeps it. sigaction(2).
///
/// # Errors
/// `EINVAL` for a number that is no signal.
pub fn default(signal: i32) -> io::Result<()> {
    // A handler is signal-hook's, and its table would go on saying that it stands.
    if is_ignored(signal)? { restore_default(signal) } else { Ok(()) }
}

/// Makes SEGV and BUS end this process whoever sends them.
///
/// Rust handles them, to say a word when a stack overflows. But one that comes by kill(2) only makes its handler step
/// back, and the process goes on: a supervisor would wait for a crash that does not come.
pub(super) fn die_of_faults() {
    for fault in [libc::SIGSEGV, libc::SIGBUS] {
        // Both exist everywhere, and signal-hook never takes them.
        let _ = restore_default(fault);
    }
}

/// Whether this process ignores that signal. sigaction(2).
///
/// # Errors
/// `EINVAL` for a number that is no signal.
pub fn is_ignored(signal: i32) -> io::Result<bool> {
    Ok(disposition(signal)? == Disposition::Ignored)
}

/// Undoes what this process inherited: ignored signals and blocked ones. Returns their names, without repetition.
///
/// Both survive exec(2), so that a careless parent decides them. An ignored SIGCHLD above all: every child would
/// vanish unseen. SIGPIPE stays ignored, as Rust makes it at its start. Call this before any handler is installed:
/// one in the place of an ignored signal hides what was inherited.
pub fn reset_inherited() -> Vec<&'static str> {
    let blocked = sys::signal::blocked();
    let was_reset = |&signal: &i32| {
        let ignored = signal != libc::SIGPIPE && is_ignored(signal).unwrap_or(false);
        (ignored && restore_default(signal).is_ok()) || blocked.contains(&signal)
    };
    let names = (1..=libc::SIGRTMAX()).filter(was_reset).filter_map(name).collect();
    unblock_all();
    names
}

/// Sends a signal to one process. kill(2).
///
/// # Errors
/// `EINVAL` for a pid that would mean many processes (0, -1 and below), `ESRCH` for one that is gone, `EPERM`.
pub fn send(pid: Pid, signal: i32) -> io::Result<()> {
    if pid.as_raw() <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(kill(pid, Signal::try_from(signal)?)?)
}

/// Sends a signal to every process of a group. killpg(3).
///
/// The group's leader must not be reaped yet, or a stranger's group may have its number by now.
///
/// # Errors
/// `EINVAL` for 0 and 1, which would mean our own group and everybody, `ESRCH` for a group that is gone, `EPERM`.
pub fn send_group(group: Pid, signal: i32) -> io::Result<()> {
    if group.as_raw() <= 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    Ok(killpg(group, Signal::try_from(signal)?)?)
}

/// The name of a signal without `SIG`: `TERM`, `RT35`; `None` for a number that is no signal. signal(7).
pub fn name(signal: i32) -> Option<&'static str> {
    match Signal::try_from(signal) {
        Ok(signal) => signal.as_str().strip_prefix("SIG"),
        Err(_) => REAL_TIME.get(usize::try_from(signal.checked_sub(FIRST_REAL_TIME)?).ok()?).copied(),
    }
}

/// The first real-time signal of the kernel; the C library keeps two or three of them for itself.
const FIRST_REAL_TIME: i32 = 32;

#[rustfmt::skip]
const REAL_TIME: [&str; 33] = [
    "RT32", "RT33", "RT34", "RT35", "RT36", "RT37", "RT38", "RT39", "RT40", "RT41", "RT42",
    "RT43", "RT44", "RT45", "RT46", "RT47", "RT48", "RT49", "RT50", "RT51", "RT52", "RT53",
    "RT54", "RT55", "RT56", "RT57", "RT58", "RT59", "RT60", "RT61", "RT62", "RT63", "RT64",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_names_of_kill_l() {
        for (number, text) in [(1, "HUP"), (15, "TERM"), (28, "WINCH"), (32, "RT32"), (64, "RT64")] {
            assert_eq!(name(number), Some(text));
        }
        for number in [i32::MIN, -1, 0, 65, i32::MAX] {
            assert_eq!(name(number), None);
        }
    }

    #[test]
    fn nobody_signals_everybody() {
        for many in [0, -1, -7] {
            let pid = Pid::from_raw(many);
            assert_eq!(send(pid, libc::SIGURG).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert_eq!(send_group(pid, libc::SIGURG).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(
            send_group(Pid::from_raw(1), libc::SIGURG).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    #[test]
    fn a_storm_is_cut_but_no_kind_is_lost_and_each_has_its_sender() {
        let mut signals = Signals::new(&[libc::SIGUSR1, libc::SIGUSR2]).unwrap();
        for _ in 0..1000 {
            signal_hook::low_level::raise(libc::SIGUSR1).unwrap();
        }
        signal_hook::low_level::raise(libc::SIGUSR2).unwrap();
        let caught = signals.pending();
        let us = Sender::Process { pid: nix::unistd::getpid(), uid: nix::unistd::getuid() };
        assert!(caught.iter().all(|caught| caught.sender == us));
        let numbers: Vec<_> = caught.iter().map(|caught| caught.signal).collect();
        assert!(numbers.contains(&libc::SIGUSR1) && numbers.ends_with(&[libc::SIGUSR2]), "{numbers:?}");
        assert!(caught.len() <= 6 && signals.pending().is_empty());
    }

    #[test]
    fn a_handled_signal_keeps_its_handler_when_it_is_to_have_its_default() {
        let mut signals = Signals::new(&[libc::SIGWINCH]).unwrap();
        default(libc::SIGWINCH).unwrap();
        signal_hook::low_level::raise(libc::SIGWINCH).unwrap();
        assert_eq!(signals.pending().len(), 1);
    }

    #[test]
    fn a_signal_raises_each_flag_and_wakes_who_polls_it() {
        let (first, second) = (StopFlag::new(None).unwrap(), StopFlag::new(None).unwrap());
        assert!(!first.raised());
        signal_hook::low_level::raise(libc::SIGQUIT).unwrap();
        assert!(first.raised() && second.raised());
        let readable = nix::poll::PollFlags::POLLIN;
        let mut fds = [&first, &second].map(|flag| nix::poll::PollFd::new(flag.fd().unwrap(), readable));
        assert_eq!(nix::poll::poll(&mut fds, nix::poll::PollTimeout::ZERO), Ok(2));
    }

    #[test]
    fn a_dropped_flag_is_deaf() {
        let dropped = StopFlag::new(None).unwrap();
        let handler = Arc::clone(&dropped.handler);
        drop(dropped);
        signal_hook::low_level::raise(libc::SIGQUIT).unwrap();
        assert!(!handler.raised.load(Ordering::Acquire));
    }
}
