//! The control socket as the master holds it: who may speak, what they said, what they are still owed.
//!
//! A caller is never waited for. A line that does not come, an answer that is not read, a crowd that only connects:
//! each has a bound, and the loop goes on meanwhile. See unix(7).

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use nix::{
    poll::PollFlags,
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::geteuid,
};

use super::{
    event::{Caller, Event},
    place,
};
use crate::{
    ipc::control::{
        Request,
        wire::{Answer, REQUEST_LINE},
    },
    listener::{self, Listener, Mode, accept},
    process::clock::Time,
    sys::luggage::{Luggage, Ticket, claim},
};

/// More callers than this at once are sent away: the oldest one that has not said anything goes first.
const MOST_CALLERS: usize = 64;
/// How long a caller may take to say what it wants, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The control socket, if there is one, and those who are connected to it.
#[derive(Debug, Default)]
pub struct Desk {
    listener: Option<Listener>,
    connections: BTreeMap<Caller, Connection>,
    next: u64,
}

/// Whose descriptor is ready.
#[derive(Debug, Clone, Copy)]
pub enum Visitor {
    /// Somebody who connects.
    New,
    /// Somebody who is connected.
    Known(Caller),
}

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
    line: Vec<u8>,
    answer: Vec<u8>,
    stage: Stage,
    /// When it is given up; nobody is given up while the master owes it an answer.
    deadline: Option<Time>,
}

/// How far a conversation of one line and one answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
enum Stage {
    Speaking,
    Waiting,
    Listening,
}

impl Desk {
    /// Takes over a listening, non-blocking socket.
    pub fn new(listener: Option<Listener>) -> Self {
        Self { listener, ..Self::default() }
    }

    /// Removes the socket's file.
    pub fn leave(&self) {
        self.listener.iter().for_each(place::remove);
    }

    /// What is to be polled, and for what.
    pub fn fds(&self) -> impl Iterator<Item = (Visitor, BorrowedFd<'_>, PollFlags)> {
        let listener =
            self.listener.iter().map(|listener| (Visitor::New, listener.as_fd(), PollFlags::POLLIN));
        let connections = self.connections.iter().map(|(caller, connection)| {
            let wants = match connection.stage {
                Stage::Speaking => PollFlags::POLLIN,
                // Nothing more is expected of it; poll(2) says unasked when it hangs up.
                Stage::Waiting => PollFlags::empty(),
                Stage::Listening => PollFlags::POLLOUT,
            };
            (Visitor::Known(*caller), connection.stream.as_fd(), wants)
        });
        listener.chain(connections)
    }

    /// When the first caller loses patience with us, or we with it.
    pub fn deadline(&self) -> Option<Time> {
        self.connections.values().filter_map(|connection| connection.deadline).min()
    }

    /// Lets go of those who took too long.
    pub fn expire(&mut self, now: Time) {
        self.connections.retain(|_, connection| connection.deadline.is_none_or(|deadline| deadline > now));
    }

    /// Somebody's descriptor is ready: a complete request becomes an event.
    pub fn attend(&mut self, visitor: Visitor, events: &mut Vec<Event>) {
        match visitor {
            Visitor::New => self.accept(Time::now()),
            Visitor::Known(caller) => events.extend(self.hear(caller)),
        }
    }

    /// Takes in those who knock. Only the user who runs the master, and root, may speak: the kernel says who they are.
    fn accept(&mut self, now: Time) {
        // An error here is the caller's that went away, or a shortage that passes: nothing to do about either.
        while let Some(Ok((socket, _))) =
            self.listener.as_ref().map(|listener| accept(listener, Mode::NonBlocking))
        {
            let stream = UnixStream::from(socket);
            if may_speak(&stream) {
                self.admit(stream, now);
            }
        }
    }

    fn admit(&mut self, stream: UnixStream, now: Time) {
        if self.connections.len() >= MOST_CALLERS {
            let silent = self.connections.iter().find(|(_, connection)| connection.stage == Stage::Speaking);
            let Some(oldest) = silent.map(|(caller, _)| *caller) else { return };
            self.connections.remove(&oldest);
        }
        self.next += 1;
        let deadline = Some(now + PATIENCE);
        let connection =
            Connection { stream, line: Vec::new(), answer: Vec::new(), stage: Stage::Speaking, deadline };
        self.connections.insert(Caller(self.next), connection);
    }

