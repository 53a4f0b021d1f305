//! Datagrams in, datagrams out, for every model alike: no connection, so no process and no state for each client.
//!
//! A datagram's sender can be forged. So nothing is ever answered to a port that answers by itself (echo, chargen, our
//! own), or two servers would talk to each other for ever.

mod post_box;

use std::{fmt, io, net::SocketAddr, os::fd::BorrowedFd};

use nix::errno::Errno;

use self::post_box::{Answers, BATCH, PostBox};
use super::{
    Worker, guard,
    session::{Datagrams, Peer},
};
use crate::{
    ipc::row::Row,
    listener::{Kind, Listener, Local, PeerAddress},
    logging::TARGET,
};

/// What makes the application of a datagram socket: called once per worker and socket, after the fork.
pub type DatagramFactory = Box<dyn Fn(&Worker) -> io::Result<Box<dyn Datagrams>>>;

/// What answers at datagram sockets, if anything does.
#[derive(Default)]
pub struct Answering(pub Option<DatagramFactory>);

/// The datagram sockets of a worker and what answers there.
pub struct Post {
    counters: Vec<Option<Counter>>,
}

/// One socket's.
struct Counter {
    application: Box<dyn Datagrams>,
    own: Local,
    post: PostBox,
    /// How many came that were longer than [`LONGEST`].
    cut: u64,
}

/// What a burst has left at a door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: whatever comes from now on is news.
    Nothing,
    /// As far as is known, more.
    More,
}

/// How many batches are answered before others have their turn.
const BURST: usize = 4;

/// The longest datagram that UDP can carry fits.
pub const LONGEST: usize = 64 * 1024;

impl Post {
    /// Makes an application for each datagram socket of the worker.
    ///
    /// # Errors
    /// Those of the factory; `Unsupported` when there is such a socket and no factory.
    pub fn open(worker: &Worker, factory: Option<&DatagramFactory>) -> io::Result<Self> {
        let make = |listener: &Listener| match (listener.kind(), factory) {
            (Kind::Stream, _) => Ok(None),
            (Kind::Datagram, Some(factory)) => {
                Ok(Some(Counter::new(factory(worker)?, listener.local().clone())))
            }
            (Kind::Datagram, None) => Err(io::Error::other("this application serves no datagrams")),
        };
        Ok(Self { counters: worker.listeners().iter().map(make).collect::<io::Result<_>>()? })
    }

    /// Whether this listener is a datagram socket.
    pub fn is_at(&self, number: usize) -> bool {
        self.counters[number].is_some()
    }

    /// The datagram sockets at which the application receives by itself.
    pub fn left_alone(&self) -> impl Iterator<Item = usize> + '_ {
        let alone = |counter: &Counter| counter.application.receives_itself();
        let counters = self.counters.iter().enumerate();
        counters.filter(move |(_, counter)| counter.as_ref().is_some_and(alone)).map(|(number, _)| number)
    }

    /// The numbers of the datagram sockets.
    pub fn numbers(&self) -> Vec<usize> {
        (0..self.counters.len()).filter(|number| self.is_at(*number)).collect()
    }

    /// Answers what waits at that listener, a burst at most at each of its sockets.
    pub fn serve(&mut self, number: usize, listener: &Listener, row: &Row) -> Left {
        let Some(counter) = &mut self.counters[number] else { return Left::Nothing };
        let more = listener.sockets().filter(|socket| counter.serve(number, *socket, row) == Left::More);
        if more.count() > 0 { Left::More } else { Left::Nothing }
    }
}

impl Counter {
    fn new(application: Box<dyn Datagrams>, own: Local) -> Self {
        Self { application, own, post: PostBox::new(LONGEST), cut: 0 }
    }

    fn serve(&mut self, number: usize, socket: BorrowedFd<'_>, row: &Row) -> Left {
        let mut left = Left::Nothing;
        for _ in 0..BURST {
            left = match self.post.receive(socket) {
                Ok(count) => {
                    self.answer_all(number, count, row);
                    row.bytes_out(self.post.send(socket));
                    if count == BATCH { Left::More } else { return Left::Nothing }
                }
                Err(Errno::EAGAIN) => return Left::Nothing,
                // The errors of earlier answers come back here: an unreachable port, a host that is down.
                Err(_) => Left::Nothing,
            };
        }
        left
    }

    /// Answers the datagrams of a batch.
    fn answer_all(&mut self, listener: usize, count: usize, row: &Row) {
        for number in 0..count {
            let (letter, answers) = self.post.open(number);
            row.bytes_in(letter.bytes.len() as u64);
            if letter.head.cut {
                self.cut += 1;
                report_cut(self.cut);
                continue;
            }
            let Some(from) = letter.from.filter(|from| may_answer(&self.own, from)) else { continue };
            let peer = Peer { address: PeerAddress::Inet(canonical(from)), listener };
            answer(&mut *self.application, &peer, letter.bytes, (answers, number), row);
        }
    }
}

/// Says that a datagram was longer than any place for it: at the first, and then more and more seldom, since the sender
/// decides how often it happens.
fn report_cut(count: u64) {
    if count.is_power_of_two() {
        log::warn!(target: TARGET, "datagrams longer than {LONGEST} bytes were thrown away: {count}");
    }
}

fn answer(
    application: &mut dyn Datagrams,
    peer: &Peer,
    bytes: &[u8],
    (answers, number): (&mut Answers, usize),
    row: &Row,
) {
    let mut reply = |bytes: &[u8]| answers.push(number, bytes);
    match guard::contain(|| application.on_datagram(peer, bytes, &mut reply)) {
        Ok(()) => row.end(),
        Err(panic) => log::error!(target: TARGET, "a datagram was not answered: panicked: {panic}"),
    }
}

/// Whether an answer to this sender can do no harm.
fn may_answer(own: &Local, from: &SocketAddr) -> bool {
    // Nothing, echo, chargen: the services of RFC 862 and 864 answer whatever comes.
    let answers_itself = [0, 7, 19].contains(&from.port());
    let ourselves = match own {
        Local::Inet(own) => own.port() == from.port() && (own.ip() == from.ip() || own.ip().is_unspecified()),
        Local::Unix(_) | Local::Abstract(_) => false,
    };
    !answers_itself && !ourselves
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "datagrams" } else { "no datagrams" })
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_answered_to_what_would_answer_back() {
        let at =
            |own: &str, from: &str| may_answer(&Local::Inet(own.parse().unwrap()), &from.parse().unwrap());
        assert!(at("127.0.0.1:7007", "127.0.0.1:50000"));
        assert!(at("127.0.0.1:7007", "192.0.2.1:7007"));
        for from in ["192.0.2.1:0", "192.0.2.1:7", "192.0.2.1:19", "127.0.0.1:7007"] {
            assert!(!at("127.0.0.1:7007", from), "{from}");
        }
        assert!(!at("0.0.0.0:7007", "192.0.2.1:7007"));
    }
}
