//! The private line between a master and one of its workers.
//!
//! A pair of sequenced-packet sockets, see unix(7): each message arrives whole or not at all, in order, and the end
//! of one process is seen at the other end. Neither end ever blocks, for neither may wait on the other.
//!
//! ```ignore
//! let (master, worker) = channel::pair()?;
//! worker.send(&Report::Ready)?;
//! assert_eq!(master.receive(), Received::Message(Report::Ready));
//! ```

use std::{
    io::{self, IoSlice},
    marker::PhantomData,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, recv, send, sendmsg, socketpair,
    },
};

use super::message::{LAST_WORDS, Message, Order, Report};
use crate::sys;

/// One end of the line: it sends `S` and receives `R`.
#[derive(Debug)]
pub struct Channel<S, R> {
    fd: OwnedFd,
    messages: PhantomData<fn(S) -> R>,
}

/// What there is to receive.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<R> {
    /// A message.
    Message(R),
    /// Bytes that are no message of this kind; they are gone.
    Garbage,
    /// Nothing yet.
    Empty,
    /// Nothing any more: the other end is closed, or said so with an empty packet, which looks the same.
    Closed,
}

/// Makes a line: the master's end, then the worker's. Both are close-on-exec. socketpair(2).
///
/// After fork each process drops the end of the other; only then can it see the other's death.
///
/// # Errors
/// `EMFILE` or `ENFILE` when this process or the machine has no descriptors left.
pub fn pair() -> io::Result<(Channel<Order, Report>, Channel<Report, Order>)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let (master, worker) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
    Ok((Channel::over(master), Channel::over(worker)))
}

impl<S: Message, R: Message> Channel<S, R> {
    /// The end that this socket is.
    pub fn over(fd: OwnedFd) -> Self {
        Self { fd, messages: PhantomData }
    }

    /// Sends a message without waiting. send(2).
    ///
    /// # Errors
    /// `WouldBlock` when the other end has not read for long: the message is not sent. `BrokenPipe` when it is
    /// closed; no signal is raised.
    pub fn send(&self, message: &S) -> io::Result<()> {
        send(self.fd.as_raw_fd(), &message.encode(), MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }

    /// Sends a message with a copy of a descriptor, without waiting. sendmsg(2), `SCM_RIGHTS` in unix(7).
    ///
    /// # Errors
    /// As [`Channel::send`]; `ETOOMANYREFS` when more descriptors are on their way than this process may have.
    pub fn send_with(&self, message: &S, descriptor: BorrowedFd<'_>) -> io::Result<()> {
        let (packet, descriptors) = (message.encode(), [descriptor.as_raw_fd()]);
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let packet = [IoSlice::new(&packet)];
        sendmsg::<()>(self.fd.as_raw_fd(), &packet, &rights, MsgFlags::MSG_NOSIGNAL, None)?;
        Ok(())
    }

    /// Takes the next message without waiting. recv(2).
    ///
    /// Descriptors that a hostile sender attached are closed by the kernel, for no room is offered for them.
    pub fn receive(&self) -> Received<R> {
        self.take(|packet| recv(self.fd.as_raw_fd(), packet, MsgFlags::empty()))
    }

    /// The same, and the descriptor that came along, if one did: for the end that trusts the other.
    pub fn receive_with(&self) -> (Received<R>, Option<OwnedFd>) {
        let mut descriptor = None;
        let received = self.take(|packet| {
            let (length, carried) = sys::socket::receive(&self.fd, packet)?;
            descriptor = carried;
            Ok(length)
        });
        (received, descriptor)
    }

    fn take(&self, mut receive: impl FnMut(&mut [u8]) -> nix::Result<usize>) -> Received<R> {
        // One byte of kind, and one more, so that a packet that is too long shows.
        let mut packet = [0; LAST_WORDS + 2];
        loop {
            match receive(&mut packet) {
                Ok(0) => return Received::Closed,
                Ok(length) => {
                    return R::decode(&packet[..length]).map_or(Received::Garbage, Received::Message);
                }
                Err(Errno::EAGAIN) => return Received::Empty,
                // A sender that died with an order of ours unread leaves this error *before* its own last packets:
                // it is reported once, and what it sent is still there to be read.
                Err(Errno::ECONNRESET | Errno::EINTR) => {}
                Err(_) => return Received::Closed,
            }
        }
    }
}

impl<S, R> AsFd for Channel<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn messages_cross_whole_and_in_order() {
        let (master, worker) = pair().unwrap();
        assert_eq!(master.receive(), Received::Empty);
        let words = Report::LastWords("x".repeat(LAST_WORDS));
        worker.send(&Report::Ready).unwrap();
        worker.send(&words).unwrap();
        master.send(&Order::Reopen).unwrap();
        assert_eq!(master.receive(), Received::Message(Report::Ready));
        assert_eq!(master.receive(), Received::Message(words));
        assert_eq!(worker.receive(), Received::Message(Order::Reopen));
        assert_eq!(worker.receive(), Received::Empty);
    }

    #[test]
    fn a_descriptor_comes_with_its_message_and_the_others_without() {
        let (master, worker) = pair().unwrap();
        let slot = crate::ipc::ident::Slot::new(2);
        let (one, mut other) = std::os::unix::net::UnixStream::pair().unwrap();
        master.send(&Order::Reopen).unwrap();
        master.send_with(&Order::TakeOver { slot, listener: 0 }, one.as_fd()).unwrap();
        drop(one);
        assert!(matches!(worker.receive_with(), (Received::Message(Order::Reopen), None)));
        let (order, carried) = worker.receive_with();
        assert_eq!(order, Received::Message(Order::TakeOver { slot, listener: 0 }));
        io::Write::write_all(&mut std::os::unix::net::UnixStream::from(carried.unwrap()), b"here").unwrap();
        let mut said = String::new();
        io::Read::read_to_string(&mut other, &mut said).unwrap();
        assert_eq!((said.as_str(), worker.receive_with().1.is_none()), ("here", true));
    }

    #[test]
    fn last_words_are_heard_after_the_speaker_is_gone() {
        let (master, worker) = pair().unwrap();
        master.send(&Order::Reopen).unwrap();
        worker.send(&Report::LastWords("no more memory".into())).unwrap();
        // The order is still unread, which the kernel reports as a reset.
        drop(worker);
        assert_eq!(master.receive(), Received::Message(Report::LastWords("no more memory".into())));
        assert_eq!(master.receive(), Received::Closed);
    }

    #[test]
    fn a_closed_line_is_an_error_and_no_signal() {
        let (master, worker) = pair().unwrap();
        drop(worker);
        assert_eq!(master.send(&Order::Reopen).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }

    #[test]
    fn a_line_that_nobody_reads_fills_up_instead_of_blocking() {
        let (master, _worker) = pair().unwrap();
        let full = std::iter::repeat_with(|| master.send(&Order::Reopen)).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn garbage_is_dropped_packet_by_packet() {
        let (master, worker) = pair().unwrap();
        let raw = |bytes: &[u8]| send(worker.as_fd().as_raw_fd(), bytes, MsgFlags::empty()).unwrap();
        raw(b"X");
        raw(&[b'W'; LAST_WORDS + 100]);
        raw(b"R");
        assert_eq!(master.receive(), Received::Garbage);
        assert_eq!(master.receive(), Received::Garbage);
        assert_eq!(master.receive(), Received::Message(Report::Ready));
    }
}
