//! The three descriptors that every process is expected to have.

use std::{
    io::{self, stderr, stdin, stdout},
    os::fd::{AsFd, IntoRawFd},
};

use nix::{
    fcntl::{FcntlArg, OFlag, fcntl, open},
    sys::stat::Mode,
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout},
};

/// Opens /dev/null on each of the descriptors 0 to 2 that is closed.
///
/// Otherwise the next socket would become "standard error", and a stray message would reach a client. Rust's own start
/// does this too, but not in a program whose `main` is C. stdin(3).
///
/// # Errors
/// Those of opening /dev/null: in a bare chroot(2) there may be none.
pub fn ensure_stdio() -> io::Result<()> {
    let closed = |fd: &dyn AsFd| fcntl(fd.as_fd(), FcntlArg::F_GETFD).is_err();
    // In this order each open gives back exactly the number that is missing: the lowest free one.
    for missing in [closed(&stdin()), closed(&stdout()), closed(&stderr())] {
        if missing {
            let _kept = open("/dev/null", OFlag::O_RDWR, Mode::empty())?.into_raw_fd();
        }
    }
    Ok(())
}

/// Puts /dev/null in the place of the first two: what goes wrong is still said where the parent says it.
///
/// # Errors
/// Those of opening /dev/null.
pub fn silence_stdio() -> io::Result<()> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    Ok(dup2_stdout(&null)?)
}

/// Puts /dev/null in the place of all three, so that they hold no terminal, and no pipe whose reader waits for its end.
///
/// # Errors
/// Those of opening /dev/null.
pub(super) fn detach_stdio() -> io::Result<()> {
    let null = open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok(dup2_stderr(&null)?)
}
