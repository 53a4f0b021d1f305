//! The worker of the per-connection model: it accepts, forks, and learns that a connection process has ended.

use std::{
    collections::HashMap,
    io,
    ops::Deref,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use log::{Level, kv::Value};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
    unistd::{getpid, pipe2},
};

use super::{
    Reap,
    account::{self, Life},
    child::{self, Heir},
};
use crate::{
    logging::{self, TARGET},
    process::{Pid, clock::Time, death::Deaths, exit::ExitStatus, lifeline::Lifeline, signal, spawn, wait},
    sys::{
        nursery::{self, Part},
        wait::{Patience, Reaped, Target, wait4},
    },
    worker::{
        Worker,
        accept::{Doors, Token, Visitor},
        datagrams::Post,
        limits::timeout,
        session::Peer,
        streams::Desk,
    },
};

/// A worker that forks.
pub struct Parent<'a> {
    worker: &'a mut Worker,
    post: Post,
    /// What ps(1) shows of a connection process.
    title: String,
    set: Set,
    doors: Doors,
    reap: Reap,
    most: usize,
    /// SIGCHLD as data, where this worker is the one to wait.
    children: Option<Deaths>,
    /// Connection processes that were forked and not yet waited for, where this worker is the one to wait.
    unreaped: usize,
    /// Breaks when this worker drains or dies.
    line: Option<Lifeline>,
    /// The read ends of the pipes, by the numbers of their events: one for each connection process.
    visits: HashMap<u64, OwnedFd>,
    last: u64,
    /// A connection that has no process yet, and the pipe for its process.
    guest: Option<(OwnedFd, Peer)>,
    pipe: Option<(OwnedFd, OwnedFd)>,
    /// Whether the log has heard that there is none to be had.
    told: bool,
    drain_until: Option<Option<Time>>,
}

/// The event of SIGCHLD; the pipes have the numbers from one on.
const CHILDREN: u64 = 0;

/// How much longer than its connection processes a worker drains: they keep to the limit by themselves.
const AFTER_THEM: Duration = Duration::from_millis(250);

/// How long no connection is taken after a fork has failed.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

