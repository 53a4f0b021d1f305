//! The directory that is served: paths of clients to what is there, and never to what is elsewhere.

use std::{
    fs::{File, Metadata},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::OFlag,
    sys::stat::{Mode, mkdirat},
};

use super::{arrival::is_partial, quota};
use crate::{
    app::beneath::{Beneath, READ},
    protocol::transfer::{Cause, Entry, Kind, Problem},
};

/// How a directory is opened to make something in it.
pub const DIRECTORY: OFlag = READ.union(OFlag::O_DIRECTORY);

/// How something is opened to look what it is.
const LOOK: OFlag = OFlag::O_PATH.union(OFlag::O_CLOEXEC);

/// How many entries of a directory are listed, at most.
const LONGEST_LIST: usize = 100_000;

/// The directory that is served.
#[derive(Debug)]
pub struct Place {
    beneath: Beneath,
}

impl Place {
    /// Opens the directory.
    pub fn open(directory: &Path) -> io::Result<Self> {
        Ok(Self { beneath: Beneath::new(directory)? })
    }

    /// What a path is.
    pub fn look(&self, path: &[u8]) -> Result<Entry, Problem> {
        let path = clean(path)?;
        let file = File::from(self.beneath.open(path, LOOK).map_err(|error| from_errno(error, path))?);
        entry(path, &file.metadata().map_err(|error| from_io(&error, path))?)
    }

    /// Opens a file to send it.
    pub fn file(&self, path: &[u8]) -> Result<(File, Metadata), Problem> {
        let path = clean(path)?;
        let file = File::from(self.beneath.open(path, READ).map_err(|error| from_errno(error, path))?);
        let metadata = file.metadata().map_err(|error| from_io(&error, path))?;
        match entry(path, &metadata)?.kind {
            Kind::Directory => Err(Problem::new(Cause::IsDirectory, text(path))),
            Kind::File | Kind::Program => Ok((file, metadata)),
        }
    }

