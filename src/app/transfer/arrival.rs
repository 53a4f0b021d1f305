//! A file that is arriving: it has a name of its own until all of it is there.
//!
//! That name follows from the place where it belongs and from which file is sent (its length and time), so that the next
//! attempt finds what an earlier one has left, and a file that was changed meanwhile begins anew. The length stands in
//! it, for whoever counts what there is. A lock tells whether
//! somebody is still at it, and dies with its holder, however that dies.

use std::{
    fmt::Write,
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{FileExt, MetadataExt, PermissionsExt},
    },
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, Flock, FlockArg, OFlag, openat, renameat},
    sys::{
        stat::{Mode, fstatat, futimens},
        time::TimeSpec,
    },
    unistd::{UnlinkatFlags, unlinkat},
};

use super::digest::digest;
use crate::protocol::transfer::{Cause, Entry, Kind, RUN};

/// How many attempts to send the same file to the same place may be under way.
const ATTEMPTS: u8 = 16;

/// How a partial file is opened. Nobody else can have made a link of it that leads elsewhere.
const OPEN: OFlag = OFlag::O_RDWR.union(OFlag::O_NOFOLLOW).union(OFlag::O_CLOEXEC);

/// A file that is arriving.
#[derive(Debug)]
pub struct Arrival {
    directory: OwnedFd,
    name: Vec<u8>,
    attempt: u8,
    file: Flock<File>,
    entry: Entry,
}

/// Whether this is the name of a file that has not arrived yet.
pub fn is_partial(name: &[u8]) -> bool {
    name.starts_with(b".forkd-") && name.ends_with(b".part")
}

/// How long a file will be that has not arrived yet, by its name.
pub fn promised(name: &[u8]) -> Option<u64> {
    let name = str::from_utf8(name).ok()?.strip_prefix(".forkd-")?.strip_suffix(".part")?;
    name.split_once('-')?.1.parse().ok()
}

impl Arrival {
    /// Begins, or goes on with what is left of an earlier attempt.
    ///
    /// # Errors
    /// Those of open(2) and flock(2).
    pub fn begin(directory: OwnedFd, name: &[u8], entry: Entry) -> io::Result<Self> {
        for attempt in 0..ATTEMPTS {
            let partial = partial_name(name, &entry, attempt);
            while let Some(file) = open_locked(&directory, &partial, OFlag::O_CREAT)? {
                let linked = file.metadata()?.nlink() > 0;
                if linked {
                    return Ok(Self { directory, name: name.to_vec(), attempt, file, entry });
                }
                // It was put into place between the opening and the locking.
            }
        }
        Err(Errno::EAGAIN.into())
    }

    /// The whole file's length.
    pub fn size(&self) -> u64 {
        self.entry.size
    }

    /// How many bytes are there.
    ///
    /// # Errors
    /// Those of fstat(2).
    pub fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The file, to read what is there.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes it so long. What comes in addition is a hole, which costs no room on the disk.
    ///
    /// # Errors
    /// Those of ftruncate(2).
    pub fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Writes bytes to where the file has a hole; zeros need not be written there.
    ///
    /// # Errors
    /// Those of pwrite(2).
    pub fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if bytes.iter().all(|byte| *byte == 0) { Ok(()) } else { self.file.write_all_at(bytes, offset) }
    }

    /// Puts the whole file into its place. rename(2): whoever opens it finds the old file or the new one.
    ///
    /// # Errors
    /// The problem with it; what has arrived stays.
    pub fn commit(&self) -> io::Result<()> {
        if self.length()? != self.entry.size {
            return Err(Errno::EINVAL.into());
        }
        if self.entry.kind == Kind::Program {
            // Who may read it may run it; the umask has had its say.
            let mode = self.file.metadata()?.permissions().mode();
            self.file.set_permissions(PermissionsExt::from_mode(mode | (mode & 0o444) >> 2))?;
        }
        let (seconds, nanoseconds) = self.entry.modified;
        let modified = TimeSpec::new(seconds, nanoseconds.into());
        futimens(self.file.as_fd(), &TimeSpec::UTIME_OMIT, &modified)?;
        renameat(
            self.directory.as_fd(),
            self.partial(self.attempt).as_str(),
            self.directory.as_fd(),
            self.name.as_slice(),
        )?;
        self.sweep();
        Ok(())
    }

    /// Ends an attempt that has failed. What has arrived stays for the next one, unless it is little, or there is no room
    /// for all of it.
    pub fn leave(self, cause: Cause) {
        let no_room = matches!(cause, Cause::DiskFull | Cause::Quota | Cause::TooLarge);
        if no_room || self.length().is_ok_and(|length| length < RUN as u64) || self.came_otherwise() {
            // Its lock is held, so it is still ours.
            self.remove(self.attempt);
        }
    }

    /// Removes what other attempts have left, now that the file is there. One that somebody is still at is removed by
    /// whoever that is.
    fn sweep(&self) {
        let others = (0..ATTEMPTS).filter(|attempt| *attempt != self.attempt);
        // Attempts are numbered from the first that was free, so few are there and none is far behind.
        for attempt in others.take_while(|attempt| *attempt < self.attempt + 2) {
            if let Ok(Some(_locked)) = open_locked(&self.directory, &self.partial(attempt), OFlag::empty()) {
                self.remove(attempt);
            }
        }
    }

    /// Whether the very file that was to come stands in its place: another attempt has brought it.
    fn came_otherwise(&self) -> bool {
        let place = fstatat(self.directory.as_fd(), self.name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW);
        place.is_ok_and(|there| {
            let (size, modified) = (self.entry.size.cast_signed(), self.entry.modified);
            (there.st_size, there.st_mtime, there.st_mtime_nsec) == (size, modified.0, modified.1.into())
        })
    }

    fn remove(&self, attempt: u8) {
        let partial = self.partial(attempt);
        // Where it cannot be removed, it stays: it harms nobody.
        let _ = unlinkat(self.directory.as_fd(), partial.as_str(), UnlinkatFlags::NoRemoveDir);
    }

    fn partial(&self, attempt: u8) -> String {
        partial_name(&self.name, &self.entry, attempt)
    }
}

/// Opens a partial file and locks it; `None` when somebody else holds it.
fn open_locked(directory: &OwnedFd, partial: &str, how: OFlag) -> io::Result<Option<Flock<File>>> {
    let file = openat(directory.as_fd(), partial, OPEN | how, Mode::from_bits_truncate(0o666))?;
    match Flock::lock(File::from(file), FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Some(file)),
        Err((_, Errno::EAGAIN)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

fn partial_name(name: &[u8], entry: &Entry, attempt: u8) -> String {
    let (seconds, nanoseconds) = entry.modified;
    let mut identity = name.to_vec();
    identity.extend_from_slice(format!("/{}/{seconds}.{nanoseconds}/{attempt}", entry.size).as_bytes());
    let mut partial = String::from(".forkd-");
    for byte in &digest(&identity)[..8] {
        // Writing into a string cannot fail.
        let _ = write!(partial, "{byte:02x}");
    }
    partial + &format!("-{}.part", entry.size)
}
