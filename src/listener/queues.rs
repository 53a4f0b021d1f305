//! One queue for all slots, or one for each: a listener with more than one socket.
//!
//! With [`Queues::PerSlot`] the master makes a socket for each slot, all on one address (`SO_REUSEPORT`, socket(7)), and
//! the kernel deals clients out among them by a hash of their addresses. Closing such a socket would reset whoever waits
//! in its queue, and the kernel goes on dealing to one that nobody accepts from. So the number of sockets never falls, the
//! master keeps all of them, and a worker that looks after another slot's [takes](Listener::take_over) that one in beside
//! its own.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Weak, atomic::Ordering},
};

use socket2::SockRef;

use super::{
    addr::Address,
    bind::{Families, Kind, Listener, Local, open},
    kept,
    peer::{self, Mode, PeerAddress},
};
use crate::sys;

/// How many queues a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Queues {
    /// One, from which all workers take.
    #[default]
    One,
    /// One for each slot, from which its worker takes.
    PerSlot,
}

/// How many queues the listeners of a server have, by what arrives there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dealing {
    /// Where connections come in.
    pub streams: Queues,
    /// Where datagrams do.
    pub datagrams: Queues,
}

impl Dealing {
    /// How many a listener at this address has.
    pub fn at(self, address: &Address) -> Queues {
        match address {
            _ if !address.can_have_many_queues() => Queues::One,
            Address::Udp(_) | Address::AnyUdp(_) => self.datagrams,
            Address::Tcp(_) | Address::AnyTcp(_) | Address::Unix(_) | Address::Abstract(_) => self.streams,
            Address::Fd(_) | Address::Systemd(_) => Queues::One,
        }
    }
}

/// Looks at the queues of a listener.
#[derive(Debug, Clone)]
pub struct Gauge {
    address: String,
    fds: Vec<Weak<OwnedFd>>,
}

impl Address {
    /// Whether a socket of ours at this address could be one of several.
    ///
    /// A file has one socket, and what was passed to us is one. A datagram for many (multicast, broadcast) would reach
    /// every socket, and be answered by each.
    pub fn can_have_many_queues(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::AnyTcp(_) => true,
            Self::Udp(inet) => !inet.ip().is_multicast() && !inet.ip().is_unspecified(),
            Self::AnyUdp(_) | Self::Unix(_) | Self::Abstract(_) | Self::Fd(_) | Self::Systemd(_) => false,
        }
    }
}

impl Listener {
    /// The same with so many queues, where the address allows it.
    #[must_use]
    pub fn with(mut self, queues: Queues) -> Self {
        self.queues = if self.address().can_have_many_queues() { queues } else { Queues::One };
        self
    }

    /// How many queues it has.
    pub fn queues(&self) -> Queues {
        self.queues
    }

    /// How many sockets it has.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// All of its sockets, with the slots that they belong to.
    pub fn numbered(&self) -> impl Iterator<Item = (u32, BorrowedFd<'_>)> {
        let others = self.others.iter().map(|(slot, fd)| (*slot, fd.as_fd()));
        std::iter::once((1, self.fd.as_fd())).chain(others)
    }

    /// All of its sockets.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.all().map(|fd| fd.as_fd())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<OwnedFd>> + Clone {
        std::iter::once(&self.fd).chain(self.others.iter().map(|(_, fd)| fd))
    }

    /// Sees to it that every slot up to this number has its socket.
    ///
    /// The first one was bound alone, so that an address in use was refused; only then are others let in beside it.
    ///
    /// # Errors
    /// Those of socket(2) and bind(2).
    pub fn reach(&mut self, slot: u32, backlog: u32) -> io::Result<()> {
        let (Queues::PerSlot, Local::Inet(inet)) = (self.queues, self.local()) else { return Ok(()) };
        let inet = *inet;
        let both = inet.is_ipv6() && matches!(self.address(), Address::AnyTcp(_));
        let families = if both { Families::Both } else { Families::Own };
        loop {
            let next = u32::try_from(self.count() + 1).unwrap_or(u32::MAX);
            // One that a service manager has kept is taken back, be the slot wanted or not: clients may wait there.
            let socket = match kept::find(self.address(), next) {
                Some(kept) => kept,
                None if next > slot => return Ok(()),
                None => {
                    SockRef::from(&self.fd).set_reuse_port(true)?;
                    open(inet, families, self.kind(), self.queues, backlog)?
                }
            };
            self.others.push((next, Arc::new(socket.into())));
        }
    }

    /// The socket of that slot alone, where each has its own; closes the others in this process.
    ///
    /// It never comes to that, but a slot without a socket has the first.
    #[must_use]
    pub fn of_slot(mut self, slot: u32) -> Self {
        let others = std::mem::take(&mut self.others);
        if let Some((_, own)) = others.into_iter().find(|(number, _)| *number == slot) {
            self.fd = own;
        }
        self
    }

    /// The socket of that slot, to be lent to the worker of another.
    pub fn socket_of(&self, slot: u32) -> Option<BorrowedFd<'_>> {
        match (self.queues, slot) {
            (Queues::One, _) => None,
            (Queues::PerSlot, 1) => Some(self.as_fd()),
            (Queues::PerSlot, _) => {
                self.others.iter().find(|(number, _)| *number == slot).map(|(_, fd)| fd.as_fd())
            }
        }
    }

    /// Takes from that slot's queue too, from now on.
    pub fn take_over(&mut self, slot: u32, socket: OwnedFd) {
        self.others.retain(|(number, _)| *number != slot);
        self.others.push((slot, Arc::new(socket)));
    }

    /// Takes from that slot's queue no more; the socket, if it had it.
    pub fn give_back(&mut self, slot: u32) -> Option<Arc<OwnedFd>> {
        let place = self.others.iter().position(|(number, _)| *number == slot)?;
        Some(self.others.remove(place).1)
    }

    /// Takes the next connection: from its queues in turn, so that none is passed over for ever.
    ///
    /// # Errors
    /// Those of [`accept`](peer::accept).
    pub fn accept(&self, mode: Mode) -> io::Result<(OwnedFd, PeerAddress)> {
        if self.others.is_empty() {
            return peer::accept(&*self.fd, mode);
        }
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut last = io::Error::from(io::ErrorKind::WouldBlock);
        for fd in self.all().cycle().skip(first % self.count()).take(self.count()) {
            match peer::accept(&**fd, mode) {
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => last = cause,
                visitor => return visitor,
            }
        }
        Err(last)
    }

    /// How many clients wait and how many may, at all of its sockets together, where the kernel says so: for TCP.
    pub fn queue(&self) -> Option<(u32, u32)> {
        match (self.local(), self.kind()) {
            (Local::Inet(_), Kind::Stream) => add_up(self.all().map(sys::socket::accept_queue)),
            (Local::Inet(_) | Local::Unix(_) | Local::Abstract(_), _) => None,
        }
    }

    /// What can look at its queues for as long as this process has the listener, and does not keep it open.
    pub fn gauge(&self) -> Gauge {
        Gauge { address: self.local().to_string(), fds: self.all().map(Arc::downgrade).collect() }
    }
}

