//! The only reader of the world: signals, children, callers and the clock become events.
//!
//! It waits with poll(2). An epoll set would be shared with every child that is forked, and an entry that a child
//! removes would be gone here too.

use std::io;

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    callers::{Callers, Heard},
    children::Children,
    event::{Caller, ChildId, Event},
};
use crate::{
    ipc::{
        control::{self, Pace, Request},
        scoreboard::Scoreboard,
    },
    process::{
        clock::Time,
        signal::{Caught, Sender, Signals},
        wait,
    },
};

/// What the master hears of the outside.
#[derive(Debug)]
pub struct Sources {
    signals: Signals,
    callers: Option<Callers>,
    /// Whether strangers become our children: as process 1 of a container, or as a subreaper.
    adopts: bool,
}

/// Who made a descriptor readable.
#[derive(Debug, Clone, Copy)]
enum Origin {
    Signal,
    Child(ChildId),
    Knock,
    Caller(Caller),
}

impl Sources {
    /// The signals of the request table and SIGCHLD, and the control socket if there is one.
    ///
    /// # Errors
    /// Those of sigaction(2) and socketpair(2).
    pub fn new(callers: Option<Callers>, adopts: bool) -> io::Result<Self> {
        let mut caught: Vec<_> = control::signals().map(|(signal, _)| signal).collect();
        caught.push(libc::SIGCHLD);
        Ok(Self { signals: Signals::new(&caught)?, callers, adopts })
    }

    /// The control socket's callers.
    pub fn callers(&mut self) -> Option<&mut Callers> {
        self.callers.as_mut()
    }

    /// Waits until something happens or the deadline passes, and says what; nothing if it was only the deadline.
    pub fn wait(&mut self, deadline: Option<Time>, children: &mut Children, scoreboard: &mut Scoreboard) -> Vec<Event> {
        let patience = self.callers.as_ref().and_then(Callers::deadline);
        let ready = self.poll([deadline, patience].into_iter().flatten().min(), children);
        let mut events = Vec::new();
        for origin in ready {
            match origin {
                Origin::Signal => self.caught(children, scoreboard, &mut events),
                Origin::Child(id) => children.hear(id, &mut events),
                Origin::Knock => self.knock(),
                Origin::Caller(caller) => self.attend(caller, &mut events),
            }
        }
        if let Some(callers) = &mut self.callers {
            callers.expire(Time::now());
        }
        events
    }

    fn poll(&self, deadline: Option<Time>, children: &Children) -> Vec<Origin> {
        let mut polled: Vec<(Origin, PollFd<'_>)> = Vec::with_capacity(children.len() + 4);
        polled.push((Origin::Signal, PollFd::new(self.signals.fd(), PollFlags::POLLIN)));
        polled.extend(children.channels().map(|(id, fd)| (Origin::Child(id), PollFd::new(fd, PollFlags::POLLIN))));
        if let Some(callers) = &self.callers {
            polled.push((Origin::Knock, PollFd::new(callers.listener(), PollFlags::POLLIN)));
            let connections = callers.connections();
            polled.extend(connections.map(|(caller, fd, wants)| (Origin::Caller(caller), PollFd::new(fd, wants))));
        }
        let (origins, mut fds): (Vec<_>, Vec<_>) = polled.into_iter().unzip();
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

    fn caught(&mut self, children: &mut Children, scoreboard: &mut Scoreboard, events: &mut Vec<Event>) {
        for caught in self.signals.pending() {
            if caught.signal != libc::SIGCHLD {
                events.extend(request_of(caught).map(|request| Event::Asked { request, caller: None }));
            }
        }
        // Not only at SIGCHLD: a signal that was lost costs no more than until the next one.
        children.reap(scoreboard, events);
        if self.adopts {
            let strangers = wait::reap_strangers(|pid| children.knows(pid));
            for stranger in strangers.unwrap_or_default() {
                log::debug!("reaped stranger pid {}: {}", stranger.pid, stranger.status.words());
            }
        }
    }

    fn knock(&mut self) {
        if let Some(callers) = &mut self.callers {
            callers.accept(Time::now());
        }
    }

    fn attend(&mut self, caller: Caller, events: &mut Vec<Event>) {
        let Some(callers) = &mut self.callers else { return };
        let Heard::Line(line) = callers.attend(caller) else { return };
        match control::decode_request(&line) {
            Ok(request) => events.push(Event::Asked { request, caller: Some(caller) }),
            Err(cause) => callers.answer(caller, control::refusal(&cause).encode(), Time::now()),
        }
    }
}

/// What a signal asks for. The kernel's own signals are told from a person's: a terminal that hangs up ends the
/// server, one that is resized or used in the background changes nothing. See sigaction(2), `si_code`.
fn request_of(caught: Caught) -> Option<Request> {
    let request = control::signals().find(|(signal, _)| *signal == caught.signal).map(|(_, request)| request)?;
    match (caught.sender, caught.signal) {
        (Sender::Kernel, libc::SIGHUP) => Some(Request::Stop { pace: Pace::Drain }),
        (Sender::Kernel, libc::SIGTTIN | libc::SIGTTOU | libc::SIGWINCH) => None,
        (Sender::Kernel | Sender::Process { .. }, _) => Some(request),
    }
}

/// The time until the deadline, rounded up: to wake a moment too early would be to wake twice.
fn timeout(deadline: Option<Time>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let micros = deadline.since(Time::now()).as_micros();
    PollTimeout::try_from(micros.div_ceil(1000)).unwrap_or(PollTimeout::MAX)
}
