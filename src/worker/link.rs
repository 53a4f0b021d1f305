//! One connection of a process that serves one at a time: it waits for its peer, but never for its peer alone.
//!
//! Its socket does not block. Whatever has to wait does so by poll(2), for the peer and for [`Stop`] together and with
//! a deadline, so that neither a silent client nor a client that reads nothing can hold the process longer than a
//! limit, and a drain is seen while waiting.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, Shutdown, recv, shutdown},
};

use super::{
    limits::{Limits, timeout},
    output::{Behind, End, Output},
    per_connection::account::Account,
    session::Peer,
    stop::{Errand, Stop},
    taking::Taking,
};
use crate::{ipc::row::Row, listener::Listener, process::clock::Time};

/// A socket with what there is to watch while it waits.
#[derive(Debug)]
pub struct Link {
    socket: OwnedFd,
    peer: Peer,
    watch: Watch,
    /// When it last looked at the clock.
    now: Time,
}

/// What a process that serves one connection at a time watches while it waits for it.
#[derive(Debug, Clone)]
pub struct Watch {
    stop: Arc<Stop>,
    limits: Limits,
    row: Row,
    porch: Porch,
    drain_since: Option<Time>,
    /// What tells a worker what its connection process counts.
    account: Option<Account>,
}

/// The listeners of a process that serves one connection at a time, within reach of that connection: whoever waits
/// for its client sees who else waits, and closes them as soon as the process is told to stop.
#[derive(Debug, Clone, Default)]
pub struct Porch(Arc<Mutex<Vec<Listener>>>);

/// Whether a wait also ends when somebody comes to the [`Porch`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// It does.
    Watched,
    /// It does not.
    Unwatched,
}

/// What ended a wait; several may at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Woken {
    /// The socket can be read or written.
    pub ready: bool,
    /// There is news from the stop: a drain, or its master's end.
    pub stop: bool,
    /// Somebody waits at a door.
    pub others: bool,
    /// The application's descriptor is readable.
    pub news: bool,
}

/// "The peer will send no more", without an interest in what it sends. poll(2); nix does not name it.
const POLLRDHUP: PollFlags = PollFlags::from_bits_retain(libc::POLLRDHUP);

/// What is waited for at the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// Bytes, or the peer's end.
    Bytes,
    /// The peer's end: what it sends meanwhile stays where it is.
    End,
    /// That the peer is gone altogether, which is always reported.
    Gone,
}

impl Porch {
    /// The porch with these doors.
    pub fn new(listeners: Vec<Listener>) -> Self {
        Self(Arc::new(Mutex::new(listeners)))
    }

    /// Its listeners; none once it is closed.
    pub fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes this process's copies: who waits there is for other workers.
    pub fn close(&self) {
        self.listeners().clear();
    }
}

impl Watch {
    /// Watches that stop, with these limits.
    pub fn new(stop: Arc<Stop>, limits: Limits, row: Row, porch: Porch) -> Self {
        Self { stop, limits, row, porch, drain_since: None, account: None }
    }

    /// The same, telling now and then what the row counts.
    pub fn telling(self, account: Account) -> Self {
        Self { account: Some(account), ..self }
    }

    /// The limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The row.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Whether somebody else waits for this process now: on the porch, or in a queue that it was told to look after and has
    /// had no time for yet.
    pub fn anyone_waits(&self) -> bool {
        let (doors, errands) = (self.porch.listeners(), self.stop.errands_ahead());
        let sockets =
            doors.iter().flat_map(Listener::sockets).chain(errands.iter().filter_map(Errand::socket));
        let mut fds: Vec<_> = sockets.map(|socket| PollFd::new(socket, PollFlags::POLLIN)).collect();
        !fds.is_empty() && poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Whether to finish what there is and take no more.
    pub fn draining(&self) -> bool {
        self.stop.requested()
    }

    /// When whatever is not finished by then is cut.
    fn drain_deadline(&mut self) -> Option<Time> {
        if !self.draining() {
            return None;
        }
        let since = *self.drain_since.get_or_insert_with(Time::now);
        self.limits.drain_of(self.stop.orphaned()).map(|limit| since + limit)
    }

    /// Waits until one of these happens; `None` when the deadline passes, or the drain's.
    fn wait(
        &mut self,
        socket: (BorrowedFd<'_>, PollFlags),
        news: Option<BorrowedFd<'_>>,
        outside: Outside,
        deadline: Option<Time>,
    ) -> io::Result<Option<Woken>> {
        loop {
            let deadline = [deadline, self.drain_deadline()].into_iter().flatten().min();
            let tells = self.account.as_mut().and_then(Account::tell_in_time);
            let wakes = [deadline, tells].into_iter().flatten().min();
            let woken = self.poll(socket, news, outside, wakes)?;
            if woken.stop && self.stop.look()? {
                self.row.draining();
                self.porch.close();
            }
            let news = Woken { stop: woken.stop && self.draining(), ..woken };
            if news != Woken::default() {
                return Ok(Some(news));
            }
            if deadline.is_some_and(|deadline| deadline <= Time::now()) {
                return Ok(None);
            }
        }
    }

    /// One poll(2); nothing has happened if a signal ended it, but that one may be heard of at the next.
    fn poll(
        &self,
        socket: (BorrowedFd<'_>, PollFlags),
        news: Option<BorrowedFd<'_>>,
        outside: Outside,
        deadline: Option<Time>,
    ) -> io::Result<Woken> {
        let outside =
            (outside == Outside::Watched).then(|| (self.porch.listeners(), self.stop.errands_ahead()));
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = Vec::with_capacity(4);
        fds.extend([PollFd::new(socket.0, socket.1), readable(self.stop.fd()?)]);
        fds.extend(news.map(readable));
        let first_door = fds.len();
        if let Some((doors, errands)) = &outside {
            fds.extend(doors.iter().flat_map(Listener::sockets).map(readable));
            fds.extend(errands.iter().filter_map(Errand::socket).map(readable));
        }
        // It waits for others: that is no sign of trouble. What it does then is one of life.
        self.row.rest();
        let polled = poll(&mut fds, timeout(Time::now(), deadline, PollTimeout::NONE, PollTimeout::MAX));
        self.row.beat(Time::now());
        match polled {
            Err(Errno::EINTR) => return Ok(Woken::default()),
            count => count?,
        };
        let happened = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        Ok(Woken {
            ready: happened(&fds[0]),
            stop: happened(&fds[1]),
            news: fds[2..first_door].iter().any(happened),
            others: fds[first_door..].iter().any(happened),
        })
    }
}

/// How long it is waited for a peer that takes nothing.
struct Patience {
    taking: Taking,
    until: Option<Time>,
}

impl Link {
    /// A connection that was accepted just now, on a non-blocking socket: a sign of life.
    pub fn new(socket: OwnedFd, peer: Peer, watch: Watch) -> Self {
        let now = Time::now();
        watch.row.beat(now);
        Self { socket, peer, watch, now }
    }

    /// When it last had to do with its peer: was accepted, read, sent, or waited. To ask the clock costs more.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What is watched while it waits.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Its socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads what there is, without waiting; 0 at the peer's end.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing yet; those of recv(2).
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match recv(self.socket.as_raw_fd(), buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => {}
                count => {
                    let count = count?;
                    self.now = Time::now();
                    self.watch.row.beat(self.now);
                    self.watch.row.bytes_in(count as u64);
                    return Ok(count);
                }
            }
        }
    }

    /// Waits until there is something to read, until the stop has news, until somebody comes to the porch;
    /// `None` when the deadline passes, or that of the drain.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn wait(&mut self, outside: Outside, deadline: Option<Time>) -> io::Result<Option<Woken>> {
        self.wait_for(Awaited::Bytes, None, outside, deadline)
    }

