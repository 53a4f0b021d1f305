//! How a process learns that its master is gone, however the master went.
//!
//! The master alone holds the write end of a pipe, for life, and writes nothing. Every descendant holds the read end.
//! When the master is gone the kernel has closed its end: the pipe is broken, and poll(2) says so.
//!
//! PDEATHSIG tells a child sooner, but only a child, and only of its parent; this reaches grandchildren too.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    fcntl::{OFlag, open},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::stat::{Mode, fchmod},
    unistd::pipe2,
};

#[cfg(feature = "control")]
use crate::sys::luggage::{Luggage, Ticket, claim};

/// The master's side. Each child must drop its copy, or it would keep its own and its siblings' lines alive.
#[derive(Debug)]
#[cfg_attr(not(feature = "control"), expect(dead_code, reason = "the write end is held, not used"))]
pub struct Lifeline {
    write: OwnedFd,
    read: OwnedFd,
}

/// The same on its way into another program.
#[cfg(feature = "control")]
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    write: Ticket,
    read: Ticket,
}

/// A descendant's side.
#[derive(Debug)]
pub struct Tether(OwnedFd);

impl Lifeline {
    /// Makes the pipe. pipe(7).
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
        // A master that drops itself made it as root, and its workers are to open it. There is nothing to read in it.
        fchmod(&read, Mode::S_IRUSR | Mode::S_IRGRP | Mode::S_IROTH)?;
        Ok(Self { write, read })
    }

    /// A read end, to make in the child.
    ///
    /// It is opened anew, and no copy, where /proc shows it: as one file it could be waited for in no more than five
    /// hundred epoll sets that stand in other sets themselves, as those of workers do. epoll_ctl(2), `EINVAL`;
    /// `path_limits` in the kernel's fs/eventpoll.c.
    ///
    /// # Errors
    /// `EMFILE` when no descriptor is left.
    pub fn reader(&self) -> io::Result<Tether> {
        let path = format!("/proc/self/fd/{}", self.read.as_raw_fd());
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        open(path.as_str(), flags, Mode::empty()).or_else(|_| self.read.try_clone()).map(Tether)
    }

    /// In a child: its side of its parent's line. With the copy of the write end it would keep the line whole for ever.
    pub fn into_reader(self) -> Tether {
        Tether(self.read)
    }
}

#[cfg(feature = "control")]
impl Lifeline {
    /// Puts both ends into the luggage: no descendant notices that the program is another one.
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        Packed { write: luggage.put(&self.write), read: luggage.put(&self.read) }
    }

    /// The pipe as it was.
    ///
    /// # Errors
    /// When it did not come with the luggage.
    pub fn unpack(packed: Packed) -> io::Result<Self> {
        Ok(Self { write: claim(packed.write)?, read: claim(packed.read)? })
    }
}

impl Tether {
    /// The descriptor to poll(2), for no events at all: `POLLHUP` comes unasked.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Whether the master is gone.
    pub fn broken(&self) -> bool {
        let mut fds = [PollFd::new(self.fd(), PollFlags::empty())];
        // An interrupted look has seen nothing; whoever asks will ask again.
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }
}

#[cfg(test)]
mod tests {
    use nix::fcntl::{FcntlArg, fcntl};

    use super::*;

    #[test]
    fn each_reader_has_an_open_file_of_its_own() {
        let lifeline = Lifeline::new().unwrap();
        let (one, other) = (lifeline.reader().unwrap(), lifeline.reader().unwrap());
        // O_NONBLOCK is the open file's, and the pipe was made without.
        let flags = |fd: BorrowedFd<'_>| OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL).unwrap());
        assert!(!flags(lifeline.read.as_fd()).contains(OFlag::O_NONBLOCK));
        assert!([one, other].iter().all(|tether| flags(tether.fd()).contains(OFlag::O_NONBLOCK)));
    }

    #[test]
    fn the_line_breaks_when_the_last_write_end_closes() {
        let lifeline = Lifeline::new().unwrap();
        let (ours, theirs) = (lifeline.reader().unwrap(), lifeline.reader().unwrap());
        assert!(!ours.broken() && !theirs.broken());
        drop(lifeline);
        assert!(ours.broken() && theirs.broken());
    }
}
