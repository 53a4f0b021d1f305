//! The only reader of the world: signals, children, callers and the clock become events.
//!
//! It waits with poll(2) for a few descriptors: that of the signals, one behind which all children speak, and those of the
//! callers. So a wake-up costs what happened, and not the number of workers.

use std::{io, time::Duration};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    children::Children,
    desk::{Desk, Visitor},
    event::Event,
};
use crate::{
    ipc::{
        control::{Pace, REQUESTS, Request},
        scoreboard::Scoreboard,
    },
    process::{
        Pid,
        clock::Time,
        death,
        signal::{self, Caught, Sender, Signals},
        wait,
    },
    sys::memory,
};

#[cfg(feature = "control")]
use {super::desk, crate::sys::luggage::Luggage};

/// What the master hears of the outside.
#[derive(Debug)]
pub struct Sources {
    ears: Ears,
    desk: Desk,
    /// Whether it has given back what it does without while nothing happens.
    settled: bool,
}

/// How long nothing happens before that.
const QUIET: Duration = Duration::from_millis(100);

/// What it hears by signals.
#[derive(Debug)]
pub struct Ears {
    signals: Signals,
    /// Those that this process was started with ignored, by name: nohup(1) and shells mean the terminal's.
    inherited: Vec<String>,
    /// Whether strangers become our children.
    adopts: bool,
    /// What signals asked for that were read, and not told to anybody yet.
    held: Vec<Request>,
    /// Whether there may be something to hear that the pipe says nothing of any more.
    unheard: bool,
}

/// Which signals a master handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handled {
    /// All of the request table.
    All,
    /// SIGCHLD alone: the program that uses the library has its own way with the others.
    ChildOnly,
}

/// Who made a descriptor readable.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Signal,
    Children,
    Visitor(Visitor),
}

impl Sources {
    /// All that is listened to.
    pub fn new(ears: Ears, desk: Desk) -> Self {
        Self { ears, desk, settled: false }
    }

    /// Takes what signals have come off the pipe, which does not cross exec, and keeps it. Signals are blocked.
    #[cfg(feature = "control")]
    pub fn hold(&mut self) {
        self.ears.hold();
    }

    /// What must be known to hear as before: the signals that were ignored at the start, and what is kept.
    #[cfg(feature = "control")]
    pub fn unheard(&self) -> (&[String], &[Request]) {
        (&self.ears.inherited, &self.ears.held)
    }

    /// Puts the control socket and its callers into the luggage.
    #[cfg(feature = "control")]
    pub fn pack(&self, luggage: &mut Luggage) -> desk::Packed {
        self.desk.pack(luggage)
    }

    /// Removes the control socket's file.
    pub fn leave(&self) {
        self.desk.leave();
    }

    /// The control socket and its callers.
    #[cfg(feature = "control")]
    pub fn desk(&mut self) -> &mut Desk {
        &mut self.desk
    }

    /// Waits until something happens or the deadline passes, and says what; nothing if it was only the deadline.
    pub fn wait(
        &mut self,
        deadline: Option<Time>,
        children: &mut Children,
        scoreboard: &mut Scoreboard,
    ) -> Vec<Event> {
        let now = self.ears.unheard.then(Time::now);
        let mut ready =
            self.listen([now, deadline, self.desk.deadline()].into_iter().flatten().min(), children);
        if now.is_some() && !matches!(ready.first(), Some(Origin::Signal)) {
            ready.insert(0, Origin::Signal);
        }
        let mut events = Vec::new();
        for origin in ready {
            match origin {
                Origin::Signal => self.ears.hear(children, scoreboard, &mut events),
                Origin::Children => children.hear(&mut events),
                Origin::Visitor(visitor) => self.desk.attend(visitor, &mut events),
            }
        }
        self.desk.expire(Time::now());
        events
    }

    /// Polls, and after a while in which nothing happens gives back the memory that this process does without.
    fn listen(&mut self, deadline: Option<Time>, children: &Children) -> Vec<Origin> {
        let quiet = Time::now() + QUIET;
        if !self.settled && deadline.is_none_or(|deadline| quiet < deadline) {
            let ready = self.poll(Some(quiet), children);
            if !ready.is_empty() || Time::now() < quiet {
                return ready;
            }
            memory::settle();
            self.settled = true;
        }
        let ready = self.poll(deadline, children);
        self.settled &= ready.is_empty();
        ready
    }