    /// As [`Link::wait`], for this at the socket, and for news at that descriptor.
    ///
    /// # Errors
    /// Those of poll(2).
    pub fn wait_for(
        &mut self,
        awaited: Awaited,
        news: Option<BorrowedFd<'_>>,
        outside: Outside,
        deadline: Option<Time>,
    ) -> io::Result<Option<Woken>> {
        let events = match awaited {
            Awaited::Bytes => PollFlags::POLLIN,
            Awaited::End => POLLRDHUP,
            Awaited::Gone => PollFlags::empty(),
        };
        let woken = self.watch.wait((self.socket.as_fd(), events), news, outside, deadline);
        self.now = Time::now();
        woken
    }

    /// Sends everything, within the limit on writing. What is announced to come behind it is the caller's to do.
    ///
    /// # Errors
    /// `TimedOut` when the peer did not take 16 KiB within the limit, or the drain's limit came; those of
    /// [`Output::send`].
    pub fn send(&mut self, output: &mut Output, behind: Behind) -> io::Result<()> {
        let mut patience = None;
        while !output.is_empty() {
            let sent = output.send(self.socket.as_fd(), behind)?;
            // To send is a sign of life, too: a handler may write for hours.
            self.now = Time::now();
            self.watch.row.beat(self.now);
            self.watch.row.bytes_out(sent.bytes);
            if patience.as_mut().is_some_and(|patience: &mut Patience| patience.taking.add(sent.bytes)) {
                patience = None;
            }
            match sent.end {
                End::Empty | End::Turn => {}
                End::Blocked => self.wait_for_room(&mut patience)?,
            }
        }
        Ok(())
    }

    fn wait_for_room(&mut self, patience: &mut Option<Patience>) -> io::Result<()> {
        loop {
            let Patience { taking, until } = patience.get_or_insert_with(|| self.patience());
            let room = (self.socket.as_fd(), PollFlags::POLLOUT);
            let woken = self.watch.wait(room, None, Outside::Unwatched, *until)?;
            self.now = Time::now();
            match woken {
                Some(woken) if woken.ready => return Ok(()),
                // A drain has begun: its deadline counts from here on.
                Some(_) => {}
                None if until.is_some_and(|until| until <= self.now) && taking.goes_on(&self.socket) => {
                    *patience = None;
                }
                None => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    /// The patience with a peer that takes nothing from now on.
    fn patience(&self) -> Patience {
        let until = self.watch.limits.write.map(|limit| Time::now() + limit);
        Patience { taking: Taking::begin(&self.socket), until }
    }

    /// Ends our direction. What was sent last before that announced end leaves with it.
    ///
    /// # Errors
    /// `NotConnected` when the peer is gone altogether.
    pub fn end(&self) -> io::Result<()> {
        Ok(shutdown(self.socket.as_raw_fd(), Shutdown::Write)?)
    }

    /// Ends our direction and reads on for at most that long, until the peer has ended its own.
    ///
    /// A close with bytes unread would be a reset, which destroys the answer on its way. tcp(7).
    pub fn take_leave(&mut self, patience: Duration) {
        let deadline = Time::now() + patience;
        let mut rest = [0; 4096];
        if self.end().is_err() {
            return;
        }
        while Time::now() < deadline {
            match self.read(&mut rest) {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.wait(Outside::Unwatched, Some(deadline)) {
                        Ok(Some(_)) => {}
                        Ok(None) | Err(_) => return,
                    }
                }
                Ok(0) | Err(_) => return,
            }
        }
    }
}
