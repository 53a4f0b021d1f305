//! A connection without a driver: bytes go into a session, and what it writes comes out at the other end.

use std::{
    io::Read,
    os::{fd::AsFd, unix::net::UnixStream},
    time::Duration,
};

use crate::{
    ipc::scoreboard::Row,
    worker::{
        output::{Behind, End, Output},
        session::{Exchange, Flow, Limit, Peer, PeerAddress, Session, Time, Wake},
    },
};

/// Whether the worker drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Steady,
    Draining,
}

/// One connection to a session.
pub struct Wire<S> {
    session: S,
    pub pace: Pace,
    /// What the session has not consumed.
    pub kept: Vec<u8>,
    pub row: Row,
    /// The driver's round.
    pub now: Time,
    output: Output,
    was_full: bool,
    /// Whether it has announced something.
    pub announced: bool,
}

/// A Unix-domain client without a name.
pub fn nobody() -> Peer {
    Peer { address: PeerAddress::Unix(None), listener: 0 }
}

impl<S: Session> Wire<S> {
    pub fn new(session: S, pace: Pace) -> Self {
        Self {
            session,
            pace,
            kept: Vec::new(),
            row: Row::detached(),
            now: Time::ZERO,
            output: Output::new(),
            was_full: false,
            announced: false,
        }
    }

    /// Sends bytes; gives what comes back and what the session does next.
    pub fn send(&mut self, bytes: &[u8]) -> (Vec<u8>, Flow) {
        self.kept.extend_from_slice(bytes);
        let mut answer = Vec::new();
        loop {
            let flow = self.call_into(Session::on_bytes, &mut answer);
            // As the drivers do: a session that stopped because the output was full is called again.
            if !(self.was_full && matches!(flow, Flow::Read(_)) && !self.kept.is_empty()) {
                let flow = self.be_patient(flow, &mut answer);
                return (answer, flow);
            }
        }
    }

    /// Wakes it.
    pub fn wake(&mut self, wake: Wake) -> (Vec<u8>, Flow) {
        self.call(|session, io| session.on_wake(io, wake))
    }

    /// Tells it that the worker drains.
    pub fn drain(&mut self) -> (Vec<u8>, Flow) {
        self.pace = Pace::Draining;
        self.call(Session::on_drain)
    }

    /// Lets a limit pass.
    pub fn wait(&mut self, limit: Limit) -> (Vec<u8>, Flow) {
        self.call(|session, io| session.on_timeout(io, limit))
    }

    /// Sends no more.
    pub fn end(&mut self) -> (Vec<u8>, Flow) {
        self.call(Session::on_end)
    }

    fn call(&mut self, call: impl FnOnce(&mut S, &mut Exchange<'_>) -> Flow) -> (Vec<u8>, Flow) {
        let mut answer = Vec::new();
        let flow = self.call_into(call, &mut answer);
        let flow = self.be_patient(flow, &mut answer);
        (answer, flow)
    }

    /// As the drivers do: who waits for no time at all is called when all is sent.
    fn be_patient(&mut self, mut flow: Flow, answer: &mut Vec<u8>) -> Flow {
        while flow == Flow::Wait(Some(Duration::ZERO)) {
            flow = self.call_into(|session, io| session.on_wake(io, Wake::Time), answer);
        }
        flow
    }

    fn call_into(
        &mut self,
        call: impl FnOnce(&mut S, &mut Exchange<'_>) -> Flow,
        answer: &mut Vec<u8>,
    ) -> Flow {
        let draining = self.pace == Pace::Draining;
        let mut io = Exchange::new(&self.kept, &mut self.output, &self.row, draining, self.now);
        let flow = call(&mut self.session, &mut io);
        let consumed = io.consumed();
        self.was_full = io.full();
        self.announced |= io.announced();
        self.kept.drain(..consumed);
        self.take_answer(answer);
        flow
    }

    /// Moves what was written to `answer`.
    fn take_answer(&mut self, answer: &mut Vec<u8>) {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        for socket in [&ours, &theirs] {
            socket.set_nonblocking(true).expect("a socket that does not wait");
        }
        loop {
            let sent = self.output.send(ours.as_fd(), Behind::More);
            let mut part = Vec::new();
            // It ends with an error: there is no more for now.
            let _ = theirs.read_to_end(&mut part);
            answer.extend_from_slice(&part);
            match sent.map(|sent| sent.end) {
                Ok(End::Empty) => break,
                Ok(End::Blocked | End::Turn) => {}
                Err(error) => {
                    answer.extend_from_slice(format!("[{:?}]", error.kind()).as_bytes());
                    self.output.clear();
                    break;
                }
            }
        }
    }
}
