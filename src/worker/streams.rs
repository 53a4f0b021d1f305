//! What a process that serves one connection at a time does with it: a session, or a handler.

use std::{cell::RefCell, error, fmt, io, sync::Arc};

use super::{
    Worker,
    connection::Connection,
    guard,
    link::Link,
    pump::{Room, pump},
    session::Application,
};
use crate::logging::TARGET;

/// How connections are to be served, before there is a worker.
pub trait Streams {
    /// What serves them in a worker.
    type Desk: Desk;

    /// Makes that, after the fork.
    ///
    /// # Errors
    /// What keeps the application from starting.
    fn open(&self, worker: &Worker) -> io::Result<Self::Desk>;
}

/// What serves one connection after the other.
pub trait Desk {
    /// Serves a connection until it ends.
    ///
    /// # Errors
    /// What broke the connection. It is nobody's fault here.
    fn serve(&self, link: Link) -> io::Result<()>;
}

/// The sessions of an application, made by this factory in each worker.
pub struct Sessions<F>(pub F);

/// A handler that reads and writes as it likes.
pub struct Handler<F>(pub Arc<F>);

/// An application with the room that its connections have one after the other.
pub struct Pumped<A> {
    application: A,
    room: RefCell<Room>,
}

/// How much is read at once. So much comes as fresh pages of the kernel's, of which only those count that are used.
const BUFFER: usize = 256 * 1024;

impl<F, A> Streams for Sessions<F>
where
    F: Fn(&Worker) -> io::Result<A>,
    A: Application,
{
    type Desk = Pumped<A>;

    fn open(&self, worker: &Worker) -> io::Result<Self::Desk> {
        Ok(Pumped { application: (self.0)(worker)?, room: RefCell::new(Room::new(BUFFER)) })
    }
}

impl<A: Application> Desk for Pumped<A> {
    fn serve(&self, mut link: Link) -> io::Result<()> {
        let session = guard::contain(|| self.application.open(link.peer())).map_err(panicked)?;
        pump(&self.application, session, &mut link, &mut self.room.borrow_mut())
    }
}

impl<F> Streams for Handler<F>
where
    F: Fn(Connection) -> io::Result<()>,
{
    type Desk = Self;

    fn open(&self, _: &Worker) -> io::Result<Self::Desk> {
        Ok(Self(Arc::clone(&self.0)))
    }
}

impl<F> Desk for Handler<F>
where
    F: Fn(Connection) -> io::Result<()>,
{
    /// The handler alone knows when its client can be left, so it is not hurried for the sake of others.
    fn serve(&self, link: Link) -> io::Result<()> {
        let row = link.watch().row().clone();
        let end = guard::contain(|| (self.0)(Connection::new(link))).map_err(panicked)?;
        row.end();
        end
    }
}

/// That the application's own code panicked; the log has heard of it.
#[derive(Debug)]
struct Panicked;

/// The error of a connection whose session or handler panicked.
pub fn panicked(panic: String) -> io::Error {
    log::error!(target: TARGET, "connection closed: its application panicked: {panic}");
    io::Error::other(Panicked)
}

/// Whether this is [`panicked`].
pub fn is_panic(error: &io::Error) -> bool {
    error.get_ref().and_then(|source| source.downcast_ref::<Panicked>()).is_some()
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("panicked")
    }
}

impl error::Error for Panicked {}

impl<F> fmt::Debug for Sessions<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions")
    }
}

impl<F> fmt::Debug for Handler<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handler")
    }
}
