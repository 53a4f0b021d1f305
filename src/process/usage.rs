//! What a process uses at this moment, as /proc says it.

use std::{fs, time::Duration};

use nix::unistd::{SysconfVar, sysconf};

use super::Pid;

/// Memory and processor time of one process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Memory in use, in bytes, shared pages counted in full; unknown where it may not be read.
    pub rss: Option<u64>,
    /// The same, each shared page counted by its share: what ends when the process does.
    pub pss: Option<u64>,
    /// Processor time since its start, user and system.
    pub cpu: Option<Duration>,
}

impl Footprint {
    /// That of a process; nothing is known of one that is gone. proc_pid_smaps_rollup(5), proc_pid_stat(5).
    pub fn of(pid: Pid) -> Self {
        let file = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let rollup = file("smaps_rollup");
        let cpu = ticks(&file("stat")).zip(sysconf(SysconfVar::CLK_TCK).ok().flatten());
        Self {
            rss: kilobytes(&rollup, "Rss:"),
            pss: kilobytes(&rollup, "Pss:"),
            cpu: cpu.map(|(ticks, rate)| Duration::from_millis(ticks * 1000 / rate.unsigned_abs().max(1))),
        }
    }
}

/// Memory in use by a process, in bytes, shared pages counted in full; nothing is known of one that is gone. It costs a
/// hundredth of [`Footprint::of`]. proc_pid_statm(5).
pub fn resident(pid: Pid) -> Option<u64> {
    let pages: u64 =
        fs::read_to_string(format!("/proc/{pid}/statm")).ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(sysconf(SysconfVar::PAGE_SIZE).ok()??).ok()?)
}

fn kilobytes(rollup: &str, field: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// User and system time; the command's name before them may hold anything, so it ends at the last parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_its_own_footprint() {
        let own = Footprint::of(nix::unistd::getpid());
        assert!(own.pss <= own.rss && own.pss > Some(4096), "{own:?}");
        assert!(own.cpu.is_some());
    }

    #[test]
    fn what_is_resident_is_what_the_footprint_says() {
        let memory = vec![1_u8; 16 << 20];
        let own = nix::unistd::getpid();
        let (resident, rss) = (resident(own).expect("our own"), Footprint::of(own).rss.expect("our own"));
        assert!(resident.abs_diff(rss) < 4 << 20 && resident > memory.len() as u64, "{resident} {rss}");
        assert_eq!(super::resident(Pid::from_raw(i32::MAX)), None);
    }

    #[test]
    fn of_nobody_nothing_is_known() {
        assert_eq!(Footprint::of(Pid::from_raw(i32::MAX)), Footprint::default());
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) R 0 (b)) S 1 7 7 0 -1 4194368 9 9 9 9 30 12 0 0 20 0 1 0 5";
        assert_eq!(ticks(stat), Some(42));
    }
}
