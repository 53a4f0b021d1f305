//! Waiting for a socket and standard input at the same time.

use std::{io, os::fd::AsFd, time::Instant};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{Error, Result};

/// What is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ready {
    /// The socket has something to read, or an end or an error to tell.
    pub socket: bool,
    /// The socket takes bytes.
    pub room: bool,
    /// Standard input has something to read, or has ended.
    pub input: bool,
}

impl Ready {
    /// Nothing is: the deadline has passed.
    pub fn nothing(self) -> bool {
        self == Self::default()
    }
}

/// What is waited for beside the socket's bytes, and how long.
#[derive(Debug, Clone, Copy, Default)]
pub struct Want {
    /// Room in the socket's buffer.
    pub room: bool,
    /// Bytes on standard input.
    pub input: bool,
    /// When to stop waiting.
    pub deadline: Option<Instant>,
}

/// Waits until something that is wanted is ready, or the deadline has passed.
pub fn wait(socket: &impl AsFd, want: Want) -> Result<Ready> {
    let mut interest = PollFlags::POLLIN;
    interest.set(PollFlags::POLLOUT, want.room);
    let stdin = io::stdin();
    let mut fds = vec![PollFd::new(socket.as_fd(), interest)];
    if want.input {
        fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
    }
    loop {
        match poll(&mut fds, timeout(want.deadline)) {
            Err(Errno::EINTR) => {}
            Err(cause) => return Err(Error::system("wait for the server", cause)),
            Ok(_) => break,
        }
    }
    let has = |at: usize, flags| {
        fds.get(at).and_then(PollFd::revents).is_some_and(|events| events.intersects(flags))
    };
    let ended = PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    Ok(Ready { socket: has(0, ended), room: has(0, PollFlags::POLLOUT), input: has(1, ended) })
}

/// The time until a deadline, rounded up: poll(2) must not wake up just before it and spin.
fn timeout(deadline: Option<Instant>) -> PollTimeout {
    let Some(deadline) = deadline else { return PollTimeout::NONE };
    let left = deadline.saturating_duration_since(Instant::now()).as_micros().div_ceil(1000);
    i32::try_from(left).ok().and_then(|left| PollTimeout::try_from(left).ok()).unwrap_or(PollTimeout::MAX)
}

/// Reads what standard input has, past the standard library's buffer: poll(2) does not see into that one.
pub fn read_input(buffer: &mut [u8]) -> Result<usize> {
    loop {
        match nix::unistd::read(io::stdin(), buffer) {
            Err(Errno::EINTR) => {}
            // A terminal that is gone is an end like any other.
            Err(Errno::EIO) => return Ok(0),
            Err(cause) => return Err(Error::system("read standard input", cause)),
            Ok(count) => return Ok(count),
        }
    }
}
