//! What is counted: descriptors, processes, waiting connections, memory; and one signal.

use super::{Finding, file, number};
use crate::{
    inspect::snapshot::Snapshot,
    process::{limits, signal},
};

/// So many descriptors are enough for a server that nobody has heard of yet.
const ENOUGH: u64 = 4096;

/// How many descriptors a process may hold. getrlimit(2).
pub fn descriptors() -> Finding {
    let (id, what) = ("descriptors", "open descriptors of a process");
    let Ok((soft, hard)) = limits::descriptors() else {
        return Finding::good(id, what, "unknown", "the limit cannot be read");
    };
    let means = format!(
        "each connection takes one: with the limit reached accept fails with EMFILE, at about {} connections",
        soft.saturating_sub(64)
    );
    let found = Finding::good(id, what, format!("{soft}, may be raised to {hard}"), means);
    if soft >= ENOUGH {
        found
    } else if hard >= ENOUGH {
        found.note(format!("ulimit -n {hard}, or LimitNOFILE= in the unit"))
    } else {
        found.bad("raise the hard limit: LimitNOFILE= in the unit, or /etc/security/limits.conf")
    }
}

/// How many processes there may be.
pub fn processes(snapshot: &Snapshot) -> Finding {
    let (id, what) = ("processes", "number of processes");
    let (now, most) = (snapshot.processes().len(), number("/proc/sys/kernel/pid_max").unwrap_or(32_768));
    let means = "each worker, and each zombie, takes a pid; without one fork fails with EAGAIN";
    let found = Finding::good(id, what, format!("{now} of at most {most} pids"), means);
    // Threads take pids too, so half is already close.
    let close = u64::try_from(now).unwrap_or(u64::MAX) > most / 2;
    if close { found.bad("sysctl kernel.pid_max=4194304, and forkd tree --zombies") } else { found }
}

/// Whether whoever started this program had SIGCHLD ignored: that survives exec.
pub fn sigchld() -> Finding {
    let (id, what) = ("sigchld", "SIGCHLD as it was inherited");
    if signal::is_ignored(libc::SIGCHLD).unwrap_or(false) {
        let means = "children vanish without a status and wait fails with ECHILD; exec hands this on, so programs that \
            are started from here lose their children too (forkd sets it back in its servers and says so in the log)";
        let found = Finding::good(id, what, "ignored", means);
        return found.bad("find who ignores it: forkd tree --parents, then SigIgn in /proc/PID/status");
    }
    Finding::good(id, what, "not ignored", "a parent hears of each child's end and can read its status")
}

/// How many connections may wait to be accepted.
pub fn backlog() -> Finding {
    let (id, what) = ("somaxconn", "longest accept queue");
    let most = number("/proc/sys/net/core/somaxconn").unwrap_or(128);
    let means = "no backlog is longer than this, whatever listen(2) asks for; when it is full new clients wait for \
        seconds, as their SYN is dropped";
    let found = Finding::good(id, what, most.to_string(), means);
    if most < 1024 { found.note("sysctl net.core.somaxconn=4096") } else { found }
}

/// How the kernel promises memory.
pub fn overcommit() -> Finding {
    let (id, what) = ("overcommit", "promises of memory");
    let mode = file("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    match mode.as_str() {
        "2" => Finding::good(
            id,
            what,
            "2, strict",
            "fork counts the whole memory of the master again for each child, though they share it: a large master \
             fails with ENOMEM",
        )
        .note("keep the master small, or sysctl vm.overcommit_memory=0"),
        "1" => Finding::good(
            id,
            what,
            "1, always",
            "fork never fails for memory; when it runs out, the kernel kills a process of its choice",
        ),
        _ => Finding::good(
            id,
            what,
            format!("{mode}, by estimate"),
            "fork succeeds where the memory is likely to suffice: pages are shared until one side writes",
        ),
    }
}
