//! What clients send, sent back: bytes of a stream as they come, datagrams one by one.

use crate::worker::session::{Application, Datagrams, Exchange, Flow, Limit, Peer, Session};

/// The echo of streams: TCP and Unix-domain connections.
///
/// While the worker drains, what comes next is still sent back, and that is the last of it: a client that never
/// falls silent would hold the worker until it is killed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

impl Application for Echo {
    type Session = Self;

    fn open(&self, _peer: &Peer) -> Self {
        Self
    }
}

impl Session for Echo {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        let bytes = io.input();
        if bytes.is_empty() {
            return Flow::Read(Limit::Idle);
        }
        io.begin(b"echo");
        io.output().write(bytes);
        io.consume(bytes.len());
        io.end();
        if io.draining() { Flow::CloseLingering } else { Flow::Read(Limit::Idle) }
    }
}

/// The echo of datagrams.
///
/// A datagram's source can be forged, so an echo can be made to talk to another echo for ever, or to itself. It
/// therefore never answers the ports from which only such services or nobody would write (0, 7, 19), nor its own
/// port: whoever sends from there is itself, or its like on another machine.
///
/// ```
/// use forkd::app::echo::DatagramEcho;
///
/// let echo = DatagramEcho::on_ports([7007]);
/// assert!(echo.answers(40_000) && !echo.answers(7007) && !echo.answers(19));
/// ```
#[derive(Debug, Clone, Default)]
pub struct DatagramEcho {
    own: Vec<u16>,
}

impl DatagramEcho {
    /// An echo behind sockets with these ports.
    pub fn on_ports(ports: impl IntoIterator<Item = u16>) -> Self {
        Self { own: ports.into_iter().collect() }
    }

    /// Whether a datagram from this port gets an answer.
    pub fn answers(&self, port: u16) -> bool {
        ![0, 7, 19].contains(&port) && !self.own.contains(&port)
    }
}

impl Datagrams for DatagramEcho {
    /// The answer is as long as the question, a question of no bytes included, so nothing is amplified.
    fn on_datagram(&mut self, peer: &Peer, bytes: &[u8], reply: &mut dyn FnMut(&[u8])) {
        // A Unix-domain client has no port that anybody could forge.
        if peer.address.port().is_none_or(|port| self.answers(port)) {
            reply(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::{
        app::testing::{Pace, Wire},
        worker::session::PeerAddress,
    };

    fn peer(address: &str) -> Peer {
        let address = address.parse::<SocketAddr>().expect("an address");
        Peer { address: PeerAddress::Inet(address), listener: 0 }
    }

    /// What comes back for `bytes`, and what the session does next.
    fn echo(bytes: &[u8], pace: Pace) -> (Vec<u8>, Flow) {
        Wire::new(Echo, pace).send(bytes)
    }

    #[test]
    fn bytes_come_back_as_they_came() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(echo(&all, Pace::Steady), (all, Flow::Read(Limit::Idle)));
        assert_eq!(echo(b"", Pace::Steady), (vec![], Flow::Read(Limit::Idle)));
    }

    #[test]
    fn a_draining_worker_sends_back_what_has_come_and_closes() {
        assert_eq!(echo(b"last", Pace::Draining), (b"last".to_vec(), Flow::CloseLingering));
        assert_eq!(echo(b"", Pace::Draining), (vec![], Flow::Read(Limit::Idle)));
    }

    #[test]
    fn datagrams_come_back_one_by_one_and_never_to_another_service() {
        let mut echo = DatagramEcho::on_ports([7007]);
        let mut replies = |from: &str, bytes: &[u8]| {
            let mut sent = Vec::new();
            echo.on_datagram(&peer(from), bytes, &mut |reply| sent.push(reply.to_vec()));
            sent
        };
        assert_eq!(replies("127.0.0.1:40000", b"hello"), [b"hello"]);
        assert_eq!(replies("[::1]:40000", b""), [b""]);
        for from in ["127.0.0.1:0", "10.0.0.1:7", "10.0.0.1:19", "10.0.0.1:7007"] {
            assert!(replies(from, b"hello").is_empty(), "{from}");
        }
    }
}
