//! What is counted: descriptors, processes, waiting connections, memory; and one signal.

use super::{Finding, file, number};
use crate::{
    inspect::{explain::words::Lang, snapshot::Snapshot},
    process::{limits, signal},
};

/// So many descriptors are enough for a server that nobody has heard of yet.
const ENOUGH: u64 = 4096;

/// How many descriptors a process may hold. getrlimit(2).
pub fn descriptors(lang: Lang) -> Finding {
    let (id, what) = ("descriptors", lang.say("open descriptors of a process", "一个进程能打开的文件描述符"));
    let Ok((soft, hard)) = limits::descriptors() else {
        return Finding::good(
            id,
            what,
            lang.say("unknown", "未知"),
            lang.say("the limit cannot be read", "读不到这个上限"),
        );
    };
    let connections = soft.saturating_sub(64);
    let means = lang.say(
        format!(
            "each connection takes one: with the limit reached accept fails with EMFILE, at about {connections} connections"
        ),
        format!("每个连接占用一个：达到上限后 accept 以 EMFILE 失败，大约在 {connections} 个连接时"),
    );
    let value = lang.say(format!("{soft}, may be raised to {hard}"), format!("{soft}，可以提高到 {hard}"));
    let found = Finding::good(id, what, value, means);
    if soft >= ENOUGH {
        found
    } else if hard >= ENOUGH {
        found.note(lang.say(
            format!("ulimit -n {hard}, or LimitNOFILE= in the unit"),
            format!("ulimit -n {hard}，或在 systemd 单元里写 LimitNOFILE="),
        ))
    } else {
        found.bad(lang.say(
            "raise the hard limit: LimitNOFILE= in the unit, or /etc/security/limits.conf",
            "提高硬上限：在 systemd 单元里写 LimitNOFILE=，或改 /etc/security/limits.conf",
        ))
    }
}

/// How many processes there may be.
pub fn processes(snapshot: &Snapshot, lang: Lang) -> Finding {
    let (id, what) = ("processes", lang.say("number of processes", "进程数"));
    let (now, most) = (snapshot.processes().len(), number("/proc/sys/kernel/pid_max").unwrap_or(32_768));
    let means = lang.say(
        "each worker, and each zombie, takes a pid; without one fork fails with EAGAIN",
        "每个工作进程、每个僵尸进程都占一个进程号；用完之后 fork 以 EAGAIN 失败",
    );
    let value = lang.say(format!("{now} of at most {most} pids"), format!("{now} 个，最多 {most} 个进程号"));
    let found = Finding::good(id, what, value, means);
    // Threads take pids too, so half is already close.
    let close = u64::try_from(now).unwrap_or(u64::MAX) > most / 2;
    let remedy = lang.say(
        "sysctl kernel.pid_max=4194304, and forkd tree --zombies",
        "sysctl kernel.pid_max=4194304，再看 forkd tree --zombies",
    );
    if close { found.bad(remedy) } else { found }
}

/// Whether whoever started this program had SIGCHLD ignored: that survives exec.
pub fn sigchld(lang: Lang) -> Finding {
    let (id, what) = ("sigchld", lang.say("SIGCHLD as it was inherited", "继承来的 SIGCHLD"));
    if signal::is_ignored(libc::SIGCHLD).unwrap_or(false) {
        let means = lang.say(
            "children vanish without a status and wait fails with ECHILD; exec hands this on, so programs that are \
             started from here lose their children too (forkd sets it back in its servers and says so in the log)",
            "子进程消失时不留状态，wait 以 ECHILD 失败；exec 会把它传下去，所以从这里启动的程序也会丢掉自己的子进程\
             （forkd 在自己的服务器里把它改回来，并写进日志）",
        );
        let found = Finding::good(id, what, lang.say("ignored", "被忽略"), means);
        return found.bad(lang.say(
            "find who ignores it: forkd tree --parents, then SigIgn in /proc/PID/status",
            "找出是谁忽略的：forkd tree --parents，再看 /proc/PID/status 里的 SigIgn",
        ));
    }
    let means = lang.say(
        "a parent hears of each child's end and can read its status",
        "每个子进程结束时父进程都会得知，并能读到它的状态",
    );
    Finding::good(id, what, lang.say("not ignored", "没有被忽略"), means)
}

/// How many connections may wait to be accepted.
pub fn backlog(lang: Lang) -> Finding {
    let (id, what) = ("somaxconn", lang.say("longest accept queue", "最长的 accept 队列"));
    let most = number("/proc/sys/net/core/somaxconn").unwrap_or(128);
    let means = lang.say(
        "no backlog is longer than this, whatever listen(2) asks for; when it is full new clients wait for seconds, as \
         their SYN is dropped",
        "不管 listen(2) 要多少，backlog 都不会比它长；队列满了以后新客户的 SYN 被丢弃，要等好几秒",
    );
    let found = Finding::good(id, what, most.to_string(), means);
    if most < 1024 { found.note("sysctl net.core.somaxconn=4096") } else { found }
}

/// How the kernel promises memory.
pub fn overcommit(lang: Lang) -> Finding {
    let (id, what) = ("overcommit", lang.say("promises of memory", "内存的承诺（overcommit）"));
    let mode = file("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    match mode.as_str() {
        "2" => Finding::good(
            id,
            what,
            lang.say("2, strict", "2，严格"),
            lang.say(
                "fork counts the whole memory of the master again for each child, though they share it: a large master \
                 fails with ENOMEM",
                "fork 为每个子进程把主进程的全部内存再算一遍，尽管它们是共享的：主进程很大时以 ENOMEM 失败",
            ),
        )
        .note(lang.say(
            "keep the master small, or sysctl vm.overcommit_memory=0",
            "让主进程保持小，或者 sysctl vm.overcommit_memory=0",
        )),
        "1" => Finding::good(
            id,
            what,
            lang.say("1, always", "1，总是答应"),
            lang.say(
                "fork never fails for memory; when it runs out, the kernel kills a process of its choice",
                "fork 不会因为内存失败；真用完的时候，内核挑一个进程杀掉",
            ),
        ),
        _ => Finding::good(
            id,
            what,
            lang.say(format!("{mode}, by estimate"), format!("{mode}，按估计")),
            lang.say(
                "fork succeeds where the memory is likely to suffice: pages are shared until one side writes",
                "只要内存大概够用 fork 就成功：页面是共享的，直到某一方去写（写时复制）",
            ),
        ),
    }
}
