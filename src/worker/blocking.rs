//! The blocking model: accept, serve, next. One connection at a time, and for short ones the fewest system calls.
//!
//! It takes from the queue first and waits only when that is empty, in epoll(7) for the doors and the stop together:
//! so no stop is missed between a look and a wait, and a client wakes one worker. While a worker serves, the others
//! and the queue are there for whoever comes. More slow clients than workers do not stop it for longer than its limits:
//! while others wait, a kept connection is closed with its next answer or after 100 ms of silence, and a client that
//! has said nothing yet after the linger. A handler, in place of a session, keeps its client as long as it likes.

use std::{io, os::fd::OwnedFd, sync::Arc};

use nix::{
    errno::Errno,
    sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollTimeout},
};

use super::{
    Serve, Taking, Worker,
    accept::{Doors, Visitor},
    connection::Connection,
    datagrams::{Answering, DatagramFactory, Post},
    limits::timeout,
    link::{Link, Porch, Watch},
    session::Peer,
    streams::{Desk, Handler, Sessions, Streams},
};
use crate::{listener::Kind, logging::TARGET, process::clock::Time};

/// Serves one connection after the other.
#[derive(Debug)]
pub struct Blocking<S> {
    streams: S,
    datagrams: Answering,
}

impl<F> Blocking<Sessions<F>> {
    /// Serves the sessions of the application that `factory` makes in each worker, after the fork.
    pub fn sessions(factory: F) -> Self {
        Self { streams: Sessions(factory), datagrams: Answering::default() }
    }
}

impl<F> Blocking<Handler<F>>
where
    F: Fn(Connection) -> io::Result<()>,
{
    /// Serves by a handler that reads and writes as it likes.
    pub fn handler(handler: F) -> Self {
        Self { streams: Handler(Arc::new(handler)), datagrams: Answering::default() }
    }
}

impl<S> Blocking<S> {
    /// The same, and what answers at datagram sockets.
    #[must_use]
    pub fn datagrams(mut self, factory: Option<DatagramFactory>) -> Self {
        self.datagrams = Answering(factory);
        self
    }
}

impl<S: Streams> Serve for Blocking<S> {
    fn run(&self, worker: &mut Worker) -> io::Result<()> {
        let desk = self.streams.open(worker)?;
        let post = Post::open(worker, self.datagrams.0.as_ref())?;
        worker.confine()?;
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let doors = Doors::open(&set, &worker.stop, worker.listeners())?;
        let numbers = worker.listeners().iter().enumerate().filter(|(_, door)| door.kind() == Kind::Stream);
        let streams = numbers.map(|(number, _)| number).collect();
        let porch = Porch::new(worker.take_listeners());
        Loop { worker, desk, post, set, doors, porch, streams, next: 0, unheard: 0 }.run()
    }

    fn model(&self) -> &'static str {
        "blocking"
    }

    fn taking(&self) -> Taking {
        Taking::One
    }
}

/// A blocking worker at work.
struct Loop<'a, D> {
    worker: &'a mut Worker,
    desk: D,
    post: Post,
    set: Epoll,
    doors: Doors,
    porch: Porch,
    /// The numbers of the doors at which connections wait, and at which of them to look first.
    streams: Vec<usize>,
    next: usize,
    /// Connections since it last heard its orders.
    unheard: u32,
}

/// After how many connections without a wait it hears its orders.
const ORDERS: u32 = 64;

impl<D: Desk> Loop<'_, D> {
    fn run(mut self) -> io::Result<()> {
        self.worker.ready();
        while !self.worker.stop.requested() {
            self.serve_datagrams()?;
            match self.accept()? {
                Some((socket, peer)) => self.serve(socket, peer),
                None => self.wait()?,
            }
            // A queue that never empties must not make it deaf to orders.
            if self.unheard >= ORDERS {
                self.hear()?;
            }
        }
        // Who waits in the queue is the other workers'; this one has nobody.
        self.doors.close(&self.set, &self.porch.listeners());
        self.worker.close_listeners();
        Ok(())
    }

    /// Takes the next connection, from each door in turn.
    fn accept(&mut self) -> io::Result<Option<(OwnedFd, Peer)>> {
        for _ in 0..self.streams.len() {
            let number = self.streams[self.next];
            self.next = (self.next + 1) % self.streams.len();
            match self.doors.accept(&self.set, &self.porch.listeners(), number)? {
                Visitor::Connection(socket, peer) => return Ok(Some((socket, peer))),
                Visitor::Nobody => {}
                Visitor::NoRoom => break,
            }
        }
        Ok(None)
    }

    fn serve(&mut self, socket: OwnedFd, peer: Peer) {
        let row = self.worker.row();
        row.accepted();
        self.unheard += 1;
        let stop = Arc::clone(&self.worker.stop);
        let watch = Watch::new(stop, *self.worker.limits(), row.clone(), self.porch.clone());
        if let Err(error) = self.desk.serve(Link::new(socket, peer, watch)) {
            log::debug!(target: TARGET, "connection ended: {error}");
        }
        self.worker.row().closed();
    }

    fn serve_datagrams(&mut self) -> io::Result<()> {
        for number in self.post.numbers() {
            let listeners = self.porch.listeners();
            if let Some(listener) = listeners.get(number) {
                let left = self.post.serve(number, listener, self.worker.row());
                self.doors.note(&self.set, &listeners, number, left)?;
            }
        }
        Ok(())
    }

    /// Waits until somebody comes, or it is told to stop.
    fn wait(&mut self) -> io::Result<()> {
        // What was heard while it served is not said again.
        self.heed()?;
        let rest = self.doors.rest_ends();
        let now = Time::now();
        let due = if self.doors.flooded().is_empty() { rest } else { Some(now) };
        let timeout = timeout(now, due, EpollTimeout::NONE, EpollTimeout::MAX);
        let mut events = [EpollEvent::empty(); 8];
        self.worker.row().rest();
        match self.set.wait(&mut events, timeout) {
            Err(Errno::EINTR) => {}
            count => drop(count?),
        }
        self.worker.row().beat(Time::now());
        if rest.is_some_and(|end| end <= Time::now()) {
            self.doors.resume(&self.set, &self.porch.listeners())?;
        }
        self.hear()
    }

    fn heed(&mut self) -> io::Result<()> {
        self.doors.heed(&self.set, &mut self.porch.listeners(), &self.worker.stop)
    }

    fn hear(&mut self) -> io::Result<()> {
        self.unheard = 0;
        self.worker.stop.look()?;
        self.heed()
    }
}
