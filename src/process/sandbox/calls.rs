//! Which system calls a worker needs, and which no server does.
//!
//! The lists are those of what our own workers were seen to use, by purpose. A call that is not in them is answered with
//! `EPERM`, as if by an administrator: most code reports that and goes on. clone3(2) has its flags in memory, where a
//! filter cannot look; told that there is no such call, the C library takes the older one.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// Connections, waiting, memory, time, signals, and the end.
const SERVE: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendfile,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_socketpair,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_signalfd4,
    libc::SYS_mmap,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_set_robust_list,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_getrandom,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_setitimer,
    libc::SYS_getitimer,
    libc::SYS_times,
    libc::SYS_getrusage,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_prlimit64,
    libc::SYS_prctl,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_getsid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Files below what may be read.
const READ_FILES: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_getdents64,
    libc::SYS_fadvise64,
    libc::SYS_readahead,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_flock,
];

/// Files below what may be changed.
const CHANGE_FILES: &[c_long] = &[
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchown,
    libc::SYS_utimensat,
];

/// A process for each connection; its flags are looked at, so that it shares every namespace.
const FORK: &[c_long] = &[
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_setpgid,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
];

/// What newer machines do without, by the calls above.
#[cfg(target_arch = "x86_64")]
const OLD: [&[c_long]; 4] = [
    &[
        libc::SYS_epoll_wait,
        libc::SYS_poll,
        libc::SYS_select,
        libc::SYS_dup2,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_access,
        libc::SYS_readlink,
        libc::SYS_getpgrp,
        libc::SYS_alarm,
        libc::SYS_time,
        libc::SYS_arch_prctl,
        libc::SYS_getrlimit,
    ],
    &[libc::SYS_open],
    &[libc::SYS_mkdir, libc::SYS_unlink, libc::SYS_rename, libc::SYS_renameat],
    &[libc::SYS_fork],
];
#[cfg(target_arch = "aarch64")]
const OLD: [&[c_long]; 4] = [&[], &[], &[libc::SYS_renameat], &[]];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OLD: [&[c_long]; 4] = [&[]; 4];

/// What reaches into other processes or into the kernel. No server needs it, and most ways out begin with one of them.
const DANGEROUS: &[c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
];

/// All flags of clone(2) that make a namespace: they need to be root in the new one alone.
const NAMESPACES: u64 = 0x7e02_0080;

/// The requests of ioctl(2) by which a process types at its terminal as if it were the user.
const TYPING: [u64; 2] = [0x5412, 0x541c];

/// What a worker is for: it may make the calls for that and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purpose {
    /// It opens files.
    pub reads: bool,
    /// It writes, makes and removes them.
    pub changes: bool,
    /// It forks for each connection.
    pub forks: bool,
}

/// The filters that let through what this purpose needs; `None` on a machine for which none can be made.
pub fn needed(purpose: Purpose) -> Option<Vec<BpfProgram>> {
    let groups = [SERVE, READ_FILES, CHANGE_FILES, FORK];
    let wanted = [true, purpose.reads, purpose.changes, purpose.forks];
    let groups = groups.into_iter().zip(OLD).zip(wanted).filter(|(_, wanted)| *wanted);
    let calls = groups.flat_map(|((group, old), _)| group.iter().chain(old).copied());
    let mut rules: Rules = calls.map(|call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_ioctl, unless_typing(SeccompCmpOp::Ne)?);
    if purpose.forks {
        rules.insert(libc::SYS_clone, vec![flags(SeccompCmpOp::MaskedEq(NAMESPACES))?]);
    }
    Some(vec![filter(rules, refusal(), SeccompAction::Allow)?])
}

/// The filters that let through all but what is dangerous; as [`needed`].
pub fn all_but_dangerous() -> Option<Vec<BpfProgram>> {
    let mut rules: Rules = DANGEROUS.iter().map(|call| (*call, Vec::new())).collect();
    let each = (0..64).map(|bit| 1_u64 << bit).filter(|flag| NAMESPACES & flag != 0);
    let each = each.map(|flag| rule(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag));
    rules.insert(libc::SYS_clone, each.collect::<Option<_>>()?);
    let typing = TYPING.map(|request| rule(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<Option<_>>()?);
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    Some(vec![
        filter(clone3, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))?,
        filter(rules, SeccompAction::Allow, refusal())?,
    ])
}

type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

fn refusal() -> SeccompAction {
    SeccompAction::Errno(libc::EPERM.unsigned_abs())
}

fn filter(rules: Rules, otherwise: SeccompAction, listed: SeccompAction) -> Option<BpfProgram> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    SeccompFilter::new(rules, otherwise, listed, machine).ok()?.try_into().ok()
}

fn rule(argument: u8, length: SeccompCmpArgLen, how: SeccompCmpOp, value: u64) -> Option<SeccompRule> {
    SeccompRule::new(vec![SeccompCondition::new(argument, length, how, value).ok()?]).ok()
}

fn flags(how: SeccompCmpOp) -> Option<SeccompRule> {
    rule(0, SeccompCmpArgLen::Qword, how, 0)
}

fn unless_typing(how: SeccompCmpOp) -> Option<Vec<SeccompRule>> {
    let unlike = |request| SeccompCondition::new(1, SeccompCmpArgLen::Dword, how.clone(), request).ok();
    let both = TYPING.into_iter().map(unlike).collect::<Option<Vec<_>>>()?;
    Some(vec![SeccompRule::new(both).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_can_be_made_for_every_purpose() {
        for bits in 0..8 {
            let purpose = Purpose { reads: bits & 1 > 0, changes: bits & 2 > 0, forks: bits & 4 > 0 };
            // The kernel takes up to 4,096 instructions.
            assert!(needed(purpose).unwrap().iter().all(|program| program.len() < 4096));
        }
        assert_eq!(all_but_dangerous().unwrap().len(), 2);
    }

    #[test]
    fn nothing_that_is_dangerous_is_needed() {
        let lists = [SERVE, READ_FILES, CHANGE_FILES, FORK].into_iter().chain(OLD);
        let mut needed: Vec<_> = lists.flatten().collect();
        assert!(!needed.iter().any(|call| DANGEROUS.contains(call)));
        let count = needed.len();
        needed.sort();
        needed.dedup();
        assert_eq!(needed.len(), count, "each stands once");
        for exec in
            [libc::SYS_execve, libc::SYS_execveat, libc::SYS_socket, libc::SYS_connect, libc::SYS_bind]
        {
            assert!(!needed.contains(&&exec));
        }
    }
}
