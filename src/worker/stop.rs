//! What may tell a child to finish, behind one descriptor and one question.
//!
//! A worker hears three voices: a signal (TERM, from its master or a person), its lifeline (the master is gone) and
//! its channel (an order that is no end, such as to reopen the logs). A process that serves one connection hears its
//! worker instead of a master. Whoever waits for a client polls [`Stop::fd`] beside it and calls [`Stop::look`] when
//! that is readable; whoever is busy asks [`Stop::requested`], which costs two loads.
//!
//! Each voice leaves the set when it has spoken for good, so that the descriptor is readable for news only: a drain
//! can go on polling it to learn that the master is gone too.

use std::{
    fmt, io, mem,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::{
    ipc::{
        channel::{Channel, Received},
        ident::Slot,
        message::{Accepts, Order, Report},
    },
    logging::{
        self,
        files::{self, Number},
    },
    process::{Pid, lifeline::Tether, signal::StopFlag},
};

/// What tells this process to finish.
pub struct Stop {
    flag: StopFlag,
    tether: Tether,
    boss: Boss,
    /// Made at the first wait: a process that serves one short connection never waits.
    set: OnceLock<Epoll>,
    told: AtomicBool,
    paused: AtomicBool,
    orphaned: AtomicBool,
    /// What the master ordered about other slots' queues, and nobody has done yet.
    errands: Mutex<Vec<Errand>>,
}

/// What a worker is to do about another slot's queue.
#[derive(Debug)]
pub enum Errand {
    /// Take from it too.
    TakeOver {
        /// Whose it is.
        slot: Slot,
        /// At which of the worker's own listeners.
        listener: usize,
        /// The queue.
        socket: OwnedFd,
    },
    /// Take from it no more.
    GiveBack {
        /// Whose it is.
        slot: Slot,
    },
}

/// Who gives orders to this process.
pub enum Boss {
    /// The master, by this channel.
    Master(Channel<Report, Order>),
    /// A worker: it holds the other end of this pipe and closes it when it drains, or dies.
    Worker(Tether),
}

const FLAG: u64 = 0;
const TETHER: u64 = 1;
const BOSS: u64 = 2;

impl Errand {
    /// The queue to take from, if it is about one.
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::TakeOver { socket, .. } => Some(socket.as_fd()),
            Self::GiveBack { .. } => None,
        }
    }
}

impl Stop {
    /// Listens to these voices.
    pub fn new(flag: StopFlag, tether: Tether, boss: Boss, accepts: Accepts) -> Self {
        let no = || AtomicBool::new(false);
        let paused = AtomicBool::new(accepts == Accepts::Paused);
        Self {
            flag,
            tether,
            boss,
            set: OnceLock::new(),
            told: no(),
            paused,
            orphaned: no(),
            errands: Mutex::default(),
        }
    }

    /// In a connection process, forked with signals blocked: makes the copy of its worker's stop its own, which listens
    /// to this boss. `parent` is as for [`StopFlag::new`].
    pub fn begin_anew(&mut self, boss: Boss, parent: Option<Pid>) {
        self.flag.begin_anew(parent);
        self.boss = boss;
        // It is the worker's set too: to close the copy takes nothing out of it.
        self.set = OnceLock::new();
        for told in [&mut self.told, &mut self.paused, &mut self.orphaned] {
            *told.get_mut() = false;
        }
        self.errands = Mutex::default();
    }

    /// Whether this process shall finish what it has and take no more.
    pub fn requested(&self) -> bool {
        self.flag.raised() || self.told.load(Ordering::Relaxed)
    }

    /// Whether the queue is to be left alone, as of the last [`Stop::look`].
    pub fn accepts(&self) -> Accepts {
        if self.paused.load(Ordering::Relaxed) { Accepts::Paused } else { Accepts::Yes }
    }

    /// What was ordered about other slots' queues up to the last [`Stop::look`], and not asked for yet.
    pub fn errands(&self) -> Vec<Errand> {
        mem::take(&mut *self.errands_ahead())
    }