impl<'a> Parent<'a> {
    /// Waits at the worker's doors, and for its children.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn new(worker: &'a mut Worker, post: Post, reap: Reap, most: usize) -> io::Result<Self> {
        know_the_processor();
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let children = match reap {
            Reap::Wait => {
                let children = Deaths::new()?;
                set.add(children.fd(), EpollEvent::new(EpollFlags::EPOLLIN, Token::Own(CHILDREN).into()))?;
                Some(children)
            }
            Reap::Ignore => {
                signal::ignore(libc::SIGCHLD)?;
                None
            }
            Reap::DoubleFork => None,
        };
        Ok(Self {
            doors: Doors::open(&set, &worker.stop, worker.listeners())?,
            line: Some(Lifeline::new()?),
            title: format!("forkd: connection of worker {}", worker.slot()),
            worker,
            post,
            set: Set(Some(set)),
            reap,
            most,
            children,
            unreaped: 0,
            visits: HashMap::new(),
            last: CHILDREN,
            guest: None,
            pipe: None,
            told: false,
            drain_until: None,
        })
    }

    /// Serves until the worker is drained; in a connection process it does not return from the fork.
    ///
    /// # Errors
    /// When a listener or the epoll set is broken.
    pub fn run(mut self, desk: &impl Desk) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 64];
        self.worker.ready();
        while !self.is_done() {
            let now = Time::now();
            let flooded = (!self.doors.flooded().is_empty()).then_some(now);
            let due =
                [flooded, self.doors.rest_ends(), self.drain_until.flatten()].into_iter().flatten().min();
            let timeout = timeout(now, due, EpollTimeout::NONE, EpollTimeout::MAX);
            self.worker.row().rest();
            let count = match self.set.wait(&mut events, timeout) {
                Err(Errno::EINTR) => 0,
                count => count?,
            };
            self.worker.row().beat(Time::now());
            for event in &events[..count] {
                match Token::from(event.data()) {
                    Token::Door(number) => self.answer_door(number, desk)?,
                    Token::Stop => self.hear()?,
                    Token::Own(CHILDREN) => self.wait_for_children(),
                    // Its children wait for them, each for its own.
                    Token::News => {}
                    Token::Own(visit) => self.hear_visit(visit),
                }
            }
            for number in self.doors.flooded().to_vec() {
                self.answer_door(number, desk)?;
            }
            self.reopen_doors(desk)?;
        }
        if !self.visits.is_empty() {
            // Whoever is stuck has a second from here on: an orphan's deadline. Our own flag is raised already.
            let _ = signal::send_group(getpid(), libc::SIGTERM);
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.drain_until.is_some_and(|until| {
            let nobody = self.visits.is_empty() && self.unreaped == 0;
            nobody || until.is_some_and(|until| until <= Time::now())
        })
    }

    fn answer_door(&mut self, number: usize, desk: &impl Desk) -> io::Result<()> {
        if let Some(listener) = self.worker.listeners().get(number).filter(|_| self.post.is_at(number)) {
            let left = self.post.serve(number, listener, self.worker.row());
            return self.doors.note(&self.set, self.worker.listeners(), number, left);
        }
        // Without a pipe to learn its end by, nobody is let in: the queue keeps whom this worker cannot serve.
        if let Err(error) = self.prepare() {
            self.doors.no_room(&self.set, self.worker.listeners(), &error);
            return Ok(());
        }
        if let Visitor::Connection(socket, peer) =
            self.doors.accept(&self.set, self.worker.listeners(), number)?
        {
            self.guest = Some((socket, peer));
            self.seat(desk);
        }
        Ok(())
    }

    fn prepare(&mut self) -> io::Result<()> {
        if self.pipe.is_none() {
            self.pipe = Some(pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?);
        }
        Ok(())
    }

    /// Gives the guest a process; while there is none to be had it stays, and nobody else is let in.
    fn seat(&mut self, desk: &impl Desk) {
        match self.admit(desk) {
            Ok(()) => self.told = false,
            Err(error) => {
                if !self.told {
                    log::warn!(target: TARGET, "cannot fork for a connection: {error}; clients wait");
                    self.told = true;
                }
                self.rest(Some(Time::now() + AFTER_FAILURE));
            }
        }
        if self.visits.len() >= self.most {
            self.rest(None);
        }
    }

    /// Forks a process for the guest.
    fn admit(&mut self, desk: &impl Desk) -> io::Result<()> {
        self.prepare()?;
        let (reap, worker, visit) = (self.reap, getpid(), self.last + 1);
        let pid = spawn::fork_once(&mut || {
            let mut connection = |parent| self.bequeath().map_or(1, |heir| child::live(heir, parent, desk));
            match reap {
                Reap::Wait | Reap::Ignore => connection(Some(worker)),
                Reap::DoubleFork => i32::from(spawn::fork(|| connection(None)).is_err()),
            }
        })?;
        match reap {
            Reap::Wait => self.unreaped += 1,
            Reap::Ignore => {}
            // It ends as soon as it has forked.
            Reap::DoubleFork if wait::join(pid)?.status == ExitStatus::Exited(0) => {}
            Reap::DoubleFork => return Err(io::Error::other("the process in between could not fork")),
        }
        self.guest = None;
        self.worker.row().accepted();
        self.last = visit;
        // The write end is the child's alone from here on.
        if let Some((ended, _)) = self.pipe.take() {
            self.set.add(&ended, EpollEvent::new(EpollFlags::EPOLLIN, Token::Own(visit).into()))?;
            self.visits.insert(visit, ended);
        }
        Ok(())
    }

    /// In the child: leaves what is the worker's, in this copy of its memory, and keeps the rest.
    ///
    /// The read ends of its elder siblings' pipes stay open: they tell it nothing and nobody writes there, and to close
    /// them one by one would cost each connection more the more there are.
    fn bequeath(&mut self) -> Option<Heir<'_>> {
        nursery::enter(Part::Connection);
        self.children = None;
        self.set.give_up();
        let (socket, peer) = self.guest.take()?;
        let (_, hold) = self.pipe.take()?;
        let (reap, line) = (self.reap, self.line.take()?);
        Some(Heir { worker: self.worker, reap, title: &self.title, line, socket, peer, hold })
    }

    /// A connection process tells what it has counted, or is gone.
    fn hear_visit(&mut self, visit: u64) {
        let over = |pipe: &OwnedFd| account::hear(pipe, self.worker.row()) == Life::Over;
        if self.visits.get(&visit).is_some_and(over)
            && let Some(pipe) = self.visits.remove(&visit)
        {
            // Younger siblings hold copies of this end, so that to close it does not take it out of the set.
            let _ = self.set.delete(pipe.as_fd());
            self.worker.row().closed();
        }
    }

    /// Signals coalesce, the dead do not: each SIGCHLD is for all who have ended by now.
    fn wait_for_children(&mut self) {
        if let Some(children) = &self.children {
            children.heed();
        }
        // An error is that no child is left.
        while let Ok(Some(Reaped { pid, status, .. })) = wait4(Target::Any, Patience::Poll) {
            self.unreaped = self.unreaped.saturating_sub(1);
            self.tell(pid, ExitStatus::from_raw(status));
        }
    }

    /// That one has ended well is news for whoever looks closely; the others are for everybody.
    fn tell(&self, pid: Pid, status: ExitStatus) {
        let level = if status == ExitStatus::Exited(0) { Level::Debug } else { Level::Info };
        // In words it would be made in memory that the next child shares, page by page copied.
        if log::max_level() >= level {
            let status = status.to_string();
            let facts = [
                ("slot", Value::from(self.worker.slot())),
                ("gen", Value::from(self.worker.generation())),
                ("pid", Value::from(pid.as_raw())),
                ("status", Value::from(status.as_str())),
            ];
            logging::event(level, "connection exited", &facts);
        }
    }

    fn hear(&mut self) -> io::Result<()> {
        let told = self.worker.stop.look()?;
        self.doors.heed(&self.set, &mut self.worker.listeners, &self.worker.stop)?;
        if !told {
            return Ok(());
        }
        if self.drain_until.is_none() {
            self.doors.close(&self.set, self.worker.listeners());
            self.worker.close_listeners();
            // Every connection process sees its line break.
            self.line = None;
        }
        let limit = self.worker.limits().drain_of(self.worker.stop.orphaned());
        let until = limit.map(|limit| Time::now() + limit + AFTER_THEM);
        // The second time it is an orphan, which may not take longer than before.
        self.drain_until = Some([self.drain_until.flatten(), until].into_iter().flatten().min());
        Ok(())
    }

    fn rest(&mut self, until: Option<Time>) {
        self.doors.rest(&self.set, self.worker.listeners(), until);
    }

    fn reopen_doors(&mut self, desk: &impl Desk) -> io::Result<()> {
        let due = self.doors.rest_ends().is_none_or(|end| end <= Time::now());
        if due && self.guest.is_some() && self.drain_until.is_none() {
            self.seat(desk);
        }
        let due = self.doors.rest_ends().is_none_or(|end| end <= Time::now());
        if due && self.visits.len() < self.most {
            self.doors.resume(&self.set, self.worker.listeners())?;
        }
        Ok(())
    }
}

/// Has the standard library find out now what the processor can do. Each connection process would ask anew, and under a
/// hypervisor each of the questions is a way out of the guest and back.
fn know_the_processor() {
    #[cfg(target_arch = "x86_64")]
    let _ = std::arch::is_x86_feature_detected!("avx2");
}

/// An epoll set that a child can close without touching it: the set itself is its parent's too.
struct Set(Option<Epoll>);

impl Set {
    fn give_up(&mut self) {
        self.0 = None;
    }
}

impl Deref for Set {
    type Target = Epoll;

    fn deref(&self) -> &Epoll {
        self.0.as_ref().expect("a connection process has no use for the set")
    }
}