    /// A caller's socket is ready for what it wanted.
    fn hear(&mut self, caller: Caller) -> Option<Event> {
        let connection = self.connections.get_mut(&caller)?;
        let line = match connection.stage {
            Stage::Speaking => connection.read(),
            Stage::Listening => connection.write().map(|()| None),
            Stage::Waiting => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        match line.map(|line| Some(Request::from_line(&line?))) {
            Ok(None) => None,
            Ok(Some(Ok(request))) => Some(Event::Asked { request, caller: Some(caller) }),
            Ok(Some(Err(cause))) => {
                self.answer(caller, &Answer::refused(cause.to_string()));
                None
            }
            Err(_) => {
                // Gone, or too talkative. What it asked for goes on without it.
                self.connections.remove(&caller);
                None
            }
        }
    }

    /// Answers a caller, who may have left.
    pub fn answer(&mut self, caller: Caller, answer: &Answer) {
        let Some(connection) = self.connections.get_mut(&caller) else { return };
        connection.answer = answer.to_line().into_bytes();
        connection.stage = Stage::Listening;
        connection.deadline = Some(Time::now() + PATIENCE);
        if connection.write().is_err() {
            self.connections.remove(&caller);
        }
    }
}

/// A desk on its way into another program: who waits for an answer there will get it.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    listener: Option<listener::packed::Packed>,
    callers: Vec<PackedCaller>,
    next: u64,
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct PackedCaller {
    caller: Caller,
    stream: Ticket,
    line: Vec<u8>,
    answer: Vec<u8>,
    stage: Stage,
    deadline: Option<Time>,
}

impl Desk {
    /// Puts the socket and the connections into the luggage.
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        let listener = self.listener.as_ref().map(|listener| listener.pack(luggage));
        let callers = self.connections.iter().map(|(caller, connection)| PackedCaller {
            caller: *caller,
            stream: luggage.put(&connection.stream),
            line: connection.line.clone(),
            answer: connection.answer.clone(),
            stage: connection.stage,
            deadline: connection.deadline,
        });
        Packed { listener, callers: callers.collect(), next: self.next }
    }

    /// The desk as it was.
    ///
    /// # Errors
    /// When something did not come with the luggage.
    pub fn unpack(packed: Packed) -> io::Result<Self> {
        let listener = packed.listener.map(listener::packed::Packed::unpack).transpose()?;
        let connection = |packed: PackedCaller| {
            let PackedCaller { caller, stream, line, answer, stage, deadline } = packed;
            let stream = claim(stream)?.into();
            Ok((caller, Connection { stream, line, answer, stage, deadline }))
        };
        let connections = packed.callers.into_iter().map(connection).collect::<io::Result<_>>()?;
        Ok(Self { listener, connections, next: packed.next })
    }
}

fn may_speak(stream: &UnixStream) -> bool {
    let Ok(peer) = getsockopt(stream, PeerCredentials) else { return false };
    let allowed = peer.uid() == 0 || peer.uid() == geteuid().as_raw();
    if !allowed {
        log::warn!("a caller of uid {} was refused at the control socket", peer.uid());
    }
    allowed
}

impl Connection {
    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut chunk = [0; REQUEST_LINE];
        match self.stream.read(&mut chunk) {
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(cause) => Err(cause),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.take_in(&chunk[..count]),
        }
    }

    fn take_in(&mut self, chunk: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.line.extend_from_slice(chunk);
        if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            self.line.truncate(end);
            self.stage = Stage::Waiting;
            self.deadline = None;
            return Ok(Some(std::mem::take(&mut self.line)));
        }
        if self.line.len() > REQUEST_LINE { Err(io::ErrorKind::InvalidData.into()) } else { Ok(None) }
    }

    /// Sends what fits; an error also says that all was sent, and the connection can go.
    fn write(&mut self) -> io::Result<()> {
        while !self.answer.is_empty() {
            match self.stream.write(&self.answer) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(cause) => return Err(cause),
                Ok(sent) => drop(self.answer.drain(..sent)),
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}
