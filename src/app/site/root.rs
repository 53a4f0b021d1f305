//! What a name leads to below the directory that is served, and what it means if nothing is there.

use std::{
    fs::{File, Metadata},
    io,
    os::fd::OwnedFd,
    path::Path,
};

use nix::{errno::Errno, fcntl::OFlag};

use super::file::Identity;
#[cfg(test)]
pub use crate::app::beneath::Way;
use crate::app::beneath::{Beneath, READ};

/// The directory that is served.
#[derive(Debug)]
pub struct Root {
    beneath: Beneath,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File(Opened),
    /// A directory, open for reading.
    Directory(OwnedFd),
}

/// An open file, and what was known of it then.
#[derive(Debug)]
pub struct Opened {
    /// Its descriptor.
    pub file: File,
    /// What fstat(2) said.
    pub metadata: Metadata,
}

impl Opened {
    /// Which state of which file this is.
    pub fn identity(&self) -> Identity {
        Identity::of(&self.metadata)
    }
}

/// Why there is nothing to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// The path cannot name anything.
    NoPath,
    /// Nothing has that name, or nothing that may be seen.
    NotFound,
    /// It may not be read, or it is neither a file nor a directory.
    Forbidden,
    /// Descriptors or memory have run out.
    Exhausted,
    /// The file system failed; the log says how.
    Broken,
}

impl Root {
    /// Opens the directory, itself by any path.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { beneath: Beneath::new(path)? })
    }

    /// The same directory, its paths kept below it in this way.
    #[cfg(test)]
    pub fn by(self, way: Way) -> Self {
        Self { beneath: self.beneath.by(way) }
    }

    /// Opens what stands under this name, a path relative to the root, and looks what it is.
    pub fn find(&self, name: &[u8]) -> Result<Found, Absent> {
        let opened = self.beneath.open(name, READ);
        let file = File::from(opened.map_err(absent)?);
        let metadata = file.metadata().map_err(|error| {
            log::error!("cannot look at {:?}: {error}", String::from_utf8_lossy(name));
            Absent::Broken
        })?;
        sort(file, metadata)
    }

    /// Opens a directory below the root, to change what is in it.
    pub fn directory(&self, name: &[u8]) -> nix::Result<OwnedFd> {
        self.beneath.open(name, READ | OFlag::O_DIRECTORY)
    }

    /// Which state of which file stands under this name now. Nothing is opened: it tells whether a file that *was*
    /// opened below the root is still the one, and not whether one may be given away.
    pub fn identity(&self, name: &[u8]) -> Option<Identity> {
        self.beneath.look(name).ok().as_ref().map(Identity::from)
    }
}

/// What an open descriptor is.
fn sort(file: File, metadata: Metadata) -> Result<Found, Absent> {
    if metadata.is_dir() {
        Ok(Found::Directory(file.into()))
    } else if metadata.is_file() {
        Ok(Found::File(Opened { file, metadata }))
    } else {
        Err(Absent::Forbidden)
    }
}

/// What an error of open(2) means to who asked for the file.
fn absent(error: Errno) -> Absent {
    if matches!(error, Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG | Errno::ELOOP | Errno::EXDEV) {
        // EXDEV: it would lead out. To the client there is no such thing.
        Absent::NotFound
    } else if matches!(error, Errno::EACCES | Errno::EPERM | Errno::ENXIO | Errno::ENODEV) {
        // ENXIO: a socket, or a device that is not there.
        Absent::Forbidden
    } else if matches!(error, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EAGAIN) {
        Absent::Exhausted
    } else {
        log::error!("cannot open a file of the site: {error}");
        Absent::Broken
    }
}
