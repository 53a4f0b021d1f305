//! The loop of the event model: a round is one epoll_wait(2) and what it brought.

use std::{io, time::Duration};

use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
};

use super::{
    conn::Conn,
    round::{Inbox, Outbox},
    table::{Key, Table, Wait},
    wake::Alarms,
};
use crate::{
    ipc::row::Row,
    listener::Queues,
    process::clock::Time,
    sys::memory,
    worker::{
        Worker,
        accept::{Doors, Token, Visitor},
        datagrams::Post,
        fairness::Fairness,
        limits::{Limits, timeout},
        output::Output,
        session::{Application, Limit, Wakes},
        step::Step,
    },
};

/// Everything that a round of the loop touches.
pub struct Engine<'a, A: Application> {
    pub(super) worker: &'a mut Worker,
    pub(super) application: A,
    pub(super) post: Post,
    pub(super) set: Epoll,
    pub(super) doors: Doors,
    pub(super) fairness: Fairness,
    pub(super) table: Table<Conn<A::Session>>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    /// What is written beside the round, by any of the connections, until the first send.
    pub(super) output: Output,
    pub(super) row: Row,
    pub(super) limits: Limits,
    pub(super) now: Time,
    pub(super) drain: Option<Drain>,
    /// When which sessions want to be woken.
    pub(super) alarms: Alarms,
    /// Whether a session has told of news since the others were last woken.
    pub(super) announced: bool,
    /// Since when nothing has happened; none once it has given back what it does not need meanwhile.
    quiet: Option<Time>,
}

/// A drain that has begun, and when whatever is not finished is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    deadline: Option<Time>,
}

/// How many connections one wake-up takes from one door, as long as each is answered and closed on the spot. One that
/// stays ends the burst: the worker that wakes first would otherwise take all of them, for as long as they live.
const ACCEPTS: usize = 16;

/// After so long without any event a worker gives back the pages of code and stack that a burst has brought: they come
/// back as they are used.
const QUIET: Duration = Duration::from_millis(250);

/// How many events one wake-up brings. The kernel keeps who was reported in line, in case it is not read to its end, and
/// whoever speaks up meanwhile comes behind all of them: the more at once, the longer the unluckiest waits.
const EVENTS: usize = 32;

