//! A bell that the kernel rings when any process is born, becomes another program or ends: for who looks at /proc and
//! wants to know when.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use super::connector;
use crate::inspect::netlink::Netlink;

/// See the module.
#[derive(Debug)]
pub struct Bell(Netlink);

impl Bell {
    /// A bell, where this user may have one.
    ///
    /// # Errors
    /// See [`connector::subscribe`].
    pub fn new() -> io::Result<Self> {
        connector::subscribe().map(Self)
    }

    /// Forgets that it rang, so that it can ring again.
    pub fn silence(&mut self) {
        // One that rings without end is answered all the same: what is left rings again.
        for _ in 0..MANY {
            match self.0.receive() {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => return,
                // That it rang too often to count is no loss here.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// How many words of the kernel's are read at once.
const MANY: usize = 4096;

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
