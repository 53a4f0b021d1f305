//! Datagrams in batches: one system call brings what waits, and one sends the answers. recvmmsg(2), sendmmsg(2).
//!
//! `nix` has both calls, but copies each address out and in again; here an answer goes out with the address where the
//! kernel has written it.

use std::{
    fmt, mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use nix::errno::Errno;

/// How many datagrams one call brings or sends.
pub const BATCH: usize = 16;

/// What is known of the datagrams that one call has brought.
pub struct Heads {
    senders: [libc::sockaddr_storage; BATCH],
    heads: [Head; BATCH],
}

/// What is known of one of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head {
    /// How many bytes of it there are.
    pub length: usize,
    /// Whether it was longer than its place: the rest is lost.
    pub cut: bool,
    /// How many bytes of the sender's address the kernel has written.
    address: libc::socklen_t,
}

impl Heads {
    /// Of none.
    pub fn new() -> Self {
        // SAFETY: all zeroes is a valid sockaddr_storage: one of no family.
        Self { senders: unsafe { mem::zeroed() }, heads: [Head::default(); BATCH] }
    }

    /// Takes what waits at the socket, each datagram to its place; how many there were.
    ///
    /// # Errors
    /// `EAGAIN` when nothing waits; the errors of earlier answers, such as an unreachable port.
    pub fn receive<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        places: impl Iterator<Item = &'a mut [u8]>,
    ) -> nix::Result<usize> {
        let (mut messages, mut parts) = blank();
        let mut room = 0;
        for ((number, place), sender) in places.enumerate().zip(&mut self.senders) {
            parts[number] = libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: place.len() };
            let head = &mut messages[number].msg_hdr;
            (head.msg_iov, head.msg_iovlen) = (&raw mut parts[number], 1);
            head.msg_name = ptr::from_mut(sender).cast();
            head.msg_namelen = mem::size_of_val(sender) as libc::socklen_t;
            room += 1;
        }
        let (fd, first, flags) = (socket.as_raw_fd(), messages.as_mut_ptr(), libc::MSG_DONTWAIT);
        // SAFETY: `room` of the messages point to a place and to an address each, all of which are borrowed mutably and
        // as long as is said there; the kernel writes nowhere else, and keeps no pointer.
        let count = Errno::result(unsafe { libc::recvmmsg(fd, first, room, flags, ptr::null_mut()) })?;
        for (head, message) in self.heads.iter_mut().zip(&messages[..count as usize]) {
            let cut = message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
            *head = Head { length: message.msg_len as usize, cut, address: message.msg_hdr.msg_namelen };
        }
        Ok(count as usize)
    }

    /// One of those that came last.
    pub fn head(&self, number: usize) -> Head {
        self.heads[number]
    }

    /// Who sent it.
    pub fn sender(&self, number: usize) -> Option<SocketAddr> {
        let (sender, length) = (&self.senders[number], self.heads[number].address as usize);
        match libc::c_int::from(sender.ss_family) {
            libc::AF_INET if length >= mem::size_of::<libc::sockaddr_in>() => {
                // SAFETY: a sockaddr_storage is as large and as aligned as any address, and the family says which this is.
                let four = unsafe { &*ptr::from_ref(sender).cast::<libc::sockaddr_in>() };
                let ip = Ipv4Addr::from(u32::from_be(four.sin_addr.s_addr));
                Some(SocketAddrV4::new(ip, u16::from_be(four.sin_port)).into())
            }
            libc::AF_INET6 if length >= mem::size_of::<libc::sockaddr_in6>() => {
                // SAFETY: as above.
                let six = unsafe { &*ptr::from_ref(sender).cast::<libc::sockaddr_in6>() };
                let (ip, port) = (Ipv6Addr::from(six.sin6_addr.s6_addr), u16::from_be(six.sin6_port));
                Some(SocketAddrV6::new(ip, port, six.sin6_flowinfo, six.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// Sends answers to the senders of the datagrams with these numbers, a batch at most; how many of them the kernel
    /// took, and how many bytes.
    ///
    /// # Errors
    /// What keeps the first of them from being sent: those of sendmsg(2).
    pub fn send<'a>(
        &self,
        socket: BorrowedFd<'_>,
        answers: impl Iterator<Item = (usize, &'a [u8])>,
    ) -> nix::Result<(usize, u64)> {
        let (mut messages, mut parts) = blank();
        let mut count = 0;
        for (number, (letter, bytes)) in answers.take(BATCH).enumerate() {
            parts[number] = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            let head = &mut messages[number].msg_hdr;
            (head.msg_iov, head.msg_iovlen) = (&raw mut parts[number], 1);
            head.msg_name = ptr::from_ref(&self.senders[letter]).cast_mut().cast();
            head.msg_namelen = self.heads[letter].address;
            count += 1;
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
        // SAFETY: `count` of the messages point to bytes and to an address each, all of which are borrowed and as long as
        // is said there; the kernel only reads them, and keeps no pointer.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), count, flags) };
        let taken = Errno::result(sent)? as usize;
        Ok((taken, messages[..taken].iter().map(|message| u64::from(message.msg_len)).sum()))
    }
}

/// Messages of nothing to nobody, and a part for each.
fn blank() -> ([libc::mmsghdr; BATCH], [libc::iovec; BATCH]) {
    // SAFETY: all zeroes is valid for both: null pointers, and lengths that say so.
    unsafe { (mem::zeroed(), mem::zeroed()) }
}

impl fmt::Debug for Heads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Heads")
    }
}
