//! The life of a connection in the event loop: admitted, read, answered, and let go.

use std::{
    mem,
    ops::Range,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{EpollEvent, EpollFlags},
        socket::{MsgFlags, Shutdown, recv, shutdown},
    },
};

use super::{
    conn::Conn,
    engine::Engine,
    table::{Key, Wait},
};
use crate::{
    logging::TARGET,
    worker::{
        accept::Token,
        guard,
        output::{End, Output},
        session::{Application, Limit, Peer},
        step::{Step, Taken, Then, restarts},
    },
};

impl<A: Application> Engine<'_, A> {
    /// Takes a connection in.
    pub(super) fn admit(&mut self, socket: OwnedFd, peer: &Peer) {
        self.row.accepted();
        match guard::contain(|| self.application.open(peer)) {
            Err(panic) => {
                self.row.closed();
                log::error!(target: TARGET, "connection closed: its application panicked: {panic}");
            }
            Ok(session) => {
                let key = self.table.insert(Conn::new(socket, session), Wait::Read(Limit::Idle), self.now);
                self.step(key, Step::Open, 0..0);
                // Its first request is often there already: then a short connection never enters the set.
                if let Some(Wait::Read(_)) = self.table.wait(key) {
                    self.read(key);
                }
            }
        }
    }

    /// Reads what has come, and has the session answer it, beside the round.
    fn read(&mut self, key: Key) {
        if let Some(place) = self.receive(key) {
            self.step(key, Step::Bytes, place);
        }
    }

    /// Reads what has come. The answer is where it lies; nothing if there was nothing but what is dealt with here.
    pub(super) fn receive(&mut self, key: Key) -> Option<Range<usize>> {
        let conn = self.table.get_mut(key)?;
        match recv(conn.socket().as_raw_fd(), self.inbox.room(), MsgFlags::empty()) {
            // It has said so before, and now it has gone altogether.
            Ok(0) if conn.ended => self.close(key),
            Ok(0) => self.step(key, Step::End, 0..0),
            Ok(count) => {
                self.row.bytes_in(count as u64);
                return Some(self.inbox.place(count));
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {
                let then = conn.then;
                self.go_on(key, then);
            }
            Err(_) => self.close(key),
        }
        None
    }

    /// Calls the session with what was read, and does what comes of it.
    pub(super) fn step(&mut self, key: Key, kind: Step, fresh: Range<usize>) {
        let mut output = mem::take(&mut self.output);
        self.call(key, kind, fresh, &mut output);
        self.finish(key, kind, &mut output);
        self.output = output;
    }

    /// Calls the session, which writes its answer to `output`.
    pub(super) fn call(&mut self, key: Key, kind: Step, fresh: Range<usize>, output: &mut Output) {
        let Some(conn) = self.table.get_mut(key) else { return };
        let count = fresh.len();
        let fresh = self.inbox.bytes(fresh);
        match conn.step(kind, fresh, output, &self.row, self.drain.is_some(), self.now) {
            Ok(taken) => {
                conn.ended |= kind == Step::End;
                self.announced |= taken.announced;
                self.start_clock(key, count, taken);
            }
            Err(panic) => {
                log::error!(target: TARGET, "connection closed: its application panicked: {panic}");
                output.clear();
                self.close(key);
            }
        }
    }

    /// Sends its answer, and calls the session again as long as whole messages are left.
    pub(super) fn finish(&mut self, key: Key, mut kind: Step, output: &mut Output) {
        loop {
            match self.send(key, output) {
                Some(Then::Again) => {
                    kind = Step::Bytes;
                    self.call(key, kind, 0..0, output);
                }
                // It is read next, and enters the set only if there is nothing to read.
                Some(Then::Read(_)) if kind == Step::Open => return,
                Some(then) => return self.go_on(key, then),
                None => return,
            }
        }
    }

    /// Notes what its session waits for now, and from when on.
    fn start_clock(&mut self, key: Key, received: usize, taken: Taken) {
        // The road of nearly every call.
        if let Then::Read(limit) = taken.then {
            self.await_bytes(key, limit, received, taken.ended);
        } else {
            self.await_others(key, received, taken);
        }
    }

    fn await_bytes(&mut self, key: Key, limit: Limit, received: usize, ended: bool) {
        let Some((conn, wait)) = self.table.look(key) else { return };
        let before = if let Wait::Read(before) = wait { Some(before) } else { None };
        conn.then = Then::Read(limit);
        if restarts(before, limit, received, ended, &mut conn.progress) {
            self.table.begin(key, Wait::Read(limit), self.now);
        }
    }

    #[inline(never)]
    fn await_others(&mut self, key: Key, received: usize, taken: Taken) {
        let Some((conn, wait)) = self.table.look(key) else { return };
        let before = std::mem::replace(&mut conn.then, taken.then);
        match (taken.then, wait) {
            // Its alarm stays as it is.
            (Then::Stay, Wait::News) => {
                conn.then = if before == Then::Talk { Then::Talk } else { Then::Wait(None) };
            }
            (Then::Read(limit), _) | (Then::Stay, Wait::Read(limit)) => {
                self.await_bytes(key, limit, received, taken.ended);
            }
            (Then::Stay, Wait::Write | Wait::Farewell) => {
                self.await_bytes(key, Limit::Idle, received, taken.ended);
            }
            (Then::Wait(time), _) => self.sleep(key, time),
            (Then::Talk, _) => self.sleep(key, None),
            (Then::Again | Then::Close | Then::Farewell, _) => {}
        }
    }

    /// Sends what its session wrote just now. The answer is what comes next; nothing does if not all could be sent.
    fn send(&mut self, key: Key, output: &mut Output) -> Option<Then> {
        let Some(conn) = self.table.get_mut(key) else {
            // Nobody else may get what was written for it.
            output.clear();
            return None;
        };
        let then = conn.then;
        if !output.is_empty() {
            match output.send(conn.socket(), then.behind()) {
                Ok(sent) => {
                    self.row.bytes_out(sent.bytes);
                    if sent.end != End::Empty {
                        conn.hold(output);
                        conn.progress = 0;
                        self.table.begin(key, Wait::Write, self.now);
                        self.watch(key, EpollFlags::EPOLLOUT);
                        return None;
                    }
                }
                Err(_) => {
                    output.clear();
                    self.close(key);
                    return None;
                }
            }
        }
        Some(then)
    }

    /// Sends what it held; when all is sent the session goes on.
    pub(super) fn write(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        let behind = conn.then.behind();
        let sent = conn.held().map(|(socket, output)| output.send(socket, behind));
        let Some(Ok(sent)) = sent else { return self.close(key) };
        self.row.bytes_out(sent.bytes);
        if sent.end == End::Empty {
            let then = conn.then;
            conn.progress = 0;
            conn.let_go();
            if let Then::Read(limit) = then {
                self.table.begin(key, Wait::Read(limit), self.now);
            }
            self.go_on(key, then);
            if let Then::Wait(_) | Then::Talk = then {
                return self.wake_late(key);
            }
            if then == Then::Again {
                self.table.begin(key, Wait::Read(Limit::Idle), self.now);
                self.step(key, Step::Bytes, 0..0);
            }
        } else if conn.took(sent.bytes) {
            self.table.begin(key, Wait::Write, self.now);
        }
    }

    fn has_ended(&mut self, key: Key) -> bool {
        self.table.get_mut(key).is_some_and(|conn| conn.ended)
    }

    fn go_on(&mut self, key: Key, then: Then) {
        // The road of nearly every call.
        if let Then::Read(_) = then {
            self.watch(key, EpollFlags::EPOLLIN);
        } else {
            self.go_on_otherwise(key, then);
        }
    }

    #[inline(never)]
    fn go_on_otherwise(&mut self, key: Key, then: Then) {
        match then {
            Then::Read(_) | Then::Talk | Then::Stay => self.watch(key, EpollFlags::EPOLLIN),
            // Nothing is read. That the peer is gone altogether is always reported.
            Then::Wait(_) if self.has_ended(key) => self.watch(key, EpollFlags::EPOLLHUP),
            Then::Wait(_) => self.watch(key, EpollFlags::EPOLLRDHUP),
            Then::Again => {}
            Then::Close => self.hang_up(key),
            Then::Farewell => self.take_leave(key),
        }
    }

    /// Ends our direction, and closes. What was sent last waits for that end, and a close alone would throw it away if
    /// something lies unread.
    fn hang_up(&mut self, key: Key) {
        if let Some(conn) = self.table.get_mut(key) {
            // A peer that is gone needs no end.
            let _ = shutdown(conn.socket().as_raw_fd(), Shutdown::Write);
        }
        self.close(key);
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

    /// Reads on after the farewell, until the peer has ended its direction too.
    pub(super) fn discard(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        match recv(conn.socket().as_raw_fd(), self.inbox.room(), MsgFlags::empty()) {
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

    /// Closes a connection.
    pub(super) fn close(&mut self, key: Key) {
        if let Some(conn) = self.table.remove(key) {
            if conn.alarm.is_some() {
                self.alarms.set(key, conn.alarm, None);
            }
            self.row.closed();
        }
    }
}
