//! The descriptors that children are heard by, behind one: an interest list of the kernel's. epoll(7).
//!
//! poll(2) is given every descriptor at every call; a master of thousands would pay for all of them whenever one child
//! speaks. Here each is entered once, and a wait brings those alone that have something to say.
//!
//! A forked child has the list too, and what it changed there would be changed here: so it closes its copy and nothing
//! else. And a descriptor is forgotten by itself only when its last copy is closed, which a child that was just forked
//! may hold for a moment: so it is taken out before.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::process::Pid;

/// How many children are heard before others have their turn; the kernel goes on where it stopped.
const AT_ONCE: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Interest(Epoll);

impl Interest {
    /// An empty list.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// From now on this child is heard by this descriptor, too.
    ///
    /// # Errors
    /// `ENOMEM` or `ENOSPC` when there is no room: see `max_user_watches` in epoll(7).
    pub fn enter(&self, pid: Pid, fd: BorrowedFd<'_>) -> io::Result<()> {
        // As long as the child is not reaped, its number is its own.
        Ok(self.0.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, u64::from(pid.as_raw().unsigned_abs())))?)
    }

    /// It is not any more.
    pub fn leave(&self, fd: BorrowedFd<'_>) {
        // One that could not be entered is not there.
        let _ = self.0.delete(fd);
    }

    /// Those who have something to say now.
    pub fn ready(&self) -> Vec<Pid> {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        // An interrupted look has seen nothing; whoever waits for the list will look again.
        let count = self.0.wait(&mut events, EpollTimeout::ZERO).unwrap_or_default();
        let pid = |event: &EpollEvent| i32::try_from(event.data()).ok().map(Pid::from_raw);
        events[..count].iter().filter_map(pid).collect()
    }
}

/// Readable when somebody has something to say.
impl AsFd for Interest {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.0.as_fd()
    }
}
