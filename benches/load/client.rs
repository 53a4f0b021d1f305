//! One place in the generator: a connection that asks, reads what comes, and is made anew when it ends.

use std::{
    io::{self, ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::fd::AsFd as _,
    time::Instant,
};

use nix::sys::{
    epoll::{Epoll, EpollEvent, EpollFlags},
    socket::{setsockopt, sockopt::IpBindAddressNoPort},
};
use socket2::{Domain, Socket, Type};

use crate::{
    answer::Reader,
    plan::{Mode, Plan, Transport},
    tally::{Failure, Tally},
};

/// What all clients of a run share.
pub struct Shared<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// What is written at once.
    pub request: Vec<u8>,
    /// Where connections are waited for.
    pub epoll: Epoll,
    /// What was found.
    pub tally: Tally,
    /// Where bytes are read to.
    pub buffer: Vec<u8>,
}

/// One connection, and what is owed on it.
#[derive(Debug)]
pub struct Client {
    number: u32,
    socket: Option<Socket>,
    reader: Reader,
    /// How much of the request is written.
    sent: usize,
    sent_at: Instant,
    /// Answers that the server owes.
    owed: usize,
    /// The last answer has come: only the end of the connection is missing.
    ending: bool,
}

/// News of what comes, each told once.
const COMES: EpollFlags = EpollFlags::EPOLLIN.union(EpollFlags::EPOLLRDHUP).union(EpollFlags::EPOLLET);

/// News of room for what goes. Datagrams always have it, and would be told so at each.
const GOES: EpollFlags = EpollFlags::EPOLLOUT;

/// What to do with a connection after looking at it.
enum Next {
    Wait,
    Ask,
    Reconnect,
    Fail(Failure),
}

impl Client {
    /// A client without a connection.
    pub fn new(number: u32) -> Self {
        let (reader, sent_at) = (Reader::default(), Instant::now());
        Self { number, socket: None, reader, sent: 0, sent_at, owed: 0, ending: false }
    }

    /// Makes a fresh connection and asks at once; a refusal is counted, and tried again by the next [`check`](Self::check).
    pub fn start(&mut self, shared: &mut Shared<'_>) {
        (self.reader, self.owed, self.ending) = (Reader::default(), 0, false);
        self.socket = None;
        let made = match shared.plan.mode {
            Mode::Echo(Transport::Datagrams) => datagrams(shared.plan.to).map(|socket| (socket, COMES)),
            Mode::KeepAlive { .. } | Mode::OneShot | Mode::Echo(Transport::Streams) => {
                connect(shared.plan.to, self.number).map(|socket| (socket, COMES.union(GOES)))
            }
        };
        match made {
            Ok((socket, wanted)) => {
                let added = shared.epoll.add(socket.as_fd(), EpollEvent::new(wanted, self.number.into()));
                self.socket = added.is_ok().then_some(socket);
                self.ask(shared);
            }
            Err(_) => shared.tally.failed(Failure::Refused, 1),
        }
    }

    /// Looks at what epoll said of the connection.
    pub fn look(&mut self, events: EpollFlags, shared: &mut Shared<'_>) {
        if self.owed > 0 && self.sent < shared.request.len() && events.contains(EpollFlags::EPOLLOUT) {
            self.write(shared);
        }
        let news = EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR;
        if events.intersects(news) {
            let next = self.read(events, shared);
            self.go_on(next, shared);
        }
    }

    /// Gives up what has waited too long, and connects what is not connected.
    pub fn check(&mut self, now: Instant, shared: &mut Shared<'_>) {
        if self.socket.is_none() {
            self.start(shared);
        } else if now.duration_since(self.sent_at) > shared.plan.patience {
            self.go_on(Next::Fail(Failure::Late), shared);
        }
    }

    fn go_on(&mut self, next: Next, shared: &mut Shared<'_>) {
        match next {
            Next::Wait => {}
            Next::Ask => self.ask(shared),
            Next::Reconnect => self.start(shared),
            Next::Fail(failure) => {
                shared.tally.failed(failure, self.owed.max(1));
                self.start(shared);
            }
        }
    }

