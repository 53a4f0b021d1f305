//! The event model: many connections in one process, none of which can make another wait.
//!
//! The loop waits by epoll(7) for any of its connections, reads what has come on all of them into the one buffer of the
//! worker, has their sessions answer it, and sends the answers, mostly in one call each (`round`). A connection that
//! takes no more is not read either until it does. A connection that is idle costs its entry in the table and nothing
//! else.
//!
//! ```text
//! epoll_wait ── connections ──> recv, recv, … ──> step, step, … ──> send, send, … ──> wait for bytes
//!            ├─ doors ──> accept ──> recv ──> step ──> send                      └──> blocked: wait for room
//!            ├─ stop ──> drain
//!            ├─ news ──> sessions that wait for them
//!            └─ time ──> limits, and sessions that wait for a moment
//! ```

mod conn;
mod engine;
mod round;
mod table;
mod traffic;
mod wake;

use std::{fmt, io};

use self::engine::Engine;
use super::{
    Serve, Worker,
    datagrams::{DatagramFactory, Post},
    session::Application,
};

/// Serves the sessions of an application, and datagrams, in one event loop.
pub struct EventLoop<F> {
    factory: F,
    datagrams: Option<DatagramFactory>,
}

impl<F, A> EventLoop<F>
where
    F: Fn(&Worker) -> io::Result<A>,
    A: Application,
{
    /// A loop over the application that `factory` makes in each worker, after the fork.
    pub fn new(factory: F) -> Self {
        Self { factory, datagrams: None }
    }

    /// The same, and what answers at datagram sockets.
    #[must_use]
    pub fn datagrams(mut self, factory: Option<DatagramFactory>) -> Self {
        self.datagrams = factory;
        self
    }
}

impl<F, A> Serve for EventLoop<F>
where
    F: Fn(&Worker) -> io::Result<A>,
    A: Application,
{
    fn run(&self, worker: &mut Worker) -> io::Result<()> {
        let application = (self.factory)(worker)?;
        let post = Post::open(worker, self.datagrams.as_ref())?;
        worker.confine()?;
        Engine::new(worker, application, post)?.run()
    }

    fn model(&self) -> &'static str {
        "event"
    }
}

impl<F> fmt::Debug for EventLoop<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventLoop")
    }
}