    fn poll(&self, deadline: Option<Time>, children: &Children) -> Vec<Origin> {
        let signals = (Origin::Signal, self.ears.signals.fd(), PollFlags::POLLIN);
        let voices = children.voice().map(|fd| (Origin::Children, fd, PollFlags::POLLIN));
        let visitors = self.desk.fds().map(|(visitor, fd, wants)| (Origin::Visitor(visitor), fd, wants));
        let polled = [signals].into_iter().chain(voices).chain(visitors);
        let (origins, mut fds): (Vec<_>, Vec<_>) =
            polled.map(|(origin, fd, wants)| (origin, PollFd::new(fd, wants))).unzip();
        match poll(&mut fds, timeout(deadline)) {
            Ok(_) => {
                let ready = origins.iter().zip(&fds).filter(|(_, fd)| fd.any().unwrap_or(false));
                ready.map(|(origin, _)| *origin).collect()
            }
            // A signal: its byte is in the pipe now, and the next poll finds it.
            Err(Errno::EINTR) => Vec::new(),
            Err(cause) => {
                log::error!("cannot poll: {cause}");
                Vec::new()
            }
        }
    }
}

impl Ears {
    /// Signals of the request table and SIGCHLD are kept from now on.
    ///
    /// # Errors
    /// Those of sigaction(2) and socketpair(2).
    pub fn new(handled: Handled, inherited: Vec<String>) -> io::Result<Self> {
        let mut caught = vec![libc::SIGCHLD];
        if handled == Handled::All {
            caught.extend(REQUESTS.iter().filter_map(|entry| Some(entry.signal? as i32)));
            ignore_strays();
        }
        let adopts = death::is_adopter();
        Ok(Self { signals: Signals::new(&caught)?, inherited, adopts, held: Vec::new(), unheard: false })
    }

    /// The same in a program that goes on with what another one began: it has these requests to decide still, and
    /// the ends of children that nobody has noticed.
    #[cfg(feature = "control")]
    #[must_use]
    pub fn with_held(self, held: Vec<Request>) -> Self {
        Self { held, unheard: true, ..self }
    }

    fn hold(&mut self) {
        for caught in self.signals.pending() {
            self.held.extend(self.request_of(caught));
        }
        self.unheard = true;
    }

    fn hear(&mut self, children: &mut Children, scoreboard: &mut Scoreboard, events: &mut Vec<Event>) {
        self.hold();
        self.unheard = false;
        events.extend(self.held.drain(..).map(|request| Event::Asked { request, caller: None }));
        // Not only at SIGCHLD: a signal that was lost costs no more than until the next one.
        self.reap(children, scoreboard, events);
    }

    /// Takes in what has become of children until nothing is left: signals coalesce, the dead do not.
    ///
    /// The kernel names one after the other, and each is reaped by its own pid: so one that somebody else forked in this
    /// process (a library, an application) is left to whoever waits for it. As it is named first until then, each of
    /// ours is asked for meanwhile. An adopter takes it for one that was left to it.
    fn reap(&self, children: &mut Children, scoreboard: &mut Scoreboard, events: &mut Vec<Event>) {
        while let Some(pid) = wait::changed() {
            let ours = children.reap(pid, scoreboard, events);
            if ours.is_none() && (children.knows(pid) || !self.adopt(pid)) {
                return children.reap_each(scoreboard, events);
            }
        }
    }

    /// Whether a process was left to this one, and it could be reaped or has said something.
    fn adopt(&self, pid: Pid) -> bool {
        let exit = if self.adopts { wait::watch(pid).unwrap_or_default() } else { None };
        if let Some(exit) = exit {
            log::debug!("reaped stranger pid {pid}: {}", exit.status.words());
        }
        exit.is_some()
    }

    /// What a signal asks for. The kernel's own signals are told from a person's: a terminal that hangs up ends the
    /// server, unless it was started to survive that; one that is resized or used in the background changes nothing.
    /// See sigaction(2), `si_code`.
    fn request_of(&self, caught: Caught) -> Option<Request> {
        let request = Request::of_signal(caught.signal)?;
        let was_ignored =
            signal::name(caught.signal).is_some_and(|name| self.inherited.iter().any(|other| other == name));
        match (caught.sender, caught.signal) {
            (Sender::Kernel, libc::SIGTTIN | libc::SIGTTOU | libc::SIGWINCH) => None,
            (Sender::Kernel, _) if was_ignored => None,
            (Sender::Kernel, libc::SIGHUP) => Some(Request::Stop(Pace::Drain)),
            (Sender::Kernel | Sender::Process { .. }, _) => Some(request),
        }
    }
}

/// Signals that mean nothing to a master, but would end it: whoever sends one has mistaken it for another program; and
/// the kernel's, at a log that has grown to its limit (`ulimit -f`).
fn ignore_strays() {
    let strays = [libc::SIGALRM, libc::SIGVTALRM, libc::SIGPROF, libc::SIGIO, libc::SIGPWR, libc::SIGXFSZ];
    for signal in strays.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
        if let Err(cause) = signal::ignore(signal) {
            log::warn!("cannot ignore signal {signal}: {cause}");
        }
    }
}

/// The time until the deadline, rounded up: to wake a moment too early would be to wake twice.
fn timeout(deadline: Option<Time>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let micros = deadline.since(Time::now()).as_micros();
    PollTimeout::try_from(micros.div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}
