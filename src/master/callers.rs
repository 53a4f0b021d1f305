//! The control socket as the master holds it: who may speak, what they said, what they are still owed.
//!
//! A caller is never waited for. A line that does not come, an answer that is not read, a crowd that only connects:
//! each has a bound, and the loop goes on meanwhile. See unix(7).

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    time::Duration,
};

use nix::{
    poll::PollFlags,
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::geteuid,
};

use super::event::Caller;
use crate::process::clock::Time;

/// More callers than this at once are sent away: the oldest one that has not said anything goes first.
const MOST_CALLERS: usize = 64;
/// How long a caller may take to say what it wants, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request, in bytes.
const LONGEST_LINE: usize = 4096;

/// The control socket and those who are connected to it.
#[derive(Debug)]
pub struct Callers {
    listener: UnixListener,
    connections: BTreeMap<Caller, Connection>,
    next: u64,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Speaking,
    Waiting,
    Listening,
}

/// What came of a caller's readable socket.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing yet.
    Nothing,
    /// The request line, without its end.
    Line(Vec<u8>),
}

impl Callers {
    /// Takes over a listening, non-blocking socket.
    pub fn new(listener: UnixListener) -> Self {
        Self { listener, connections: BTreeMap::new(), next: 0 }
    }

    /// The listening socket.
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// The callers whose sockets are to be polled, and for what.
    pub fn connections(&self) -> impl Iterator<Item = (Caller, BorrowedFd<'_>, PollFlags)> {
        self.connections.iter().map(|(caller, connection)| {
            let wants = match connection.stage {
                Stage::Speaking => PollFlags::POLLIN,
                // Nothing more is expected of it; poll(2) says unasked when it hangs up.
                Stage::Waiting => PollFlags::empty(),
                Stage::Listening => PollFlags::POLLOUT,
            };
            (*caller, connection.stream.as_fd(), wants)
        })
    }

    /// When the first caller loses patience with us, or we with it.
    pub fn deadline(&self) -> Option<Time> {
        self.connections.values().filter_map(|connection| connection.deadline).min()
    }

    /// Lets go of those who took too long.
    pub fn expire(&mut self, now: Time) {
        self.connections.retain(|_, connection| connection.deadline.is_none_or(|deadline| deadline > now));
    }

    /// Takes in those who knock. Only the user who runs the master, and root, may speak: the kernel says who they are.
    pub fn accept(&mut self, now: Time) {
        // An error here is the caller's that went away, or a shortage that passes: nothing to do about either.
        while let Ok((stream, _)) = self.listener.accept() {
            if let Err(cause) = stream.set_nonblocking(true) {
                log::warn!("cannot take a caller of the control socket: {cause}");
            } else if may_speak(&stream) {
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
    pub fn attend(&mut self, caller: Caller) -> Heard {
        let Some(connection) = self.connections.get_mut(&caller) else { return Heard::Nothing };
        let heard = match connection.stage {
            Stage::Listening => connection.write().map(|()| Heard::Nothing),
            Stage::Speaking => connection.read(),
            Stage::Waiting => Err(io::ErrorKind::UnexpectedEof.into()),
        };
        heard.unwrap_or_else(|_| {
            // Gone, or too talkative. What it asked for goes on without it.
            self.connections.remove(&caller);
            Heard::Nothing
        })
    }

    /// Answers a caller, who may have left.
    pub fn answer(&mut self, caller: Caller, answer: Vec<u8>, now: Time) {
        let Some(connection) = self.connections.get_mut(&caller) else { return };
        connection.answer = answer;
        connection.stage = Stage::Listening;
        connection.deadline = Some(now + PATIENCE);
        if connection.write().is_err() {
            self.connections.remove(&caller);
        }
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
    fn read(&mut self) -> io::Result<Heard> {
        let mut chunk = [0; LONGEST_LINE];
        match self.stream.read(&mut chunk) {
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(Heard::Nothing),
            Err(cause) => Err(cause),
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.take_in(&chunk[..count]),
        }
    }

    fn take_in(&mut self, chunk: &[u8]) -> io::Result<Heard> {
        self.line.extend_from_slice(chunk);
        if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            self.line.truncate(end);
            self.stage = Stage::Waiting;
            self.deadline = None;
            return Ok(Heard::Line(std::mem::take(&mut self.line)));
        }
        if self.line.len() > LONGEST_LINE { Err(io::ErrorKind::InvalidData.into()) } else { Ok(Heard::Nothing) }
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
