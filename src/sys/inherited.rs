//! What came across exec: descriptors that nobody owns yet, and the variables that speak of them.

use std::{
    env, fs, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

use super::check;

/// Takes a descriptor that this process was started with; it is close-on-exec from here on.
///
/// Every descriptor that we open is close-on-exec from birth, so one without that flag came across exec and has no
/// owner. The flag is set here, and so nobody can take the same descriptor twice. fcntl(2).
///
/// # Errors
/// `EBADF` when nothing is open there; `AlreadyExists` when it is one of our own or was taken before.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD takes any number and touches no memory.
    let flags = check(unsafe { libc::fcntl(number, libc::F_GETFD) })?;
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    // SAFETY: as above, for F_SETFD.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, and by the rule above it has no other owner.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Removes variables from the environment, so that no program that we start takes them for its own.
///
/// With more than one thread it does nothing: another one may be reading the environment. environ(7).
pub fn forget_variables(names: &[&str]) {
    if fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
        for name in names {
            // SAFETY: there is no other thread.
            unsafe { env::remove_var(name) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        os::fd::{AsFd, AsRawFd, IntoRawFd},
    };

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    #[test]
    fn a_descriptor_without_an_owner_is_taken_once() {
        let file = File::open("/dev/null").unwrap();
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let number = file.into_raw_fd();
        let taken = adopt(number).unwrap();
        assert_eq!(taken.as_raw_fd(), number);
        assert_eq!(fcntl(taken.as_fd(), FcntlArg::F_GETFD).unwrap(), FdFlag::FD_CLOEXEC.bits());
        assert_eq!(adopt(number).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn what_is_not_open_is_refused() {
        for number in [-1, 1 << 20] {
            assert_eq!(adopt(number).unwrap_err().raw_os_error(), Some(libc::EBADF));
        }
    }
}
