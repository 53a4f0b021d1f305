//! The loop of the event model: one round is one epoll_wait(2) and what it brought.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{MsgFlags, Shutdown, recv, shutdown},
    },
};

use super::{
    conn::Conn,
    table::{Key, Table, Wait},
};
use crate::{
    ipc::row::Row,
    logging::TARGET,
    process::clock::Time,
    worker::{
        Worker,
        accept::{Doors, Token, Visitor},
        datagrams::{LONGEST, Post},
        guard,
        limits::{Limits, timeout},
        output::{End, Output},
        session::{Application, Limit, Peer},
        step::{Step, Taken, Then, restarts},
    },
};

/// Everything that a round of the loop touches.
pub struct Engine<'a, A: Application> {
    worker: &'a mut Worker,
    application: A,
    post: Post,
    set: Epoll,
    doors: Doors,
    table: Table<Conn<A::Session>>,
    /// What is read, by any of the connections: none keeps a buffer of its own.
    buffer: Box<[u8]>,
    /// What is written, by any of them, until the first send.
    output: Output,
    row: Row,
    limits: Limits,
    now: Time,
    drain: Option<Drain>,
}

/// A drain that has begun.
#[derive(Debug, Clone, Copy)]
struct Drain {
    since: Time,
    deadline: Option<Time>,
}

/// How many connections one wake-up takes from one door, as long as each is answered and closed on the spot. One that
/// stays ends the burst: the worker that wakes first would otherwise take all of them, for as long as they live.
const ACCEPTS: usize = 16;

/// How many events one wake-up brings.
const EVENTS: usize = 256;

