//! Opening what is below a directory and nothing else.
//!
//! A path is never checked first and opened afterwards: between the two, somebody could put a symbolic link in its
//! place. The kernel resolves it below the directory's descriptor in one call, openat2(2) with `RESOLVE_BENEATH`, and
//! the questions are put to the descriptor that came of it. Where that call is missing (before Linux 5.6, or under
//! an old sandbox), each name is opened by itself, and symbolic links are not followed at all.

use std::{
    fs::{File, Metadata},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat, openat2},
    sys::stat::Mode,
};

use super::file::SiteFile;
use crate::protocol::http::RelativePath;

/// How something is opened that may be anything: without waiting for the other end of a FIFO, and without making a
/// terminal ours.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// How a directory is opened on the way to something else.
const STEP: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// How often a path is tried that is being renamed while the kernel resolves it.
const TRIES: usize = 16;

/// The directory that is served.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    way: Way,
}

/// How a path is kept below the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The kernel sees to it.
    Beneath,
    /// Each name is opened by itself.
    Stepwise,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// A regular file.
    File(SiteFile),
    /// A directory, open for reading.
    Directory(OwnedFd),
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
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(path, flags, Mode::empty())?;
        let way = match open_beneath(directory.as_fd(), b".") {
            Ok(_) => Way::Beneath,
            Err(_) => Way::Stepwise,
        };
        Ok(Self { directory, way })
    }

    /// The same directory, its paths kept below it in this way.
    #[cfg(test)]
    pub fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// Opens what the path leads to, and looks what it is.
    pub fn find(&self, path: &RelativePath) -> Result<Found, Absent> {
        let opened = match self.way {
            Way::Beneath => open_beneath(self.directory.as_fd(), &path.join()),
            Way::Stepwise => open_stepwise(self.directory.as_fd(), path),
        };
        let file = File::from(opened.map_err(absent)?);
        let metadata = file.metadata().map_err(|error| {
            log::error!("cannot look at {:?}: {error}", path.url());
            Absent::Broken
        })?;
        sort(file, metadata)
    }
}

/// What an open descriptor is.
fn sort(file: File, metadata: Metadata) -> Result<Found, Absent> {
    if metadata.is_dir() {
        Ok(Found::Directory(file.into()))
    } else if metadata.is_file() {
        Ok(Found::File(SiteFile::new(file, &metadata)))
    } else {
        Err(Absent::Forbidden)
    }
}

fn open_beneath(directory: BorrowedFd<'_>, path: &[u8]) -> nix::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(READ).resolve(resolve);
    for _ in 1..TRIES {
        let opened = openat2(directory, path, how);
        // EAGAIN: a name on the way was moved meanwhile, and the kernel cannot vouch for it.
        if !matches!(opened, Err(Errno::EAGAIN | Errno::EINTR)) {
            return opened;
        }
    }
    openat2(directory, path, how)
}

fn open_stepwise(directory: BorrowedFd<'_>, path: &RelativePath) -> nix::Result<OwnedFd> {
    let names: Vec<_> = path.segments().collect();
    let Some((last, way)) = names.split_last() else { return openat(directory, ".", READ, Mode::empty()) };
    let mut here: Option<OwnedFd> = None;
    for name in way {
        let from = here.as_ref().map_or(directory, AsFd::as_fd);
        here = Some(openat(from, *name, STEP, Mode::empty())?);
    }
    let from = here.as_ref().map_or(directory, AsFd::as_fd);
    openat(from, *last, READ | OFlag::O_NOFOLLOW, Mode::empty())
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
