//! Where this program lives: who is the first process, which namespaces and which control group it is in.

use std::fs;

use super::{Finding, file};
use crate::inspect::{
    kin,
    snapshot::Snapshot,
    text::{printable, size},
};

/// Zombies on the machine.
pub fn zombies(snapshot: &Snapshot) -> Finding {
    let (id, what) = ("zombies", "zombies");
    let count = snapshot.zombies().count();
    let means =
        "a zombie takes a pid and some kilobytes of the kernel's memory until its parent waits for it";
    let found = Finding::good(id, what, count.to_string(), means);
    if count == 0 { found } else { found.note("forkd tree --zombies says whose duty they are") }
}

/// The first process: it adopts orphans, and must wait for them.
pub fn first_process(snapshot: &Snapshot) -> Finding {
    let (id, what) = ("init", "process 1, which adopts orphans");
    let Some(first) = snapshot.get(1) else {
        return Finding::good(id, what, "hidden", "hidepid hides it; orphans go to it all the same");
    };
    let left = snapshot.children(1).filter(|child| child.is_zombie()).count();
    let own = first.pid == std::process::id().cast_signed();
    let name = format!("1 ({})", printable(&first.comm));
    if left > 0 {
        let means = format!(
            "it leaves {left} of its dead children uncollected: what it adopts becomes a zombie for good"
        );
        return Finding::good(id, what, name, means)
            .bad("start a real init there: docker run --init, tini, dumb-init");
    }
    let means = if own || kin::adopts(snapshot, first) {
        "it has left none of its dead children uncollected so far"
    } else {
        "no orphan is with it now"
    };
    Finding::good(id, what, name, means)
}

/// The namespaces that differ from those of the first process.
pub fn namespaces() -> Finding {
    let (id, what) = ("namespaces", "namespaces");
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
        return Finding::good(id, what, "those of the machine", "pids, ports and users are the machine's");
    }
    let means = "a container or the like: pids here are not those outside, orphans go to process 1 in here, and ports \
        need to be published to be reached";
    Finding::good(id, what, format!("its own: {}", apart.join(", ")), means)
}

/// The limits of the control group that this program is in.
pub fn cgroup() -> Finding {
    let (id, what) = ("cgroup", "control group");
    let list = file("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = list.lines().find_map(|line| line.strip_prefix("0::")) else {
        return Finding::good(id, what, "none of version 2", "no limit of this kind can be read");
    };
    let limits: Vec<_> = above(path).into_iter().flat_map(limits_of).collect();
    let path = printable(path);
    if limits.is_empty() {
        let means = "neither it nor those above limit memory, processes or processors";
        return Finding::good(id, what, path, means);
    }
    let means = "past the memory limit the kernel kills a process of the group, past the number of processes fork \
        fails with EAGAIN, past the processor share all of them stand still for a moment";
    Finding::good(id, what, format!("{path}: {}", limits.join(", ")), means)
        .note("give workers room below these: --workers, --max-memory")
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

fn limits_of(group: String) -> Vec<String> {
    let read = |name: &str| file(&format!("{group}/{name}")).filter(|text| !text.starts_with("max"));
    let bytes = |text: String| text.parse().map_or(text, size);
    let limits = [
        read("memory.max").map(|text| format!("memory {}", bytes(text))),
        read("pids.max").map(|text| format!("{text} processes")),
        read("cpu.max").and_then(|text| processors(&text)).map(|text| format!("{text} processors")),
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
