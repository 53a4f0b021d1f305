//! The doors of a worker: its listeners in an epoll set that it shares with nobody.
//!
//! All workers wait on the same listeners. Each has its own epoll set with `EPOLLEXCLUSIVE`, so that a connection
//! wakes one of those that wait and not the whole herd; a worker that is busy does not wait, and is passed over. Where
//! each slot has a queue of its own, a worker waits at that one, and at those that it looks after for others.
//!
//! A worker without descriptors leaves the queue to the others for a moment: the queue stays ready, and to try again
//! at once would spin.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::{
    datagrams::Left,
    session::Peer,
    stop::{Errand, Stop},
};
use crate::{
    ipc::message::{Accepts, Report},
    listener::{Kind, Listener, Mode, Queues},
    logging::TARGET,
    process::clock::Time,
};

/// What an event of the set is about, as it fits into the 64 bits that come back with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// There is news for [`Stop::look`].
    Stop,
    /// There is news for the application.
    News,
    /// Somebody waits at the listener with this number.
    Door(usize),
    /// The driver's own: less than 2^62.
    Own(u64),
}

const STOP: u64 = 1 << 63;
const NEWS: u64 = STOP | 1;
const DOOR: u64 = 1 << 62;

/// Which listeners this worker waits at now.
#[derive(Debug)]
pub struct Doors {
    state: State,
    /// Whether the master wants connections to be taken.
    accepts: Accepts,
    /// Whether the log has heard of this shortage.
    told: bool,
    /// Doors for datagrams that have left the set, since there is always somebody.
    flooded: Vec<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// For want of room: until that moment at most.
    Resting(Option<Time>),
    Closed,
}

/// What was found at a door.
#[derive(Debug)]
pub enum Visitor {
    /// A connection, non-blocking, and who is at the other end.
    Connection(OwnedFd, Peer),
    /// Nobody: another worker was quicker, or the queue is empty.
    Nobody,
    /// No descriptor or no memory for whoever waits: the doors rest now.
    NoRoom,
}

impl Doors {
    /// How long a worker without room leaves the queue alone.
    const REST: Duration = Duration::from_millis(100);

    /// Puts the stop and every listener of the worker into its set.
    ///
    /// # Errors
    /// `ENOMEM` or `ENOSPC` when the kernel has no room for them.
    pub fn open(set: &Epoll, stop: &Stop, listeners: &[Listener]) -> io::Result<Self> {
        set.add(stop.fd()?, EpollEvent::new(EpollFlags::EPOLLIN, Token::Stop.into()))?;
        let doors = Self { state: State::Open, accepts: stop.accepts(), told: false, flooded: Vec::new() };
        for (number, listener) in listeners.iter().enumerate() {
            if listener.kind() == Kind::Datagram || doors.are_open() {
                listener.sockets().try_for_each(|socket| wait_at(set, number, socket))?;
            }
        }
        Ok(doors)
    }

    /// Takes the next visitor at one door.
    ///
    /// # Errors
    /// When the listener itself is broken.
    pub fn accept(&mut self, set: &Epoll, listeners: &[Listener], number: usize) -> io::Result<Visitor> {
        if !self.are_open() {
            return Ok(Visitor::Nobody);
        }
        loop {
            match listeners[number].accept(Mode::NonBlocking) {
                Ok((socket, address)) => {
                    self.told = false;
                    return Ok(Visitor::Connection(socket, Peer { address, listener: number }));
                }
                Err(error) => match error.raw_os_error().unwrap_or(0) {
                    libc::EAGAIN => return Ok(Visitor::Nobody),
                    libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM => {
                        self.no_room(set, listeners, &error);
                        return Ok(Visitor::NoRoom);
                    }
                    libc::EBADF | libc::EINVAL | libc::ENOTSOCK | libc::EFAULT => return Err(error),
                    // Whoever waited has gone, or the network has: accept(2) names a dozen such errors.
                    _ => {}
                },
            }
        }
    }

    /// Stops waiting for connections for a moment, and says why once.
    pub fn no_room(&mut self, set: &Epoll, listeners: &[Listener], error: &io::Error) {
        if !self.told {
            log::warn!(target: TARGET, "cannot accept a connection: {error} (raise the limit on descriptors); clients wait");
            self.told = true;
        }
        self.rest(set, listeners, Some(Time::now() + Self::REST));
    }

    /// Does what the master ordered last, and says so: takes connections, or leaves the queue alone. Datagrams are
    /// served either way. What it ordered about other slots' queues is done too, as long as this worker takes anybody.
    ///
    /// # Errors
    /// As [`Doors::open`].
    pub fn heed(&mut self, set: &Epoll, listeners: &mut [Listener], stop: &Stop) -> io::Result<()> {
        for errand in stop.errands() {
            self.run(errand, set, listeners)?;
        }
        let ordered = stop.accepts();
        if ordered != self.accepts {
            let before = self.are_open();
            self.accepts = ordered;
            self.turn(set, listeners, before)?;
            if let Some(Err(cause)) = stop.master().map(|master| master.send(&Report::Accepts(ordered))) {
                log::warn!(target: TARGET, "cannot tell the master that its order is heeded: {cause}");
            }
        }
        Ok(())
    }