impl Gauge {
    /// The listener's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many clients wait and how many may; nothing where the kernel does not say so, or the listener is closed.
    pub fn read(&self) -> Option<(u32, u32)> {
        add_up(self.fds.iter().filter_map(Weak::upgrade).map(|fd| sys::socket::accept_queue(&*fd)))
    }
}

fn add_up(queues: impl Iterator<Item = io::Result<(u32, u32)>>) -> Option<(u32, u32)> {
    queues
        .filter_map(io::Result::ok)
        .reduce(|(waiting, room), (more, most)| (waiting.saturating_add(more), room.saturating_add(most)))
}

impl fmt::Display for Queues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "one queue",
            Self::PerSlot => "a queue for each slot",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{SocketAddr, TcpStream, UdpSocket},
        os::fd::AsRawFd,
    };

    use super::*;
    use crate::listener::bind;

    fn of(address: &str, slots: u32) -> (Listener, SocketAddr) {
        let mut listener = bind(&address.parse().unwrap(), 16).unwrap().with(Queues::PerSlot);
        listener.reach(slots, 16).unwrap();
        let Local::Inet(inet) = *listener.local() else { panic!("an internet address") };
        (listener, inet)
    }

    #[test]
    fn clients_are_dealt_out_and_none_is_missed_by_who_takes_all_queues() {
        let (listener, inet) = of("127.0.0.1:0", 4);
        assert_eq!((listener.count(), listener.queue()), (4, Some((0, 64))));
        // Few enough that chance does not fill one of the queues, of sixteen each.
        let clients: Vec<_> = (0..20).map(|_| TcpStream::connect(inet).unwrap()).collect();
        assert_eq!(listener.queue(), Some((20, 64)));
        let waiting = |slot| sys::socket::accept_queue(listener.socket_of(slot).unwrap()).unwrap().0;
        assert!((1..=4).all(|slot| waiting(slot) < 20));
        let taken = std::iter::from_fn(|| listener.accept(Mode::NonBlocking).ok());
        assert_eq!(taken.count(), clients.len());
    }

    #[test]
    fn an_address_in_use_is_refused_to_a_second_server() {
        for address in ["127.0.0.1:0", "udp:127.0.0.1:0", "[::1]:0"] {
            let (listener, inet) = of(address, 3);
            let again = match listener.kind() {
                Kind::Stream => inet.to_string(),
                Kind::Datagram => format!("udp:{inet}"),
            };
            let refused = bind(&again.parse().unwrap(), 16).unwrap_err();
            assert!(refused.to_string().contains("in use"), "{refused}");
        }
    }

    #[test]
    fn a_socket_that_is_lent_keeps_its_queue() {
        let (listener, inet) = of("udp:127.0.0.1:0", 2);
        let senders: Vec<_> = (0..32).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
        senders.iter().for_each(|sender| assert_eq!(sender.send_to(b"x", inet).unwrap(), 1));
        let lent = listener.socket_of(2).unwrap().try_clone_to_owned().unwrap();
        let mut own = listener.of_slot(1);
        own.take_over(2, lent);
        let mut came = 0;
        for socket in own.sockets() {
            let mut byte = [0; 8];
            while nix::sys::socket::recv(socket.as_raw_fd(), &mut byte, nix::sys::socket::MsgFlags::empty())
                .is_ok()
            {
                came += 1;
            }
        }
        assert_eq!(came, senders.len());
        assert!(own.give_back(2).is_some() && own.give_back(2).is_none());
        assert_eq!(own.count(), 1);
    }

    #[test]
    fn what_is_one_socket_by_nature_has_one_queue() {
        for address in ["unix:@forkd-queues-test", "udp:239.255.70.8:0", "udp:0.0.0.0:0", "udp::0"] {
            let mut listener = bind(&address.parse().unwrap(), 16).unwrap().with(Queues::PerSlot);
            listener.reach(4, 16).unwrap();
            assert_eq!((listener.queues(), listener.count()), (Queues::One, 1), "{address}");
        }
    }
}
