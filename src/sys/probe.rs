//! Whether this kernel has what some programs build on, asked in ways that change nothing.

use std::io;

use super::check;

/// Whether io_uring may be used. io_uring_setup(2) with a table of no size is refused as invalid where it may.
///
/// # Errors
/// `ENOSYS` where the kernel has none or a filter hides it, `EPERM` where an administrator switched it off.
pub fn io_uring() -> io::Result<()> {
    // SAFETY: with no entries and no place for its answer the call reads and writes no memory of ours.
    let answer = unsafe { libc::syscall(libc::SYS_io_uring_setup, 0, std::ptr::null_mut::<libc::c_void>()) };
    match check(i32::try_from(answer).unwrap_or(-1)) {
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EINVAL | libc::EFAULT)) => Ok(()),
        other => other.map(drop),
    }
}

/// The version of Landlock's rules that this kernel has. landlock_create_ruleset(2).
///
/// # Errors
/// `ENOSYS` where the kernel has none, `EOPNOTSUPP` where it was switched off at boot.
pub fn landlock() -> io::Result<i32> {
    const VERSION: u32 = 1;
    // SAFETY: asked for its version, the call takes no rules and makes no descriptor.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0_usize, VERSION)
    };
    check(i32::try_from(answer).unwrap_or(-1))
}

/// Whether filters of system calls can be installed. seccomp(2), `SECCOMP_GET_ACTION_AVAIL`.
pub fn seccomp() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the action is live and only read.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, std::ptr::from_ref(&action))
    };
    answer == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_opens_nothing_and_gives_the_same_answer_twice() {
        let open = || std::fs::read_dir("/proc/self/fd").expect("/proc").count();
        let before = open();
        assert_eq!(io_uring().is_ok(), io_uring().is_ok());
        assert_eq!(landlock().ok(), landlock().ok());
        assert!(landlock().is_ok_and(|version| version > 0) || landlock().is_err());
        // Other tests of this process open and close files as well, so the count need not be the same, only no larger
        // by one for each of the calls.
        assert!(open() < before + 4);
    }
}
