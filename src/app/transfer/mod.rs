//! The file server and its client: list, fetch, send, and go on where an earlier attempt was cut.
//!
//! A file arrives under a name of its own beside the place where it belongs, block by block, each held against its
//! SHA-256; when all of it is there it is renamed into place. So whatever is killed in the midst, client, worker or
//! network, the place holds the old file or the new one. What had arrived stays, and the next attempt goes on from
//! there, after both sides have compared the digests of what is left.
//!
//! ```no_run
//! use forkd::app::transfer::{Access, Files};
//!
//! fn main() -> forkd::Result<forkd::Outcome> {
//!     forkd::Server::bind("127.0.0.1:7008").serve_session(|_| Files::open("/srv/files", Access::ReadWrite))
//! }
//! ```
//!
//! [`protocol::transfer`](crate::protocol::transfer) has the messages, [`client`] the other side.

mod arrival;
pub mod client;
mod digest;
mod known;
mod place;
mod receive;
mod send;
mod session;

use std::{cell::RefCell, io, path::Path, rc::Rc};

pub use self::session::Transfer;
use self::{known::Known, place::Place};
use crate::{
    protocol::transfer::RUN,
    worker::session::{Application, Peer},
};

/// What clients may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// List and fetch.
    ReadOnly,
    /// Also send files, and replace those that are there.
    ReadWrite,
}

/// A directory that is served.
#[derive(Debug, Clone)]
pub struct Files(Rc<Desk>);

/// What all connections of a worker share.
#[derive(Debug)]
struct Desk {
    place: Place,
    access: Access,
    /// Room for one run, of which none needs its own.
    scratch: RefCell<Box<[u8]>>,
    known: RefCell<Known>,
}

impl Files {
    /// The files below this directory.
    ///
    /// # Errors
    /// Those of open(2): it is missing, no directory, or may not be read.
    pub fn open(directory: impl AsRef<Path>, access: Access) -> io::Result<Self> {
        let place = Place::open(directory.as_ref())?;
        let scratch = RefCell::new(vec![0; RUN].into_boxed_slice());
        Ok(Self(Rc::new(Desk { place, access, scratch, known: RefCell::default() })))
    }
}

impl Application for Files {
    type Session = Transfer;

    fn open(&self, _: &Peer) -> Transfer {
        Transfer::new(Rc::clone(&self.0))
    }
}
