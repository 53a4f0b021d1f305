//! Where this program lives: who is the first process, which namespaces and which control group it is in.

use std::fs;

use super::{Finding, file};
use crate::inspect::{
    explain::words::Lang,
    kin,
    snapshot::Snapshot,
    text::{printable, size},
};

/// Zombies on the machine.
pub fn zombies(snapshot: &Snapshot, lang: Lang) -> Finding {
    let (id, what) = ("zombies", lang.say("zombies", "僵尸进程"));
    let count = snapshot.zombies().count();
    let means = lang.say(
        "a zombie takes a pid and some kilobytes of the kernel's memory until its parent waits for it",
        "僵尸进程占着一个进程号和内核的几 KB 内存，直到父进程调用 wait 来收尸",
    );
    let found = Finding::good(id, what, count.to_string(), means);
    let remedy =
        lang.say("forkd tree --zombies says whose duty they are", "forkd tree --zombies 会说该由谁来收尸");
    if count == 0 { found } else { found.note(remedy) }
}

/// The first process: it adopts orphans, and must wait for them.
pub fn first_process(snapshot: &Snapshot, lang: Lang) -> Finding {
    let (id, what) = ("init", lang.say("process 1, which adopts orphans", "收养孤儿进程的 1 号进程"));
    let Some(first) = snapshot.get(1) else {
        let means = lang
            .say("hidepid hides it; orphans go to it all the same", "hidepid 把它藏起来了；孤儿进程照样归它");
        return Finding::good(id, what, lang.say("hidden", "看不见"), means);
    };
    let left = snapshot.children(1).filter(|child| child.is_zombie()).count();
    let own = first.pid == std::process::id().cast_signed();
    let name = format!("1 ({})", printable(&first.comm));
    if left > 0 {
        let means = lang.say(
            format!(
                "it leaves {left} of its dead children uncollected: what it adopts becomes a zombie for good"
            ),
            format!("它有 {left} 个死去的子进程没有收尸：被它收养的进程死后会一直是僵尸"),
        );
        return Finding::good(id, what, name, means).bad(lang.say(
            "start a real init there: docker run --init, tini, dumb-init",
            "在那里启动一个真正的 init：docker run --init、tini、dumb-init",
        ));
    }
    let means = if own || kin::adopts(snapshot, first) {
        lang.say(
            "it has left none of its dead children uncollected so far",
            "到现在为止，它的子进程死后都收尸了",
        )
    } else {
        lang.say("no orphan is with it now", "现在它没有收养孤儿进程")
    };
    Finding::good(id, what, name, means)
}

/// The namespaces that differ from those of the first process.
pub fn namespaces(lang: Lang) -> Finding {
    let (id, what) = ("namespaces", lang.say("namespaces", "命名空间"));
    let link = |whose: &str, kind: &str| fs::read_link(format!("/proc/{whose}/ns/{kind}")).ok();
    // The numbers of the namespaces that the kernel starts with are part of its interface.
    let first = [("pid", 4_026_531_836_u64), ("user", 4_026_531_837), ("net", 4_026_531_833), ("mnt", 0)];
    let is_own = |kind: &str, number: u64| {
        let own = link("self", kind)?;
        let same_as_init = link("1", kind).map(|init| init == own);
        let same_as_boot = (number > 0).then(|| own.to_string_lossy().contains(&number.to_string()));
        same_as_boot.or(same_as_init).map(|same| !same)
    };
    let apart: Vec<_> = first
        .iter()
        .filter(|(kind, number)| is_own(kind, *number) == Some(true))
        .map(|(kind, _)| *kind)
        .collect();
    if apart.is_empty() {
        return Finding::good(
            id,
            what,
            lang.say("those of the machine", "就是这台机器的"),
            lang.say("pids, ports and users are the machine's", "进程号、端口和用户都是这台机器的"),
        );
    }
    let means = lang.say(
        "a container or the like: pids here are not those outside, orphans go to process 1 in here, and ports need to \
         be published to be reached",
        "容器之类的环境：这里的进程号和外面不同，孤儿进程归这里的 1 号进程，端口要发布出去才能访问",
    );
    let apart = apart.join(", ");
    Finding::good(id, what, lang.say(format!("its own: {apart}"), format!("自己的：{apart}")), means)
}

/// The limits of the control group that this program is in.
pub fn cgroup(lang: Lang) -> Finding {
    let (id, what) = ("cgroup", lang.say("control group", "控制组（cgroup）"));
    let list = file("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = list.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Finding::good(
            id,
            what,
            lang.say("none of version 2", "没有第 2 版的"),
            lang.say("no limit of this kind can be read", "读不到这类上限"),
        );
    };
    let limits: Vec<_> = above(path).into_iter().flat_map(|group| limits_of(group, lang)).collect();
    let path = printable(path);
    if limits.is_empty() {
        let means = lang.say(
            "neither it nor those above limit memory, processes or processors",
            "它和它上面的组都没有限制内存、进程数或处理器",
        );
        return Finding::good(id, what, path, means);
    }
    let means = lang.say(
        "past the memory limit the kernel kills a process of the group, past the number of processes fork fails with \
         EAGAIN, past the processor share all of them stand still for a moment",
        "超过内存上限，内核会杀掉组里的一个进程；超过进程数，fork 以 EAGAIN 失败；超过处理器份额，全组都要停一会儿",
    );
    Finding::good(id, what, format!("{path}: {}", limits.join(", ")), means).note(lang.say(
        "give workers room below these: --workers, --max-memory",
        "让工作进程留在这些上限之下：--workers、--max-memory",
    ))
}

/// The path of a group and those of all above it.
fn above(path: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut rest = path.trim_end_matches('/');
    while !rest.is_empty() {
        paths.push(format!("/sys/fs/cgroup{rest}"));
        rest = rest.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    paths
}

fn limits_of(group: String, lang: Lang) -> Vec<String> {
    let read = |name: &str| file(&format!("{group}/{name}")).filter(|text| !text.starts_with("max"));
    let bytes = |text: String| text.parse().map_or(text, size);
    let limits = [
        read("memory.max").map(bytes).map(|text| lang.say(format!("memory {text}"), format!("内存 {text}"))),
        read("pids.max").map(|text| lang.say(format!("{text} processes"), format!("{text} 个进程"))),
        read("cpu.max")
            .and_then(|text| processors(&text))
            .map(|text| lang.say(format!("{text} processors"), format!("{text} 个处理器"))),
    ];
    limits.into_iter().flatten().collect()
}

/// `50000 100000` is half a processor.
fn processors(text: &str) -> Option<String> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then(|| format!("{:.1}", quota / period))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_its_own_limits_and_those_above() {
        assert_eq!(above("/a/b"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a"]);
        assert_eq!(above("/"), [""; 0]);
        assert_eq!(processors("50000 100000").as_deref(), Some("0.5"));
        assert_eq!(processors("max"), None);
    }
}
