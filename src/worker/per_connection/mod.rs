//! The per-connection model: accept, fork, next. Each connection has a process of its own, which ends with it.
//!
//! Whoever forks must reap, or let somebody else do it: a process that ended stays a zombie until its parent has asked
//! for its status. The three remedies are [`Reap`]. Beside them there is one mechanism for everything else: each
//! connection process holds the write end of a pipe to its worker, by which it tells what it counts. When the process is
//! gone, however it went and whoever reaps it, the kernel has closed that end, and the worker reads the end of file.
//! The other way round every connection process holds a line of its worker's, which breaks when the worker drains or
//! dies: so the worker needs to know no pid to tell them all.
//!
//! ```text
//! master ── worker ─┬─ connection of worker 1        wait, ignore
//!                   ├─ connection of worker 1
//!                   └─ (gone at once) ── connection of worker 1, adopted        double-fork
//! ```

pub mod account;
mod child;
mod parent;

use std::{io, rc::Rc, sync::Arc};

use self::parent::Parent;
use super::{
    Serve, Worker,
    connection::Connection,
    datagrams::{Answering, DatagramFactory, Post},
    program::Programs,
    streams::{Handler, Sessions, Streams},
};
use crate::process::program::Program;

/// Who asks for the status of a connection process that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reap {
    /// The worker: SIGCHLD wakes it, and it waits until nothing is left to wait for. It alone knows each status.
    #[default]
    Wait,
    /// The kernel: SIGCHLD is ignored, so that there is no status and no zombie.
    Ignore,
    /// PID 1, or whoever adopts orphans: a process in between ends at once and is waited for, and its child serves.
    DoubleFork,
}

/// Forks a process for each connection.
#[derive(Debug)]
pub struct PerConnection<S> {
    streams: S,
    datagrams: Answering,
    reap: Reap,
    most: usize,
}

/// How many connection processes a worker has at once, unless told otherwise.
pub const MOST: usize = 512;

impl<F> PerConnection<Sessions<F>> {
    /// Serves the sessions of the application that `factory` makes in each worker, after its fork.
    pub fn sessions(factory: F, reap: Reap) -> Self {
        Self { streams: Sessions(factory), datagrams: Answering::default(), reap, most: MOST }
    }
}

impl<F> PerConnection<Handler<F>>
where
    F: Fn(Connection) -> io::Result<()>,
{
    /// Serves by a handler that reads and writes as it likes.
    pub fn handler(handler: F, reap: Reap) -> Self {
        Self { streams: Handler(Arc::new(handler)), datagrams: Answering::default(), reap, most: MOST }
    }
}

impl PerConnection<Programs> {
    /// Serves by a program for each connection, which is its standard input and output.
    pub fn programs(program: Rc<Program>, reap: Reap) -> Self {
        Self { streams: Programs(program), datagrams: Answering::default(), reap, most: MOST }
    }
}

impl<S> PerConnection<S> {
    /// The same, and what answers at datagram sockets: the worker itself.
    #[must_use]
    pub fn datagrams(mut self, factory: Option<DatagramFactory>) -> Self {
        self.datagrams = Answering(factory);
        self
    }
}

impl<S: Streams> Serve for PerConnection<S> {
    fn run(&self, worker: &mut Worker) -> io::Result<()> {
        let desk = self.streams.open(worker)?;
        let post = Post::open(worker, self.datagrams.0.as_ref())?;
        worker.confine()?;
        Parent::new(worker, post, self.reap, self.most)?.run(&desk)
    }

    fn model(&self) -> &'static str {
        "per-connection"
    }
}
