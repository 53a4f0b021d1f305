//! A process as a descriptor: unlike its number, it never comes to mean another one.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use nix::unistd::Pid;

/// `PIDFD_GET_INFO`: `_IOWR(0xff, 11, struct pidfd_info)` with the 64 bytes of its first version.
const GET_INFO: libc::Ioctl = 0xc040_ff0b_u32 as libc::Ioctl;
/// `PIDFD_INFO_EXIT`: the status is asked for, or given.
const INFO_EXIT: u64 = 1 << 3;

/// `struct pidfd_info` of linux/pidfd.h, in its first version.
#[repr(C)]
#[derive(Default)]
struct Info {
    mask: u64,
    cgroup: u64,
    /// pid, tgid, ppid, and eight user and group numbers.
    numbers: [u32; 11],
    exit_code: i32,
}

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

/// Sends a signal to the process, and to no other that has its number later. pidfd_send_signal(2).
///
/// # Errors
/// `ESRCH` when it is reaped, `EPERM` when it is somebody else's.
pub fn send(pidfd: impl AsFd, signal: i32) -> io::Result<()> {
    let (fd, info) = (pidfd.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: a null siginfo is allowed; the call touches no memory of ours.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, info, 0) };
    if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the process, or its zombie, is still there.
pub fn exists(pidfd: impl AsFd) -> bool {
    // Signal 0 is sent to nobody.
    !send(pidfd, 0).is_err_and(|cause| cause.raw_os_error() == Some(libc::ESRCH))
}

/// The wait(2) status of a process that is reaped, whoever did it, if the descriptor was opened before that.
///
/// `None` before it is reaped, and on a kernel before Linux 6.15, which does not keep it. ioctl_pidfd(2).
pub fn status(pidfd: impl AsFd) -> Option<i32> {
    let mut info = Info { mask: INFO_EXIT, ..Info::default() };
    // SAFETY: the kernel writes at most the 64 bytes that the number of the request names, into a live place.
    let answer = unsafe { libc::ioctl(pidfd.as_fd().as_raw_fd(), GET_INFO, &raw mut info) };
    (answer == 0 && info.mask & INFO_EXIT != 0).then_some(info.exit_code)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::Command};

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    use super::*;

    #[test]
    fn the_structure_is_as_large_as_the_request_says() {
        assert_eq!(std::mem::size_of::<Info>(), 64);
    }

    #[test]
    fn a_process_is_there_until_it_is_reaped() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let fd = open(Pid::from_raw(child.id().cast_signed())).unwrap();
        assert!(exists(&fd));
        let status_by_wait = child.wait().unwrap();
        assert!(!exists(&fd));
        // A kernel that keeps the status keeps the right one.
        assert!(status(&fd).is_none_or(|raw| raw == status_by_wait.into_raw()));
    }
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
