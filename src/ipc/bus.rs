//! The bus: a doorbell between the workers of one server. It says "there is news up to number N", and no more.
//!
//! Workers share no memory of their own, so what the news is stands in a store that all of them can read; the bus says
//! that it is worth a look. Nothing is queued here, so nothing is lost or doubled while a slot is refilled: a successor
//! reads the number, and the store, and knows all.
//!
//! ```no_run
//! # fn main() -> forkd::Result<forkd::Outcome> {
//! use forkd::bus::Bus;
//!
//! // Made before the server forks: every worker, and every successor, inherits it.
//! let bus = Bus::new().map_err(|cause| forkd::Error::system("make a bus", cause))?;
//! forkd::Server::bind("127.0.0.1:7007").serve(|mut conn: forkd::Connection| {
//!     bus.ring(bus.news() + 1)?;
//!     conn.write_all(format!("you are number {}\n", bus.news()).as_bytes())
//! })
//! # }
//! ```

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        eventfd::{EfdFlags, EventFd},
    },
    unistd::write,
};

use crate::sys::memory::SharedMemory;

/// The bell and the number, shared by all who were forked after they were made.
///
/// The bell is an eventfd(2) that is never read: each ring is an edge, which epoll(7) tells to every process that
/// listens. So it needs no list of who that is, and neither births nor deaths of workers change anything about it.
#[derive(Debug)]
pub struct Bus {
    number: SharedMemory,
    bell: OwnedFd,
}

/// One process's way to be woken: its descriptor is readable from a ring on until [`Ear::hear`] was called.
#[derive(Debug)]
pub struct Ear {
    set: Epoll,
}

impl Bus {
    /// A bus without news.
    ///
    /// # Errors
    /// When no descriptor or no memory is left.
    pub fn new() -> io::Result<Self> {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { number: SharedMemory::new(size_of::<u64>())?, bell: bell.into() })
    }

    /// What the bus consists of, for a process that does not inherit it: see [`Bus::from_descriptors`].
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.number.as_fd(), self.bell.as_fd()]
    }

    /// The bus of another process, by copies of its descriptors, in their order.
    ///
    /// # Errors
    /// When the first is no memory of a bus.
    pub fn from_descriptors([number, bell]: [OwnedFd; 2]) -> io::Result<Self> {
        Ok(Self { number: SharedMemory::from_fd(number)?, bell })
    }

    /// Says to every process, this one included, that there is news up to this number. A number that is lower than one
    /// rung before rings and changes nothing else.
    ///
    /// # Errors
    /// None that a caller could bring about.
    pub fn ring(&self, number: u64) -> io::Result<()> {
        // The number comes first: whoever is woken finds it.
        self.number().fetch_max(number, SeqCst);
        match write(&self.bell, &1_u64.to_ne_bytes()) {
            // Full after 2^64 rings: whoever listens has been told, and has not listened yet.
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Up to which number there is news. Any process can write anything here: it is a hint to look into the store.
    pub fn news(&self) -> u64 {
        self.number().load(SeqCst)
    }

    /// Begins to listen. What was rung before is not heard: look at the store once after this.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn listen(&self) -> io::Result<Ear> {
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        set.add(&self.bell, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, 0))?;
        let ear = Ear { set };
        // A bell that was ever rung is an edge for whoever comes new.
        ear.hear()?;
        Ok(ear)
    }

    fn number(&self) -> &AtomicU64 {
        &self.number.words()[0]
    }
}

impl Ear {
    /// Whether it rang since the last call; the descriptor is quiet again.
    ///
    /// # Errors
    /// None that a caller could bring about.
    pub fn hear(&self) -> io::Result<bool> {
        let mut events = [EpollEvent::empty()];
        loop {
            match self.set.wait(&mut events, EpollTimeout::ZERO) {
                Ok(count) => return Ok(count > 0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Ear {
    /// For poll(2), or for another epoll set.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    fn is_readable(ear: &Ear) -> bool {
        let mut fds = [PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).expect("polled") == 1
    }

    #[test]
    fn everyone_hears_each_ring_once_and_many_as_one() {
        let bus = Bus::new().expect("a bus");
        let ears = [bus.listen().expect("an ear"), bus.listen().expect("an ear")];
        assert!(ears.iter().all(|ear| !is_readable(ear) && !ear.hear().expect("heard")));
        for round in 1..4 {
            bus.ring(round * 2 - 1).expect("rung");
            bus.ring(round * 2).expect("rung");
            for ear in &ears {
                assert!(is_readable(ear) && ear.hear().expect("heard"));
                assert!(!is_readable(ear) && !ear.hear().expect("heard"));
            }
            assert_eq!(bus.news(), round * 2);
        }
    }

    #[test]
    fn another_process_has_the_same_bus() {
        let bus = Bus::new().expect("a bus");
        let copies = bus.descriptors().map(|fd| fd.try_clone_to_owned().expect("a copy"));
        let other = Bus::from_descriptors(copies).expect("the same bus");
        let ear = bus.listen().expect("an ear");
        other.ring(9).expect("rung");
        assert!(is_readable(&ear) && bus.news() == 9);
        let strangers = [(); 2].map(|()| std::fs::File::open("/dev/null").expect("a file").into());
        assert!(Bus::from_descriptors(strangers).is_err());
    }

    #[test]
    fn one_who_comes_late_hears_what_is_rung_from_then_on() {
        let bus = Bus::new().expect("a bus");
        bus.ring(7).expect("rung");
        let ear = bus.listen().expect("an ear");
        assert!(!is_readable(&ear));
        bus.ring(3).expect("rung");
        assert!(is_readable(&ear) && ear.hear().expect("heard"));
        assert_eq!(bus.news(), 7);
    }
}
