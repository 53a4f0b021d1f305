//! Serving datagrams by a function.

use std::{io, rc::Rc};

use super::{Outcome, Server};
use crate::{
    error::{Error, Result},
    listener::addr::Address,
    session::{Application, Datagrams, Exchange, Flow, Peer, Session},
    worker::Worker,
};

impl Server<'_> {
    /// Answers datagrams by a function that sees who sent one, its bytes, and what sends an answer back: as many as it
    /// likes, or none. `udp:` may be left out of the addresses.
    ///
    /// A sender's address can be forged: an answer that is longer than the question makes the server a weapon against
    /// whoever has that address. Nothing is ever answered to the ports of services that answer by themselves.
    ///
    /// ```no_run
    /// # fn start() -> forkd::Result<forkd::Outcome> {
    /// forkd::Server::bind("127.0.0.1:8888").serve_udp(|_peer, bytes, reply| reply(bytes))
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Server`].
    pub fn serve_udp(
        mut self,
        answer: impl Fn(&Peer, &[u8], &mut dyn FnMut(&[u8])) + 'static,
    ) -> Result<Outcome> {
        for address in &mut self.settings.listen {
            match address {
                Address::Tcp(inet) => *address = Address::Udp(*inet),
                Address::AnyTcp(port) => *address = Address::AnyUdp(*port),
                Address::Udp(_) | Address::AnyUdp(_) | Address::Fd(_) | Address::Systemd(_) => {}
                Address::Unix(_) | Address::Abstract(_) => {
                    return Err(Error::usage(format!("cannot take datagrams at {address}"))
                        .remedy("name an address and a port"));
                }
            }
        }
        let answer = Rc::new(answer);
        let make =
            move |_: &Worker| -> io::Result<Box<dyn Datagrams>> { Ok(Box::new(Answer(Rc::clone(&answer)))) };
        self.serve_protocol("udp", |_| Ok(NoStreams), Some(Box::new(make)))
    }
}

/// A function that answers datagrams.
struct Answer<F>(Rc<F>);

impl<F: Fn(&Peer, &[u8], &mut dyn FnMut(&[u8]))> Datagrams for Answer<F> {
    fn on_datagram(&mut self, peer: &Peer, bytes: &[u8], reply: &mut dyn FnMut(&[u8])) {
        (self.0)(peer, bytes, reply);
    }
}

/// What serves an inherited descriptor that turned out to take connections: nothing.
#[derive(Clone, Copy)]
struct NoStreams;

impl Application for NoStreams {
    type Session = Self;

    fn open(&self, _: &Peer) -> Self {
        Self
    }
}

impl Session for NoStreams {
    fn on_open(&mut self, _: &mut Exchange<'_>) -> Flow {
        Flow::Close
    }

    fn on_bytes(&mut self, _: &mut Exchange<'_>) -> Flow {
        Flow::Close
    }
}
