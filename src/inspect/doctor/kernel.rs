//! What the kernel lets one see and use.

use super::{Finding, file, number};
use crate::sys::probe;

/// Who may trace whom.
pub fn ptrace() -> Finding {
    let (id, what) = ("ptrace", "who may trace (Yama's ptrace_scope)");
    let own = "strace -p, gdb -p and what a process waits in (/proc/PID/syscall)";
    match number("/proc/sys/kernel/yama/ptrace_scope") {
        None => Finding::good(id, what, "no Yama", format!("a user can trace its own processes: {own}")),
        Some(0) => {
            Finding::good(id, what, "0, own processes", format!("a user can trace its own processes: {own}"))
        }
        Some(1) => Finding::good(
            id,
            what,
            "1, own children",
            format!("a user can trace what it started itself: for others {own} need root"),
        ),
        Some(2) => Finding::good(id, what, "2, root", format!("{own} need root"))
            .note("sysctl kernel.yama.ptrace_scope=1"),
        Some(other) => {
            Finding::good(id, what, format!("{other}, nobody"), format!("{own} are refused, to root too"))
                .note("it can only be changed at boot")
        }
    }
}

/// Whether /proc shows other users' processes.
pub fn visibility() -> Finding {
    let (id, what) = ("hidepid", "other users' processes in /proc (hidepid)");
    match hidepid() {
        None => Finding::good(id, what, "shown", "a tree shows all processes and who adopted whom"),
        Some(option) => Finding::good(
            id,
            what,
            option,
            "a user sees its own processes alone: parents and adopters of another user look as if they were not there",
        )
        .note("look as root, or mount -o remount,hidepid=0 /proc"),
    }
}

/// The hidepid option of /proc, if it hides anything.
pub fn hidepid() -> Option<String> {
    let mounts = file("/proc/self/mountinfo")?;
    hidepid_in(&mounts)
}

/// Finds it in a text of proc_pid_mountinfo(5): the options of the file system are the last word of its line.
fn hidepid_in(mounts: &str) -> Option<String> {
    let proc = mounts.lines().rfind(|line| line.split(' ').nth(4) == Some("/proc"))?;
    let options = proc.rsplit(' ').next()?;
    let found = options.split(',').find(|option| option.starts_with("hidepid="))?;
    (!matches!(found, "hidepid=0" | "hidepid=off")).then(|| found.to_owned())
}

/// Whether io_uring may be used.
pub fn io_uring() -> Finding {
    let (id, what) = ("io_uring", "io_uring");
    match probe::io_uring() {
        Ok(()) => Finding::good(
            id,
            what,
            "allowed",
            "programs that are built on it run; forkd's own servers use epoll",
        ),
        Err(cause) => {
            let why = match (cause.raw_os_error(), number("/proc/sys/kernel/io_uring_disabled")) {
                (_, Some(mode @ 1..)) => format!("switched off (kernel.io_uring_disabled={mode})"),
                (Some(libc::ENOSYS), _) => "not there, or hidden by a seccomp filter".into(),
                _ => format!("refused: {cause}"),
            };
            let means = "runtimes that are built on it fail at start; forkd's own servers use epoll and do not need it";
            Finding::good(id, what, why, means)
        }
    }
}

/// Whether Landlock can confine workers.
pub fn landlock() -> Finding {
    let (id, what) = ("landlock", "Landlock, which confines a process to some files");
    match probe::landlock() {
        Ok(version) => {
            Finding::good(id, what, format!("version {version}"), "workers can be confined without root")
        }
        Err(cause) => {
            let why = match cause.raw_os_error() {
                Some(libc::EOPNOTSUPP) => "switched off at boot".to_owned(),
                Some(libc::ENOSYS) => "not in this kernel".to_owned(),
                Some(_) | None => format!("refused: {cause}"),
            };
            let means = "workers cannot be confined to some files; users, groups and chroot still can";
            Finding::good(id, what, why, means)
                .note("boot with lsm=landlock,… or a kernel with CONFIG_SECURITY_LANDLOCK")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_found_on_the_mount_that_counts() {
        let line = |options: &str| format!("23 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw{options}");
        assert_eq!(hidepid_in(&line("")), None);
        assert_eq!(hidepid_in(&line(",hidepid=off")), None);
        assert_eq!(hidepid_in(&line(",hidepid=invisible,gid=5")).as_deref(), Some("hidepid=invisible"));
        // A later mount covers an earlier one, and a mount elsewhere is none of ours.
        assert_eq!(hidepid_in(&format!("{}\n{}", line(",hidepid=2"), line(""))), None);
        assert_eq!(hidepid_in("23 28 0:21 / /srv/proc rw - proc proc rw,hidepid=2"), None);
    }
}
