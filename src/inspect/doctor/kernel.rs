//! What the kernel lets one see and use.

use super::{Finding, file, number};
use crate::{inspect::explain::words::Lang, sys::probe};

/// Who may trace whom.
pub fn ptrace(lang: Lang) -> Finding {
    let (id, what) =
        ("ptrace", lang.say("who may trace (Yama's ptrace_scope)", "谁可以跟踪（Yama 的 ptrace_scope）"));
    let own = lang.say(
        "strace -p, gdb -p and what a process waits in (/proc/PID/syscall)",
        "strace -p、gdb -p，以及进程在等什么（/proc/PID/syscall）",
    );
    let all = lang
        .say(format!("a user can trace its own processes: {own}"), format!("用户可以跟踪自己的进程：{own}"));
    match number("/proc/sys/kernel/yama/ptrace_scope") {
        None => Finding::good(id, what, lang.say("no Yama", "没有 Yama"), all),
        Some(0) => Finding::good(id, what, lang.say("0, own processes", "0，自己的进程"), all),
        Some(1) => Finding::good(
            id,
            what,
            lang.say("1, own children", "1，自己的子进程"),
            lang.say(
                format!("a user can trace what it started itself: for others {own} need root"),
                format!("用户只能跟踪自己启动的进程：对别的进程，{own} 需要 root"),
            ),
        ),
        Some(2) => {
            let means = lang.say(format!("{own} need root"), format!("{own} 需要 root"));
            Finding::good(id, what, "2, root", means).note("sysctl kernel.yama.ptrace_scope=1")
        }
        Some(other) => {
            let value = lang.say(format!("{other}, nobody"), format!("{other}，谁都不行"));
            let means =
                lang.say(format!("{own} are refused, to root too"), format!("{own} 一律被拒绝，root 也一样"));
            Finding::good(id, what, value, means)
                .note(lang.say("it can only be changed at boot", "只能在启动内核时更改"))
        }
    }
}

/// Whether /proc shows other users' processes.
pub fn visibility(lang: Lang) -> Finding {
    let (id, what) = (
        "hidepid",
        lang.say("other users' processes in /proc (hidepid)", "/proc 里其他用户的进程（hidepid）"),
    );
    match hidepid() {
        None => Finding::good(
            id,
            what,
            lang.say("shown", "看得见"),
            lang.say("a tree shows all processes and who adopted whom", "进程树显示所有进程，以及谁收养了谁"),
        ),
        Some(option) => Finding::good(
            id,
            what,
            option,
            lang.say(
                "a user sees its own processes alone: parents and adopters of another user look as if they were not there",
                "用户只看得见自己的进程：属于别的用户的父进程和收养者就像不存在一样",
            ),
        )
        .note(lang.say(
            "look as root, or mount -o remount,hidepid=0 /proc",
            "用 root 来看，或者 mount -o remount,hidepid=0 /proc",
        )),
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
pub fn io_uring(lang: Lang) -> Finding {
    let (id, what) = ("io_uring", "io_uring");
    match probe::io_uring() {
        Ok(()) => Finding::good(
            id,
            what,
            lang.say("allowed", "允许"),
            lang.say(
                "programs that are built on it run; forkd's own servers use epoll",
                "基于它的程序可以运行；forkd 自己的服务器用的是 epoll",
            ),
        ),
        Err(cause) => {
            let why = match (cause.raw_os_error(), number("/proc/sys/kernel/io_uring_disabled")) {
                (_, Some(mode @ 1..)) => lang.say(
                    format!("switched off (kernel.io_uring_disabled={mode})"),
                    format!("关闭了（kernel.io_uring_disabled={mode}）"),
                ),
                (Some(libc::ENOSYS), _) => lang
                    .say("not there, or hidden by a seccomp filter", "没有，或者被 seccomp 过滤掉了")
                    .into(),
                _ => refused(lang, &cause),
            };
            let means = lang.say(
                "runtimes that are built on it fail at start; forkd's own servers use epoll and do not need it",
                "基于它的运行时启动就失败；forkd 自己的服务器用 epoll，不需要它",
            );
            Finding::good(id, what, why, means)
        }
    }
}

/// Whether Landlock can confine workers.
pub fn landlock(lang: Lang) -> Finding {
    let (id, what) = (
        "landlock",
        lang.say("Landlock, which confines a process to some files", "Landlock：把进程限制在某些文件之内"),
    );
    match probe::landlock() {
        Ok(version) => {
            let value = lang.say(format!("version {version}"), format!("第 {version} 版"));
            let means = lang.say("workers can be confined without root", "不用 root 也能限制工作进程");
            Finding::good(id, what, value, means)
        }
        Err(cause) => {
            let why = match cause.raw_os_error() {
                Some(libc::EOPNOTSUPP) => lang.say("switched off at boot", "启动内核时关闭了").to_owned(),
                Some(libc::ENOSYS) => lang.say("not in this kernel", "这个内核里没有").to_owned(),
                Some(_) | None => refused(lang, &cause),
            };
            let means = lang.say(
                "workers cannot be confined to some files; users, groups and chroot still can",
                "不能把工作进程限制在某些文件之内；换用户、换组和 chroot 仍然可以",
            );
            Finding::good(id, what, why, means).note(lang.say(
                "boot with lsm=landlock,… or a kernel with CONFIG_SECURITY_LANDLOCK",
                "启动内核时加 lsm=landlock,…，或换一个带 CONFIG_SECURITY_LANDLOCK 的内核",
            ))
        }
    }
}

fn refused(lang: Lang, cause: &std::io::Error) -> String {
    lang.say(format!("refused: {cause}"), format!("被拒绝：{cause}"))
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