impl<'a, A: Application> Engine<'a, A> {
    /// A loop that waits at the worker's doors.
    ///
    /// # Errors
    /// When the kernel has no room for another epoll set.
    pub fn new(worker: &'a mut Worker, application: A, post: Post) -> io::Result<Self> {
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self {
            doors: Doors::open(&set, &worker.stop, worker.listeners())?,
            row: worker.row().clone(),
            limits: *worker.limits(),
            application,
            post,
            set,
            table: Table::new(),
            buffer: vec![0; LONGEST].into_boxed_slice(),
            output: Output::new(),
            now: Time::now(),
            drain: None,
            worker,
        })
    }

    /// Serves until the worker is drained.
    ///
    /// # Errors
    /// When a listener or the epoll set is broken.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); EVENTS];
        self.worker.ready();
        while !self.is_done() {
            let count = match self.set.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            self.now = Time::now();
            self.row.beat(self.now);
            for event in &events[..count] {
                match Token::from(event.data()) {
                    Token::Own(key) => self.handle(Key::from_bits(key)),
                    Token::Door(number) => self.answer_door(number)?,
                    Token::Stop => self.hear()?,
                }
            }
            self.end_waits()?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.drain.is_some_and(|drain| {
            self.table.len() == 0 || drain.deadline.is_some_and(|deadline| deadline <= self.now)
        })
    }

    /// Until when nothing is due.
    fn timeout(&self) -> EpollTimeout {
        let limits = self.table.deadline(|wait| self.limit(wait));
        let drain = self.drain.and_then(|drain| drain.deadline);
        let due = [limits, drain, self.doors.rest_ends()].into_iter().flatten().min();
        timeout(self.now, due, EpollTimeout::NONE, EpollTimeout::MAX)
    }

    fn limit(&self, wait: Wait) -> Option<Duration> {
        let limit = match wait {
            Wait::Read(limit) => self.limits.of(limit, self.drain.is_some()),
            Wait::Write => self.limits.write,
            Wait::Farewell => Some(Limits::FAREWELL),
        };
        // A session may answer a limit by waiting once more: without any time between, that would never end.
        limit.map(|limit| limit.max(Duration::from_millis(1)))
    }

    // What wakes the loop.

    /// Something happened to a connection: what depends on what it waits for.
    fn handle(&mut self, key: Key) {
        match self.table.wait(key) {
            Some(Wait::Read(_)) => self.read(key),
            Some(Wait::Write) => self.write(key),
            Some(Wait::Farewell) => self.discard(key),
            None => {}
        }
    }

    fn answer_door(&mut self, number: usize) -> io::Result<()> {
        let listeners = self.worker.listeners();
        // The doors may have been closed by an earlier event of this round.
        if let Some(listener) = listeners.get(number).filter(|_| self.post.is_at(number)) {
            self.post.serve(number, listener, &mut self.buffer, &self.row);
            return Ok(());
        }
        for _ in 0..ACCEPTS {
            match self.doors.accept(&self.set, self.worker.listeners(), number)? {
                Visitor::Connection(socket, peer) => {
                    let before = self.table.len();
                    self.admit(socket, &peer);
                    if self.table.len() > before {
                        break;
                    }
                }
                Visitor::Nobody | Visitor::NoRoom => break,
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<()> {
        let told = self.worker.stop.look()?;
        self.doors.heed(&self.set, self.worker.listeners(), &self.worker.stop)?;
        if !told {
            return Ok(());
        }
        let deadline = |since: Time, limit: Option<Duration>| limit.map(|limit| since + limit);
        match &mut self.drain {
            None => self.begin_drain(),
            // The master has gone while this worker drained for it.
            Some(drain) if self.worker.stop.orphaned() => {
                let orphan = deadline(self.now, self.limits.drain_of(true));
                drain.deadline = [drain.deadline, orphan].into_iter().flatten().min();
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Takes no more, tells each session so, and gives the silent ones a moment.
    fn begin_drain(&mut self) {
        self.doors.close(&self.set, self.worker.listeners());
        self.worker.close_listeners();
        let limit = self.limits.drain_of(self.worker.stop.orphaned());
        self.drain = Some(Drain { since: self.now, deadline: limit.map(|limit| self.now + limit) });
        self.table.restart(Wait::Read(Limit::Idle), self.now);
        for key in self.table.keys() {
            // One that is being answered sees it at its next call.
            if let Some(Wait::Read(_)) = self.table.wait(key) {
                self.step(key, Step::Drain, 0);
            }
        }
    }

    /// Deals with everyone whose time is up.
    fn end_waits(&mut self) -> io::Result<()> {
        for wait in Wait::ALL {
            let Some(limit) = self.limit(wait) else { continue };
            while let Some(key) = self.table.late(wait, limit, self.now) {
                match wait {
                    Wait::Read(limit) => {
                        // A session that wants to wait on has a whole limit more.
                        self.table.begin(key, wait, self.now);
                        self.step(key, Step::Late(limit), 0);
                    }
                    Wait::Write | Wait::Farewell => self.close(key),
                }
            }
        }
        if self.doors.rest_ends().is_some_and(|end| end <= self.now) {
            self.doors.resume(&self.set, self.worker.listeners())?;
        }
        Ok(())
    }

    // The life of a connection.

    fn admit(&mut self, socket: OwnedFd, peer: &Peer) {
        self.row.accepted();
        match guard::contain(|| self.application.open(peer)) {
            Err(panic) => {
                self.row.closed();
                log::error!(target: TARGET, "connection closed: its application panicked: {panic}");
            }
            Ok(session) => {
                let key = self.table.insert(Conn::new(socket, session), Wait::Read(Limit::Idle), self.now);
                self.step(key, Step::Open, 0);
                // Its first request is often there already: then a short connection never enters the set.
                if let Some(Wait::Read(_)) = self.table.wait(key) {
                    self.read(key);
                }
            }
        }
    }

    fn read(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        match recv(conn.socket().as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(0) => self.step(key, Step::End, 0),
            Ok(count) => {
                self.row.bytes_in(count as u64);
                self.step(key, Step::Bytes, count);
            }
            Err(Errno::EAGAIN | Errno::EINTR) => self.watch(key, EpollFlags::EPOLLIN),
            Err(_) => self.close(key),
        }
    }

    /// Calls the session with the first `count` bytes of the buffer, and again as long as whole messages are left.
    fn step(&mut self, key: Key, mut kind: Step, mut count: usize) {
        while let Some(conn) = self.table.get_mut(key) {
            let fresh = &self.buffer[..count];
            match conn.step(kind, fresh, &mut self.output, &self.row, self.drain.is_some()) {
                Ok(taken) => self.start_clock(key, count, taken),
                Err(panic) => {
                    log::error!(target: TARGET, "connection closed: its application panicked: {panic}");
                    self.output.clear();
                    self.close(key);
                }
            }
            match self.send(key) {
                Some(Then::Again) => (kind, count) = (Step::Bytes, 0),
                // It is read next, and enters the set only if there is nothing to read.
                Some(Then::Read(_)) if kind == Step::Open => break,
                Some(then) => return self.go_on(key, then),
                None => break,
            }
        }
    }

    fn start_clock(&mut self, key: Key, received: usize, taken: Taken) {
        let before = match self.table.wait(key) {
            Some(Wait::Read(limit)) => Some(limit),
            Some(Wait::Write | Wait::Farewell) | None => None,
        };
        let Some(conn) = self.table.get_mut(key) else { return };
        conn.then = taken.then;
        let limit = match taken.then {
            Then::Read(limit) => limit,
            Then::Stay => before.unwrap_or(Limit::Idle),
            Then::Again | Then::Close | Then::Farewell => return,
        };
        conn.then = Then::Read(limit);
        if restarts(before, limit, received, taken.ended, &mut conn.progress) {
            self.table.begin(key, Wait::Read(limit), self.now);
        }
    }

    /// Sends what its session wrote just now. The answer is what comes next; nothing does if not all could be sent.
    fn send(&mut self, key: Key) -> Option<Then> {
        let conn = self.table.get_mut(key)?;
        let then = conn.then;
        if !self.output.is_empty() {
            match self.output.send(conn.socket()) {
                Ok(sent) => {
                    self.row.bytes_out(sent.bytes);
                    if sent.end != End::Empty {
                        conn.hold(&mut self.output);
                        conn.progress = 0;
                        self.table.begin(key, Wait::Write, self.now);
                        self.watch(key, EpollFlags::EPOLLOUT);
                        return None;
                    }
                }
                Err(_) => {
                    self.output.clear();
                    self.close(key);
                    return None;
                }
            }
        }
        Some(then)
    }

    /// Sends what it held; when all is sent the session goes on.
    fn write(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        let sent = conn.held().map(|(socket, output)| output.send(socket));
        let Some(Ok(sent)) = sent else { return self.close(key) };
        self.row.bytes_out(sent.bytes);
        conn.progress += sent.bytes;
        if sent.end == End::Empty {
            let then = conn.then;
            conn.progress = 0;
            conn.let_go();
            if let Then::Read(limit) = then {
                self.table.begin(key, Wait::Read(limit), self.now);
            }
            self.go_on(key, then);
            if then == Then::Again {
                self.table.begin(key, Wait::Read(Limit::Idle), self.now);
                self.step(key, Step::Bytes, 0);
            }
        } else if conn.progress >= Limits::PROGRESS {
            conn.progress = 0;
            self.table.begin(key, Wait::Write, self.now);
        }
    }

    fn go_on(&mut self, key: Key, then: Then) {
        match then {
            Then::Read(_) | Then::Stay => self.watch(key, EpollFlags::EPOLLIN),
            Then::Again => {}
            Then::Close => self.close(key),
            Then::Farewell => self.take_leave(key),
        }
    }

    /// Ends our direction and lets the peer finish its own: a close with bytes unread would be a reset, which
    /// destroys the answer on its way.
    fn take_leave(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        if shutdown(conn.socket().as_raw_fd(), Shutdown::Write).is_err() {
            return self.close(key);
        }
        self.table.begin(key, Wait::Farewell, self.now);
        self.watch(key, EpollFlags::EPOLLIN);
    }

    fn discard(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        match recv(conn.socket().as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
            Ok(1..) | Err(Errno::EAGAIN | Errno::EINTR) => {}
            Ok(0) | Err(_) => self.close(key),
        }
    }

    /// Has the set report this of the connection, and nothing else.
    fn watch(&mut self, key: Key, interest: EpollFlags) {
        let Some(conn) = self.table.get_mut(key) else { return };
        if conn.interest == interest {
            return;
        }
        let mut event = EpollEvent::new(interest, Token::Own(key.bits()).into());
        let result = if conn.interest.is_empty() {
            self.set.add(conn.socket(), event)
        } else {
            self.set.modify(conn.socket(), &mut event)
        };
        conn.interest = interest;
        if let Err(error) = result {
            log::warn!(target: TARGET, "connection closed: cannot wait for it: {error}");
            self.close(key);
        }
    }

    fn close(&mut self, key: Key) {
        if self.table.remove(key).is_some() {
            self.row.closed();
        }
    }
}
