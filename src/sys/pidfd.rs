//! A process as a descriptor: unlike its number, it never comes to mean another one.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

use nix::unistd::Pid;

/// A descriptor for this process, close-on-exec, that poll(2) reports readable once the process has ended, reaped or
/// not. pidfd_open(2).
///
/// The number may have changed hands before this call. Whoever got it from a peer looks at the connection again.
///
/// # Errors
/// `ESRCH` when there is no such process; `ENOSYS` before Linux 5.3.
pub fn open(pid: Pid) -> io::Result<OwnedFd> {
    // SAFETY: the call takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsFd, process::Command};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn the_end_of_a_process_is_seen_although_nobody_reaped_it() {
        let mut child = Command::new("true").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let process = open(pid).unwrap();
        let mut fds = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(10_000_u16)), Ok(1));
        child.wait().unwrap();
        assert_eq!(open(pid).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
