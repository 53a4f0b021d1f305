//! Taking a connection off a listener's queue with one call, where `nix` drops the peer's address and the standard
//! library needs a second call to make the socket non-blocking.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use nix::sys::socket::SockFlag;
use socket2::SockAddr;

/// Takes the next connection off the queue: its socket, close-on-exec from birth, and who is at the other end.
///
/// accept4(2).
///
/// # Errors
/// `EAGAIN` when nobody waits; `ECONNABORTED` when who waited has gone; `EMFILE` and its kind when this process or
/// the machine is full.
pub fn accept(listener: BorrowedFd<'_>, flags: SockFlag) -> io::Result<(OwnedFd, SockAddr)> {
    let flags = (flags | SockFlag::SOCK_CLOEXEC).bits();
    // SAFETY: on success accept4 has written an address into the storage and its length beside it.
    let (fd, peer) = unsafe {
        SockAddr::try_init(|storage, length| {
            super::check(libc::accept4(listener.as_raw_fd(), storage.cast(), length, flags))
        })
    }?;
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, peer))
}