    fn run(&self, errand: Errand, set: &Epoll, listeners: &mut [Listener]) -> io::Result<()> {
        match errand {
            Errand::TakeOver { slot, listener: number, socket } => {
                let closed = self.state == State::Closed;
                if let Some(listener) = listeners.get_mut(number).filter(|_| !closed) {
                    let waits = match listener.kind() {
                        Kind::Stream => self.are_open(),
                        Kind::Datagram => !self.flooded.contains(&number),
                    };
                    if waits {
                        wait_at(set, number, &socket)?;
                    }
                    listener.take_over(slot.number(), socket);
                }
            }
            Errand::GiveBack { slot } => {
                for listener in listeners {
                    // It leaves the set first: others hold the same socket, and the set would report it for ever.
                    let _ = listener.give_back(slot.number()).map(|socket| set.delete(socket));
                }
            }
        }
        Ok(())
    }

    /// Stops waiting for connections until that moment, or until [`Doors::resume`]. Datagrams are served on.
    pub fn rest(&mut self, set: &Epoll, listeners: &[Listener], until: Option<Time>) {
        let before = self.are_open();
        if self.state != State::Closed {
            self.state = State::Resting(until);
        }
        // To leave a set cannot fail.
        let _ = self.turn(set, listeners, before);
    }

    /// Waits for connections again; who came meanwhile is reported at once.
    ///
    /// # Errors
    /// As [`Doors::open`].
    pub fn resume(&mut self, set: &Epoll, listeners: &[Listener]) -> io::Result<()> {
        let before = self.are_open();
        if let State::Resting(_) = self.state {
            self.state = State::Open;
        }
        self.turn(set, listeners, before)
    }

    /// When [`Doors::resume`] is due, if it is a matter of time.
    pub fn rest_ends(&self) -> Option<Time> {
        match self.state {
            State::Resting(until) => until,
            State::Open | State::Closed => None,
        }
    }

    fn are_open(&self) -> bool {
        self.state == State::Open && self.accepts == Accepts::Yes
    }

    /// Has the set know what changed.
    fn turn(&self, set: &Epoll, listeners: &[Listener], before: bool) -> io::Result<()> {
        let streams = listeners.iter().enumerate().filter(|(_, door)| door.kind() == Kind::Stream);
        for (number, listener) in streams.filter(|_| self.are_open() != before) {
            for socket in listener.sockets() {
                if before {
                    let _ = set.delete(socket);
                } else {
                    wait_at(set, number, socket)?;
                }
            }
        }
        Ok(())
    }

    /// Lets the other workers go first when the next one comes: this one goes to the end of the line at that door.
    ///
    /// A newcomer wakes the first of those that wait, so that without this the same worker would take them all as long
    /// as it is quick. Whoever came meanwhile is reported at once. At a queue of its own there is nobody to go first.
    ///
    /// # Errors
    /// As [`Doors::open`].
    pub fn step_back(&self, set: &Epoll, listeners: &[Listener], number: usize) -> io::Result<()> {
        let shared = |listener: &&Listener| self.are_open() && listener.queues() == Queues::One;
        if let Some(listener) = listeners.get(number).filter(shared) {
            let _ = set.delete(listener);
            wait_at(set, number, listener)?;
        }
        Ok(())
    }

    /// Takes a door for datagrams out of the set as long as each burst leaves more there, and back behind the last one.
    ///
    /// Whoever waits at a socket may wait for room, too: so the kernel looks through a set that the socket is in at each
    /// datagram that is sent, which is a twentieth of all that an echo costs. Who has more to do than it can waits for nothing:
    /// its driver goes to [`Doors::flooded`] in each round instead.
    ///
    /// # Errors
    /// As [`Doors::open`].
    pub fn note(&mut self, set: &Epoll, listeners: &[Listener], number: usize, left: Left) -> io::Result<()> {
        let before = self.flooded.iter().position(|flooded| *flooded == number);
        match (left, before) {
            (Left::More, None) => {
                for socket in listeners[number].sockets() {
                    // To leave a set cannot fail.
                    let _ = set.delete(socket);
                }
                self.flooded.push(number);
            }
            (Left::Nothing, Some(place)) => {
                self.flooded.swap_remove(place);
                listeners[number].sockets().try_for_each(|socket| wait_at(set, number, socket))?;
            }
            (Left::More, Some(_)) | (Left::Nothing, None) => {}
        }
        Ok(())
    }

    /// The doors where datagrams wait without a look at the set.
    pub fn flooded(&self) -> &[usize] {
        &self.flooded
    }

    /// Accepts no more: the listeners leave the set, and may be closed then.
    ///
    /// They leave first: other processes hold the same sockets, and the set would report them for ever.
    pub fn close(&mut self, set: &Epoll, listeners: &[Listener]) {
        for socket in listeners.iter().flat_map(Listener::sockets) {
            let _ = set.delete(socket);
        }
        self.flooded.clear();
        self.state = State::Closed;
    }
}

fn wait_at(set: &Epoll, number: usize, socket: impl AsFd) -> io::Result<()> {
    let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLEXCLUSIVE;
    Ok(set.add(socket, EpollEvent::new(flags, Token::Door(number).into()))?)
}

impl From<Token> for u64 {
    fn from(token: Token) -> Self {
        match token {
            Token::Stop => STOP,
            Token::News => NEWS,
            Token::Door(number) => DOOR | number as Self,
            Token::Own(own) => own,
        }
    }
}

impl From<u64> for Token {
    fn from(bits: u64) -> Self {
        if bits == NEWS {
            Self::News
        } else if bits & STOP != 0 {
            Self::Stop
        } else if bits & DOOR != 0 {
            Self::Door((bits & !DOOR) as usize)
        } else {
            Self::Own(bits)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_went() {
        for token in [
            Token::Stop,
            Token::News,
            Token::Door(0),
            Token::Door(4095),
            Token::Own(0),
            Token::Own((1 << 62) - 1),
        ] {
            assert_eq!(Token::from(u64::from(token)), token);
        }
    }
}