impl<'a, A: Application> Engine<'a, A> {
    /// A loop that waits at the worker's doors.
    ///
    /// # Errors
    /// When the kernel has no room for another epoll set.
    pub fn new(worker: &'a mut Worker, application: A, post: Post) -> io::Result<Self> {
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        if let Some(descriptor) = application.descriptor() {
            set.add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, Token::News.into()))?;
        }
        let doors = Doors::open(&set, &worker.stop, worker.listeners())?;
        for number in post.left_alone() {
            set.delete(&worker.listeners()[number])?;
        }
        Ok(Self {
            doors,
            fairness: Fairness::new(worker.row().clone()),
            row: worker.row().clone(),
            limits: *worker.limits(),
            application,
            post,
            set,
            table: Table::new(),
            inbox: Inbox::new(),
            outbox: Outbox::new(EVENTS),
            output: Output::new(),
            now: Time::now(),
            drain: None,
            alarms: Alarms::default(),
            announced: false,
            quiet: Some(Time::now()),
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
            self.row.rest();
            let count = match self.set.wait(&mut events, self.timeout()) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            self.now = Time::now();
            self.row.beat(self.now);
            self.note_quiet(count);
            for event in &events[..count] {
                match Token::from(event.data()) {
                    Token::Own(key) => self.handle(Key::from_bits(key)),
                    Token::Door(number) => self.answer_door(number)?,
                    Token::News => self.announced |= self.application.on_news()? == Wakes::Everyone,
                    Token::Stop => self.hear()?,
                }
            }
            self.settle();
            for number in self.doors.flooded().to_vec() {
                self.answer_door(number)?;
            }
            self.wake_sleepers();
            self.end_waits()?;
        }
        Ok(())
    }

    fn note_quiet(&mut self, events: usize) {
        if events > 0 {
            self.quiet = Some(self.now);
        } else if self.quiet.is_some_and(|since| since + QUIET <= self.now) {
            self.quiet = None;
            self.outbox.let_go();
            memory::forget_start();
        }
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
        let busy = self.announced || !self.doors.flooded().is_empty();
        let wake = if busy { Some(self.now) } else { self.alarms.first() };
        let quiet = self.quiet.map(|since| since + QUIET);
        let due = [limits, drain, self.doors.rest_ends(), wake, quiet].into_iter().flatten().min();
        timeout(self.now, due, EpollTimeout::NONE, EpollTimeout::MAX)
    }

    fn limit(&self, wait: Wait) -> Option<Duration> {
        let limit = match wait {
            Wait::Read(limit) => self.limits.of(limit, self.drain.is_some()),
            Wait::Write => self.limits.write,
            Wait::Farewell => Some(Limits::FAREWELL),
            Wait::News => None,
        };
        // A session may answer a limit by waiting once more: without any time between, that would never end.
        limit.map(|limit| limit.max(Duration::from_millis(1)))
    }

    /// Something happened to a connection: what depends on what it waits for.
    fn handle(&mut self, key: Key) {
        match self.table.wait(key) {
            Some(Wait::Read(_) | Wait::News) => self.take(key),
            Some(Wait::Write) => self.write(key),
            Some(Wait::Farewell) => self.discard(key),
            None => {}
        }
    }

    fn answer_door(&mut self, number: usize) -> io::Result<()> {
        let listeners = self.worker.listeners();
        // The doors may have been closed by an earlier event of this round.
        if let Some(listener) = listeners.get(number).filter(|_| self.post.is_at(number)) {
            let left = self.post.serve(number, listener, &self.row);
            return self.doors.note(&self.set, listeners, number, left);
        }
        let shared = listeners.get(number).is_none_or(|listener| listener.queues() == Queues::One);
        if let Some(until) = shared.then(|| self.fairness.leave_until(self.now)).flatten() {
            self.doors.rest(&self.set, self.worker.listeners(), Some(until));
            return Ok(());
        }
        // What those who come now ask was not there yet when this round began.
        self.now = Time::now();
        for _ in 0..ACCEPTS {
            match self.doors.accept(&self.set, self.worker.listeners(), number)? {
                Visitor::Connection(socket, peer) => {
                    let before = self.table.len();
                    self.admit(socket, &peer);
                    if self.table.len() > before {
                        return self.doors.step_back(&self.set, self.worker.listeners(), number);
                    }
                }
                Visitor::Nobody | Visitor::NoRoom => break,
            }
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<()> {
        let told = self.worker.stop.look()?;
        self.doors.heed(&self.set, &mut self.worker.listeners, &self.worker.stop)?;
        if told {
            // The second time it is an orphan, which may not take longer than before.
            let limit = self.limits.drain_of(self.worker.stop.orphaned());
            let before = self.drain.map(|drain| drain.deadline);
            let after = limit.map(|limit| self.now + limit);
            self.drain = Some(Drain { deadline: [before.flatten(), after].into_iter().flatten().min() });
            if before.is_none() {
                self.begin_drain();
            }
        }
        Ok(())
    }

    /// Takes no more, tells each session so, and gives the silent ones a moment.
    fn begin_drain(&mut self) {
        self.doors.close(&self.set, self.worker.listeners());
        self.worker.close_listeners();
        // Who has asked before is answered before.
        self.settle();
        self.table.restart(Wait::Read(Limit::Idle), self.now);
        for key in self.table.keys() {
            // One that is being answered sees it at its next call.
            if let Some(Wait::Read(_) | Wait::News) = self.table.wait(key) {
                self.step(key, Step::Drain, 0..0);
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
                        self.step(key, Step::Late(limit), 0..0);
                    }
                    Wait::Write if self.table.get_mut(key).is_some_and(Conn::goes_on) => {
                        self.table.begin(key, wait, self.now);
                    }
                    Wait::Write | Wait::Farewell | Wait::News => self.close(key),
                }
            }
        }
        if self.doors.rest_ends().is_some_and(|end| end <= self.now) {
            self.doors.resume(&self.set, self.worker.listeners())?;
        }
        Ok(())
    }
}
