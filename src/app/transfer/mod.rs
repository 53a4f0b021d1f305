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
mod quota;
mod receive;
mod send;
mod session;

use std::{
    cell::{Cell, RefCell},
    io,
    path::Path,
    rc::Rc,
};

pub use self::session::Transfer;
use self::{known::Known, place::Place};
use crate::{
    protocol::transfer::{Cause, Problem, RUN},
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
    quota: Cell<Option<u64>>,
    /// Room for one run, of which none needs its own.
    scratch: RefCell<Box<[u8]>>,
    known: RefCell<Known>,
}

impl Desk {
    /// Whether all files are within the quota, with those that are arriving and without one that is to be replaced.
    fn has_room(&self, replaced: u64) -> Result<(), Problem> {
        let Some(quota) = self.quota.get() else { return Ok(()) };
        let used = self.place.used()?.saturating_sub(replaced);
        if used <= quota {
            return Ok(());
        }
        Err(Problem::new(Cause::Quota, format!("{quota} bytes may be here, and it would be {used}")))
    }
}

impl Files {
    /// The files below this directory.
    ///
    /// # Errors
    /// Those of open(2): it is missing, no directory, or may not be read.
    pub fn open(directory: impl AsRef<Path>, access: Access) -> io::Result<Self> {
        let place = Place::open(directory.as_ref())?;
        let scratch = RefCell::new(vec![0; RUN].into_boxed_slice());
        Ok(Self(Rc::new(Desk { place, access, quota: Cell::default(), scratch, known: RefCell::default() })))
    }

    /// Takes nothing that would make all files together longer than so many bytes, those that are arriving included.
    /// Each file that begins to arrive is worth a walk over the directory.
    #[must_use]
    pub fn quota(self, quota: Option<u64>) -> Self {
        self.0.quota.set(quota);
        self
    }
}

impl Application for Files {
    type Session = Transfer;

    fn open(&self, _: &Peer) -> Transfer {
        Transfer::new(Rc::clone(&self.0))
    }
}