    /// The same, left where it is.
    pub fn errands_ahead(&self) -> MutexGuard<'_, Vec<Errand>> {
        // A list to which something was added is whole at any moment.
        self.errands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody is left whom this process works for, as of the last [`Stop::look`].
    pub fn orphaned(&self) -> bool {
        self.orphaned.load(Ordering::Relaxed)
    }

    /// Readable when there is news for [`Stop::look`].
    ///
    /// # Errors
    /// `EMFILE` at the first call when no descriptor is left.
    pub fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        Ok(self.set()?.0.as_fd())
    }

    /// The channel to the master, if that is the boss.
    pub fn master(&self) -> Option<&Channel<Report, Order>> {
        match &self.boss {
            Boss::Master(channel) => Some(channel),
            Boss::Worker(_) => None,
        }
    }

    /// Hears what there is to hear, and answers [`Stop::requested`]; never waits.
    ///
    /// # Errors
    /// Those of epoll_wait(2): none that is known.
    pub fn look(&self) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); 3];
        let count = match self.set()?.wait(&mut events, EpollTimeout::ZERO) {
            Err(nix::Error::EINTR) => 0,
            count => count?,
        };
        for event in &events[..count] {
            match event.data() {
                FLAG => self.hear_for_good(self.flag.fd()?, &self.told),
                TETHER => {
                    self.told.store(true, Ordering::Relaxed);
                    self.hear_for_good(self.tether.fd(), &self.orphaned);
                }
                _ => self.hear_boss(),
            }
        }
        Ok(self.requested())
    }

    fn hear_boss(&self) {
        match &self.boss {
            Boss::Worker(pipe) => self.hear_for_good(pipe.fd(), &self.told),
            Boss::Master(channel) => loop {
                let (received, carried) = channel.receive_with();
                match received {
                    Received::Message(Order::TakeOver { slot, listener }) => {
                        let listener = listener as usize;
                        let errand = carried.map(|socket| Errand::TakeOver { slot, listener, socket });
                        self.errands_ahead().extend(errand);
                    }
                    Received::Message(Order::GiveBack { slot }) => {
                        self.errands_ahead().push(Errand::GiveBack { slot });
                    }
                    Received::Message(Order::Reopen) => heed(logging::reopen()),
                    Received::Message(Order::Log(number)) => {
                        heed(carried.map_or(Ok(()), |file| files::replace(Number(number), file)));
                    }
                    Received::Message(Order::Accept(accepts)) => {
                        self.paused.store(accepts == Accepts::Paused, Ordering::Relaxed);
                    }
                    // No master of ours sends that.
                    Received::Garbage => {}
                    Received::Empty => break,
                    // The lifeline says what that means.
                    Received::Closed => {
                        self.forget(channel.as_fd());
                        break;
                    }
                }
            },
        }
    }

    fn hear_for_good(&self, fd: BorrowedFd<'_>, fact: &AtomicBool) {
        fact.store(true, Ordering::Relaxed);
        self.forget(fd);
    }

    fn forget(&self, fd: BorrowedFd<'_>) {
        // It is in the set: it was just reported from there.
        let _ = self.set.get().map(|set| set.delete(fd));
    }

    fn set(&self) -> io::Result<&Epoll> {
        if let Some(set) = self.set.get() {
            return Ok(set);
        }
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let boss = match &self.boss {
            Boss::Master(channel) => channel.as_fd(),
            Boss::Worker(pipe) => pipe.fd(),
        };
        for (fd, name) in [(self.flag.fd()?, FLAG), (self.tether.fd(), TETHER), (boss, BOSS)] {
            set.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, name))?;
        }
        Ok(self.set.get_or_init(|| set))
    }
}

/// Says what has become of a log that could not be opened again.
fn heed(opened: io::Result<()>) {
    if let Err(error) = opened {
        log::error!(target: logging::TARGET, "cannot open the log again: {error} (the old file is still written to)");
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("requested", &self.requested())
            .field("orphaned", &self.orphaned())
            .finish()
    }
}

#[cfg(test)]
mod tests;