    /// What is in a directory, by name. What is neither file nor directory is left out, and so is what has not arrived.
    pub fn list(&self, path: &[u8]) -> Result<Vec<Entry>, Problem> {
        let path = clean(path)?;
        let directory = self.beneath.open(path, DIRECTORY).map_err(|error| from_errno(error, path))?;
        let mut directory = Dir::from_fd(directory).map_err(|error| from_errno(error, path))?;
        let mut found = Vec::new();
        for item in directory.iter() {
            let item = item.map_err(|error| from_errno(error, path))?;
            let name = item.file_name().to_bytes();
            if matches!(name, b"." | b"..") || is_partial(name) {
                continue;
            }
            // A link that leads out, and what was removed meanwhile, are not there.
            if let Ok(entry) = self.look(&join(path, name)) {
                found.push(entry);
            }
            if found.len() > LONGEST_LIST {
                let words = format!("more than {LONGEST_LIST} entries in {}", text(path));
                return Err(Problem::new(Cause::TooLarge, words));
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The directory in which a file is to be, made with those above it, and the file's name there.
    pub fn parent<'a>(&self, path: &'a [u8]) -> Result<(OwnedFd, &'a [u8]), Problem> {
        let path = clean(path)?;
        let (parent, name) = split(path);
        if name.is_empty() || is_partial(name) {
            return Err(Problem::new(Cause::BadName, text(path)));
        }
        Ok((self.make_directory(parent)?, name))
    }

    /// How long all files are together; see [`quota`](super::quota).
    pub fn used(&self) -> Result<u64, Problem> {
        let top = self.beneath.open(b"", DIRECTORY).map_err(|error| from_errno(error, b""))?;
        quota::used(top).map_err(|error| from_errno(error, b""))
    }

    /// Makes a directory with those above it, and opens it.
    pub fn make_directory(&self, path: &[u8]) -> Result<OwnedFd, Problem> {
        let path = clean(path)?;
        match self.beneath.open(path, DIRECTORY) {
            Err(Errno::ENOENT) if !path.is_empty() => {
                let (parent, name) = split(path);
                let parent = self.make_directory(parent)?;
                match mkdirat(parent.as_fd(), name, Mode::from_bits_truncate(0o777)) {
                    // Another client was faster.
                    Ok(()) | Err(Errno::EEXIST) => {
                        self.beneath.open(path, DIRECTORY).map_err(|error| from_errno(error, path))
                    }
                    Err(error) => Err(from_errno(error, path)),
                }
            }
            opened => opened.map_err(|error| from_errno(error, path)),
        }
    }
}

/// The path without slashes at its ends. The kernel keeps it below the directory, whatever it is; a client that asks for
/// more is told so.
fn clean(path: &[u8]) -> Result<&[u8], Problem> {
    let path = path.without_slashes();
    let wrong = path.contains(&0) || path.split(|byte| *byte == b'/').any(|name| name == b"..");
    if wrong { Err(Problem::new(Cause::BadName, text(path))) } else { Ok(path) }
}

trait Slashes {
    fn without_slashes(&self) -> &[u8];
}

impl Slashes for [u8] {
    fn without_slashes(&self) -> &[u8] {
        let begin = self.iter().position(|byte| *byte != b'/').unwrap_or(self.len());
        let end = self.iter().rposition(|byte| *byte != b'/').map_or(begin, |last| last + 1);
        &self[begin..end]
    }
}

/// The path up to its last name, and that name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (path[..at].without_slashes(), &path[at + 1..]),
        None => (&[], path),
    }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// An entry of what metadata say.
pub fn entry(path: &[u8], metadata: &Metadata) -> Result<Entry, Problem> {
    let kind = match metadata {
        directory if directory.is_dir() => Kind::Directory,
        file if !file.is_file() => {
            return Err(Problem::new(Cause::Forbidden, format!("{} is no regular file", text(path))));
        }
        file if file.permissions().mode() & 0o100 != 0 => Kind::Program,
        _ => Kind::File,
    };
    // Nanoseconds are less than a second's.
    let modified = (metadata.mtime(), metadata.mtime_nsec() as u32);
    Ok(Entry { name: split(path).1.to_vec(), kind, size: metadata.len(), modified })
}

/// A path in words: it may be anything that a client sent.
pub fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().flat_map(char::escape_debug).collect()
}

/// What an error of the system means to the other side.
pub fn from_io(error: &io::Error, path: &[u8]) -> Problem {
    match error.raw_os_error() {
        Some(number) => from_errno(Errno::from_raw(number), path),
        None => Problem::new(Cause::Broken, format!("{}: {error}", text(path))),
    }
}

/// What an error of the system means to the other side.
pub fn from_errno(error: Errno, path: &[u8]) -> Problem {
    let causes: [(&[Errno], Cause); 11] = [
        (&[Errno::ENOENT], Cause::NotFound),
        (&[Errno::EACCES, Errno::EPERM, Errno::ENXIO, Errno::ENODEV], Cause::Forbidden),
        (&[Errno::EXDEV, Errno::ELOOP, Errno::EINVAL, Errno::EILSEQ], Cause::BadName),
        (&[Errno::ENAMETOOLONG], Cause::NameTooLong),
        (&[Errno::EISDIR], Cause::IsDirectory),
        (&[Errno::ENOTDIR, Errno::EEXIST], Cause::NotDirectory),
        (&[Errno::ENOSPC], Cause::DiskFull),
        (&[Errno::EDQUOT], Cause::Quota),
        (&[Errno::EFBIG, Errno::EOVERFLOW], Cause::TooLarge),
        (&[Errno::EROFS, Errno::ETXTBSY], Cause::ReadOnly),
        (&[Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EAGAIN], Cause::Busy),
    ];
    match causes.iter().find(|(errors, _)| errors.contains(&error)) {
        Some((_, cause)) => Problem::new(*cause, text(path)),
        None => Problem::new(Cause::Broken, format!("{}: {}", text(path), error.desc())),
    }
}