    fn ask(&mut self, shared: &mut Shared<'_>) {
        (self.sent, self.sent_at, self.owed) = (0, Instant::now(), shared.plan.answers());
        self.write(shared);
    }

    /// Writes what is left of the request; what cannot be written yet follows when the socket says so.
    fn write(&mut self, shared: &Shared<'_>) {
        let Some(socket) = &mut self.socket else { return };
        // An error here is seen, and counted, by the read that follows it.
        self.sent += socket.write(&shared.request[self.sent..]).unwrap_or(0);
    }

    fn read(&mut self, events: EpollFlags, shared: &mut Shared<'_>) -> Next {
        let ended = events.intersects(EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR);
        loop {
            let Some(socket) = &mut self.socket else { return Next::Wait };
            let count = match socket.read(&mut shared.buffer) {
                Ok(0) => return self.end(Failure::Closed, shared),
                Ok(count) => count,
                Err(cause) if cause.kind() == ErrorKind::WouldBlock => return Next::Wait,
                Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
                    return Next::Fail(Failure::Refused);
                }
                Err(_) => return self.end(Failure::Reset, shared),
            };
            match self.take(count, shared) {
                // A short read took all there was; a close that came with it is still to be read.
                Next::Wait if count == shared.buffer.len() || ended => {}
                next @ (Next::Wait | Next::Ask | Next::Reconnect | Next::Fail(_)) => return next,
            }
        }
    }

    /// Counts the answers among `count` bytes that were read.
    fn take(&mut self, count: usize, shared: &mut Shared<'_>) -> Next {
        let Shared { plan, tally, buffer, request, .. } = shared;
        let mut input = &buffer[..count];
        while !input.is_empty() {
            if self.owed == 0 || self.ending {
                return Next::Fail(Failure::Wrong);
            }
            let answer = match plan.mode {
                Mode::KeepAlive { .. } | Mode::OneShot => self.reader.next(&mut input, plan.body),
                Mode::Echo(_) => self.reader.echo(&mut input, request),
            };
            match answer {
                Err(_) => return Next::Fail(Failure::Wrong),
                Ok(None) => return Next::Wait,
                Ok(Some(answer)) if !answer.right => return Next::Fail(Failure::Wrong),
                Ok(Some(answer)) => {
                    self.ending = plan.mode == Mode::OneShot;
                    if !self.ending {
                        tally.answered(self.sent_at.elapsed());
                        self.owed -= 1;
                    }
                    if answer.last && !self.ending {
                        return if self.owed == 0 { Next::Reconnect } else { Next::Fail(Failure::Cut) };
                    }
                }
            }
        }
        if self.owed == 0 { Next::Ask } else { Next::Wait }
    }

    /// The connection has ended: well, if a one-shot answer was whole, and badly otherwise.
    fn end(&mut self, failure: Failure, shared: &mut Shared<'_>) -> Next {
        if self.ending {
            shared.tally.answered(self.sent_at.elapsed());
            Next::Reconnect
        } else if self.reader.is_empty() {
            Next::Fail(failure)
        } else {
            Next::Fail(Failure::Cut)
        }
    }
}

/// A non-blocking connection that is on its way. Clients come from many loopback addresses: one address has too few
/// ports for a new connection per request.
fn connect(to: SocketAddr, number: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM.nonblocking(), None)?;
    socket.set_tcp_nodelay(true)?;
    if to.ip() == Ipv4Addr::LOCALHOST {
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        let [_, _, _, low] = number.to_be_bytes();
        socket.bind(&SocketAddrV4::new(Ipv4Addr::new(127, 1, 0, low.max(1)), 0).into())?;
    }
    match socket.connect(&to.into()) {
        Err(cause) if cause.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(cause),
        Ok(()) | Err(_) => Ok(socket),
    }
}

/// A socket for datagrams to that address, and from nobody else.
fn datagrams(to: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), Type::DGRAM.nonblocking(), None)?;
    socket.connect(&to.into())?;
    Ok(socket)
}
