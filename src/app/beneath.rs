//! Opening what is below a directory and nothing else.
//!
//! A path is never checked first and opened afterwards: between the two, somebody could put a symbolic link in its
//! place. The kernel resolves it below the directory's descriptor in one call, openat2(2) with `RESOLVE_BENEATH`, and
//! the questions are put to the descriptor that came of it. Where that call is missing (before Linux 5.6, or under
//! an old sandbox), each name is opened by itself, and symbolic links are not followed at all.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, open, openat, openat2},
    sys::stat::{FileStat, Mode, fstatat},
};

/// How something is opened that may be anything: without waiting for the other end of a FIFO, and without making a
/// terminal ours.
pub const READ: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// How a directory is opened on the way to something else.
const STEP: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// How often a path is tried that is being renamed while the kernel resolves it.
const TRIES: usize = 16;

/// A directory, and all that is below it.
#[derive(Debug)]
pub struct Beneath {
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

impl Beneath {
    /// Opens the directory, itself by any path.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn new(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = open(path, flags, Mode::empty())?;
        let way = match open_by_kernel(directory.as_fd(), b".", READ) {
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

    /// Opens what a relative path leads to, if that is below the directory; an empty one is the directory itself.
    ///
    /// # Errors
    /// `EXDEV` when it would lead out; those of open(2).
    pub fn open(&self, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
        let (directory, path) = (self.directory.as_fd(), if path.is_empty() { b"." } else { path });
        match self.way {
            Way::Beneath => open_by_kernel(directory, path, flags),
            Way::Stepwise => open_stepwise(directory, path, flags),
        }
    }

    /// What the kernel says of what a relative path leads to, wherever that is: good for a comparison with something
    /// that was opened, and for nothing else.
    ///
    /// # Errors
    /// Those of stat(2).
    pub fn look(&self, path: &[u8]) -> nix::Result<FileStat> {
        fstatat(&self.directory, path, AtFlags::empty())
    }
}

fn open_by_kernel(directory: BorrowedFd<'_>, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags).resolve(resolve);
    for _ in 1..TRIES {
        let opened = openat2(directory, path, how);
        // EAGAIN: a name on the way was moved meanwhile, and the kernel cannot vouch for it.
        if !matches!(opened, Err(Errno::EAGAIN | Errno::EINTR)) {
            return opened;
        }
    }
    openat2(directory, path, how)
}

fn open_stepwise(directory: BorrowedFd<'_>, path: &[u8], flags: OFlag) -> nix::Result<OwnedFd> {
    let names: Vec<_> = path.split(|byte| *byte == b'/').collect();
    if path.first() == Some(&b'/') || names.contains(&&b".."[..]) {
        return Err(Errno::EXDEV);
    }
    let Some((last, way)) = names.split_last() else { return Err(Errno::ENOENT) };
    let mut here: Option<OwnedFd> = None;
    for name in way {
        let from = here.as_ref().map_or(directory, AsFd::as_fd);
        here = Some(openat(from, *name, STEP, Mode::empty())?);
    }
    let from = here.as_ref().map_or(directory, AsFd::as_fd);
    openat(from, *last, flags | OFlag::O_NOFOLLOW, Mode::empty())
}
