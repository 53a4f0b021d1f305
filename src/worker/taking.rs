//! Whether a peer takes its answer, be it slowly.
//!
//! The kernel says that there is room only when a third of its buffer is free, which may be a megabyte: a peer that takes
//! steadily, and less than that within the limit, makes no room. So before anybody is given up for taking nothing, it is
//! looked at what the kernel still holds for it.

use std::os::fd::AsFd;

use super::limits::Limits;
use crate::sys::socket::untaken;

/// What a peer has taken since its clock began.
#[derive(Debug, Default)]
pub struct Taking {
    /// What the kernel held for it then.
    held: u64,
    /// What the kernel took for it since.
    sent: u64,
}

impl Taking {
    /// A clock that begins now.
    pub fn begin(socket: impl AsFd) -> Self {
        Self { held: untaken(socket).unwrap_or(0), sent: 0 }
    }

    /// The kernel took so many bytes more. Whether there was enough room for its clock to begin anew.
    pub fn add(&mut self, bytes: u64) -> bool {
        self.sent += bytes;
        self.sent >= Limits::PROGRESS
    }

    /// Whether the peer has taken so much that its clock begins anew, though that made no room.
    pub fn goes_on(&self, socket: impl AsFd) -> bool {
        let held = untaken(socket).unwrap_or(u64::MAX);
        (self.held + self.sent).saturating_sub(held) >= Limits::PROGRESS
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn what_the_kernel_held_counts_when_it_is_taken() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        here.write_all(&[0; 40_000]).unwrap();
        let mut taking = Taking::begin(&here);
        assert!(!taking.goes_on(&here));
        here.write_all(&[0; 20_000]).unwrap();
        assert!(taking.add(20_000) && !taking.goes_on(&here), "there was room, and nothing was taken");
        there.read_exact(&mut [0; 60_000]).unwrap();
        assert!(taking.goes_on(&here) && !Taking::begin(&here).goes_on(&here));
    }
}
