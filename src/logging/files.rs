//! Log files that a server holds open, each by its path and only once in a process.
//!
//! The master opens them before anybody gives up a right, and a fork copies what is open. When they were renamed the master
//! opens the new files, and hands its workers the descriptors: a worker that has become somebody else, or has another
//! root, could not open them itself. Until then each process goes on in the old file, so that no line is lost.

use std::{
    fs::{File, OpenOptions},
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{MetadataExt, OpenOptionsExt},
        },
    },
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use nix::{
    errno::Errno,
    unistd::{Gid, Uid, fchown, geteuid},
};

use super::outlet::Outlet;

/// Those that are open in this process, as long as somebody writes to them.
static OPEN: Mutex<Vec<Weak<LogFile>>> = Mutex::new(Vec::new());

/// A log file that is open.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// The process that has opened it: in a worker it may be its master.
    opener: u32,
    outlet: Mutex<Outlet>,
}

/// By what a process knows which of its files a descriptor is for: a number made of the path, the same in every
/// process and every program. It says nothing of where the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number(pub u64);

/// Opens this file at its end, unless it is open already.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<Arc<LogFile>> {
    if let Some(found) = all().into_iter().find(|file| file.path == path) {
        return Ok(found);
    }
    let file =
        Arc::new(LogFile { path: path.to_owned(), opener: process::id(), outlet: Mutex::new(append(path)?) });
    let mut open = lock(&OPEN);
    open.retain(|other| other.strong_count() > 0);
    open.push(Arc::downgrade(&file));
    Ok(file)
}

/// All that are open.
pub fn all() -> Vec<Arc<LogFile>> {
    lock(&OPEN).iter().filter_map(Weak::upgrade).collect()
}

/// Writes to this file from now on, in place of the one with that number.
///
/// # Errors
/// None that is known.
pub fn replace(number: Number, file: OwnedFd) -> io::Result<()> {
    let Some(old) = all().into_iter().find(|file| file.number() == number) else { return Ok(()) };
    *old.outlet() = Outlet::in_file(file.into())?;
    Ok(())
}

impl LogFile {
    /// Where it goes.
    pub fn outlet(&self) -> MutexGuard<'_, Outlet> {
        lock(&self.outlet)
    }

    /// Whether it is this process that opens it.
    pub fn is_own(&self) -> bool {
        self.opener == process::id()
    }

    /// See [`Number`].
    pub fn number(&self) -> Number {
        // FNV-1a: no two of a handful of paths have the same.
        let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Number(self.path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, step))
    }

    /// Opens the file that stands at its path by now; until that is done the old one is written to.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn reopen(&self) -> io::Result<()> {
        let cannot = |cause: io::Error| {
            let words = Errno::from_raw(cause.raw_os_error().unwrap_or_default()).desc();
            io::Error::new(cause.kind(), format!("{}: {words}", self.path.display()))
        };
        let new = append(&self.path).map_err(cannot)?;
        *self.outlet() = new;
        Ok(())
    }

    /// Makes a file on a disk this user's, so that a process which becomes that user can open it again. fchown(2).
    ///
    /// # Errors
    /// `EPERM` for who is not root.
    pub fn give_to(&self, user: u32, group: Option<u32>) -> io::Result<()> {
        let outlet = self.outlet();
        if outlet.is_on_disk() {
            fchown(outlet.as_fd(), Some(Uid::from_raw(user)), group.map(Gid::from_raw))?;
        }
        Ok(())
    }
}

/// Opens a file for appending. A FIFO without a reader is an error, and a full one loses lines: neither is waited for. A
/// privileged process follows a link only where nobody else can have put it, as `/dev/stdout` is one.
fn append(path: &Path) -> io::Result<Outlet> {
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    let open =
        |flags| OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path);
    let opened = if geteuid().is_root() { open(flags | libc::O_NOFOLLOW) } else { open(flags) };
    let file: File = match opened {
        Err(cause) if cause.raw_os_error() == Some(libc::ELOOP) && is_roots(path.parent()) => open(flags)?,
        opened => opened?,
    };
    Outlet::in_file(file)
}

/// Whether root alone can say what stands in this directory.
fn is_roots(directory: Option<&Path>) -> bool {
    let found = directory.and_then(|directory| directory.metadata().ok());
    found.is_some_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0)
}

/// What is locked; a panic meanwhile changes nothing about it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::{super::lost::Lost, *};

    fn write(file: &LogFile, line: &str) {
        file.outlet().write(line.as_bytes(), &Lost::new()).expect("written");
    }

    #[test]
    fn a_log_file_is_appended_to_and_not_for_everybody() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        for line in ["one\n", "two\n"] {
            write(&open(&path).expect("opened"), line);
        }
        assert_eq!(fs::read_to_string(&path).expect("read"), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o007, 0);
    }

    #[test]
    fn a_fifo_without_a_reader_does_not_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert_eq!(open(&path).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }

    #[test]
    fn root_follows_a_link_only_where_nobody_else_can_have_put_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, link) = (dir.path().join("log"), dir.path().join("link"));
        symlink(&path, &link).expect("linked");
        write(&open(&link).expect("followed"), "line\n");
        assert_eq!(fs::read_to_string(&path).expect("read"), "line\n");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).expect("for everybody");
        let refused = open(&link).err().and_then(|cause| cause.raw_os_error());
        assert_eq!(refused, geteuid().is_root().then_some(libc::ELOOP));
    }

    #[test]
    fn all_who_write_to_a_file_go_over_to_the_new_one_and_lose_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, old) = (dir.path().join("log"), dir.path().join("log.1"));
        let (one, other) = (open(&path).expect("opened"), open(&path).expect("found"));
        write(&one, "before\n");
        fs::rename(&path, &old).expect("renamed");
        write(&other, "between\n");
        one.reopen().expect("opened again");
        write(&other, "after\n");
        let new = File::options().append(true).open(dir.path().join("log")).expect("opened");
        replace(one.number(), new.into()).expect("replaced");
        write(&one, "last\n");
        assert_eq!(fs::read_to_string(&old).expect("read"), "before\nbetween\n");
        assert_eq!(fs::read_to_string(&path).expect("read"), "after\nlast\n");
        assert_eq!(all().iter().filter(|file| file.path == path).count(), 1);
    }
}
