//! Netlink: questions to the kernel about sockets, and its news of processes. netlink(7).
//!
//! Written by hand: what is asked here are two dumps with fixed layouts and one stream of fixed events. The crates
//! beside it (`netlink-packet-sock-diag`, `neli`) bring five more with them, and none of them knows both.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, NetlinkAddr, bind, recvfrom, send},
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Larger than what the kernel puts into one answer of a dump (32 KiB), so that nothing is cut off.
const BUFFER: usize = 64 * 1024;

/// The answer is an error number, or 0 for well done.
const ERROR: u16 = 2;
/// The dump is complete.
const DONE: u16 = 3;
/// This is a request.
const REQUEST: u16 = 1;
/// It asks for everything.
const DUMP: u16 = 0x300;
/// The size of a message's header, and of an attribute's.
const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;

/// A netlink socket, and room for one answer.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// One message of the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is; the numbers below 16 are netlink's own.
    pub kind: u16,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Netlink {
    /// Opens a socket of that netlink protocol, as a member of these multicast groups.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel has no such protocol; `EPERM` for groups that need a privilege.
    pub fn open(protocol: i32, groups: u32) -> io::Result<Self> {
        let kind = Type::DGRAM.cloexec();
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), kind, Some(Protocol::from(protocol)))?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(Self { socket: socket.into(), buffer: vec![0; BUFFER] })
    }

    /// From here on [`Netlink::receive`] answers `WouldBlock` instead of waiting.
    pub fn never_wait(&self) -> io::Result<()> {
        SockRef::from(&self.socket).set_nonblocking(true)
    }

    /// Sends one message, header included.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), message, MsgFlags::empty())?;
        Ok(())
    }

    /// Waits for what the kernel says next: one or several messages. What other processes send is dropped.
    ///
    /// # Errors
    /// `ENOBUFS` when the kernel said more than the socket could hold: something is lost.
    pub fn receive(&mut self) -> io::Result<&[u8]> {
        loop {
            match recvfrom::<NetlinkAddr>(self.socket.as_raw_fd(), &mut self.buffer) {
                Ok((length, Some(sender))) if sender.pid() == 0 => return Ok(&self.buffer[..length]),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }

    /// Asks for everything that `payload` describes, and hands each answer to `take`.
    ///
    /// # Errors
    /// The kernel's refusal, such as `ENOENT` where it was built without that kind of diagnosis.
    pub fn dump(&mut self, kind: u16, payload: &[u8], mut take: impl FnMut(Message<'_>)) -> io::Result<()> {
        self.send(&message(kind, REQUEST | DUMP, payload))?;
        loop {
            for message in messages(self.receive()?) {
                match message.kind {
                    DONE => return Ok(()),
                    ERROR => return refusal(message.payload),
                    _ => take(message),
                }
            }
        }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An answer of the kind `ERROR`: the error number, negative.
fn refusal(payload: &[u8]) -> io::Result<()> {
    match Fields(payload).u32().map(u32::cast_signed) {
        Some(0) => Ok(()),
        Some(number) => Err(io::Error::from_raw_os_error(number.saturating_neg())),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// A message as it is sent: the header, then the payload.
pub fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    // Neither a number to tell answers by (one question is under way at a time) nor an address: the kernel fills it.
    bytes.extend([0; 8]);
    bytes.extend(payload);
    bytes
}

/// The messages in what was received. A length that cannot be ends them.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    parts(bytes, HEADER, |header| {
        let mut fields = Fields(header);
        let length = fields.u32()?;
        Some((usize::try_from(length).ok()?, fields.u16()?))
    })
    .map(|(kind, payload)| Message { kind, payload })
}

/// The attributes at the end of a payload: their kinds and contents.
pub fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    parts(bytes, ATTRIBUTE_HEADER, |header| {
        let mut fields = Fields(header);
        Some((usize::from(fields.u16()?), fields.u16()?))
    })
}

/// Parts one after another, each with its whole length in its header and padded to four bytes.
fn parts(
    mut bytes: &[u8],
    header: usize,
    read: impl Fn(&[u8]) -> Option<(usize, u16)>,
) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (length, kind) = read(bytes.get(..header)?)?;
        let payload = bytes.get(header..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, payload))
    })
}

/// The fields of a C structure, one after another.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` bytes.
    pub fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    /// The next byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.bytes().map(u8::from_ne_bytes)
    }

    /// A number in the machine's own order of bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_ne_bytes)
    }

    /// The same, of 32 bits.
    pub fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_ne_bytes)
    }

    /// The same, of 64 bits.
    pub fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_ne_bytes)
    }

    /// A number in the network's order of bytes, as ports are.
    pub fn port(&mut self) -> Option<u16> {
        self.bytes().map(u16::from_be_bytes)
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_and_attributes_are_read_one_after_another() {
        let mut bytes = message(20, REQUEST, &[1, 2, 3]);
        bytes.push(0);
        bytes.extend(message(DONE, 0, &[]));
        let read: Vec<_> = messages(&bytes).collect();
        assert_eq!(read, [Message { kind: 20, payload: &[1, 2, 3] }, Message { kind: DONE, payload: &[] }]);
        let bytes = [5, 0, 8, 0, 7, 0, 0, 0, 4, 0, 9, 0];
        assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [(8, &[7][..]), (9, &[])]);
    }

    #[test]
    fn a_refusal_is_an_error_of_the_system() {
        let error = refusal(&(-libc::ENOENT).to_ne_bytes()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
        assert!(refusal(&[0; 4]).is_ok() && refusal(&[]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(messages(&bytes).count() <= bytes.len() / HEADER);
            prop_assert!(attributes(&bytes).count() <= bytes.len() / ATTRIBUTE_HEADER);
        }
    }
}
