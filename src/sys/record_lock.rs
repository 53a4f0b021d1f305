//! Locks on single bytes of a file, which end with the process that holds them, however it ends.
//!
//! The bytes need not exist. A lock belongs to the open file description (fcntl(2), `F_OFD_SETLK`), so that opening the
//! file elsewhere in the process does not give it back as it would with POSIX locks.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
};

/// A file of locks, opened by this process for itself. A forked child would share what its parent holds: open it after
/// the fork.
#[derive(Debug)]
pub struct RecordLocks(File);

impl RecordLocks {
    /// Opens the file, and makes it for this user alone where there is none.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn open(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        Ok(Self(file))
    }

    /// Takes the lock on a byte, if nobody else holds it. It is kept until the file is closed or [`RecordLocks::unlock`].
    ///
    /// # Errors
    /// `ENOLCK` where the file system has no locks.
    pub fn try_lock(&self, byte: u64) -> io::Result<bool> {
        match fcntl(&self.0, FcntlArg::F_OFD_SETLK(&record(libc::F_WRLCK, byte, 1)?)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the lock on a byte as soon as nobody else holds it.
    ///
    /// # Errors
    /// As for [`RecordLocks::try_lock`].
    pub fn lock(&self, byte: u64) -> io::Result<()> {
        loop {
            match fcntl(&self.0, FcntlArg::F_OFD_SETLKW(&record(libc::F_WRLCK, byte, 1)?)) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Gives a lock back.
    ///
    /// # Errors
    /// As for [`RecordLocks::try_lock`].
    pub fn unlock(&self, byte: u64) -> io::Result<()> {
        fcntl(&self.0, FcntlArg::F_OFD_SETLK(&record(libc::F_UNLCK, byte, 1)?))?;
        Ok(())
    }

    /// Whether somebody else holds the lock on this byte.
    ///
    /// # Errors
    /// As for [`RecordLocks::try_lock`].
    pub fn is_held(&self, byte: u64) -> io::Result<bool> {
        self.look(byte, 1)
    }

    /// Whether somebody else holds a lock on this byte or on one behind it.
    ///
    /// # Errors
    /// As for [`RecordLocks::try_lock`].
    pub fn is_any_held_from(&self, byte: u64) -> io::Result<bool> {
        self.look(byte, 0)
    }

    fn look(&self, byte: u64, length: i64) -> io::Result<bool> {
        let mut found = record(libc::F_WRLCK, byte, length)?;
        fcntl(&self.0, FcntlArg::F_OFD_GETLK(&mut found))?;
        Ok(libc::c_int::from(found.l_type) != libc::F_UNLCK)
    }
}

/// A length of 0 reaches to the end of all files.
fn record(kind: libc::c_int, byte: u64, length: i64) -> io::Result<libc::flock> {
    let wrong = |_| io::Error::from(io::ErrorKind::InvalidInput);
    Ok(libc::flock {
        l_type: libc::c_short::try_from(kind).map_err(wrong)?,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: i64::try_from(byte).map_err(wrong)?,
        l_len: length,
        l_pid: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_held_by_one_until_it_closes_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let open = || RecordLocks::open(&directory.path().join("locks")).unwrap();
        let (first, second) = (open(), open());
        assert!(first.try_lock(0).unwrap() && first.try_lock(7).unwrap());
        assert!(!second.try_lock(0).unwrap() && second.try_lock(1).unwrap());
        assert!(second.is_held(7).unwrap() && !second.is_held(8).unwrap());
        assert!(second.is_any_held_from(2).unwrap() && !first.is_any_held_from(2).unwrap());
        // Opening and closing it once more gives nothing back.
        drop(open());
        assert!(second.is_held(0).unwrap());
        first.unlock(0).unwrap();
        second.lock(0).unwrap();
        drop(first);
        assert!(!second.is_any_held_from(2).unwrap());
    }
}
