//! Since when a process has not run: for a zombie, since when it is dead.
//!
//! No file has the time of a death. But the scheduler notes in `/proc/PID/sched` when a process last left a processor,
//! and nobody runs once it is dead. Each processor's clock stands still while the machine's host runs something else,
//! so that two of them may differ: the note is compared with that of this process on the same processor.

use std::{cell::RefCell, collections::HashMap, fs, time::Duration};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::{snapshot::Snapshot, stat::Process};

/// The clocks of the processors, each read when it is first asked for.
#[derive(Debug, Default)]
pub struct Clocks(RefCell<HashMap<usize, Option<Duration>>>);

impl Clocks {
    /// About how long a process has not run; `None` where the kernel does not tell, and for one that runs or has several
    /// threads. Never longer than it exists.
    pub fn idle(&self, snapshot: &Snapshot, process: &Process) -> Option<Duration> {
        if process.threads > 1 {
            return None;
        }
        let last = last_ran(&process.pid.to_string())?;
        let now =
            *self.0.borrow_mut().entry(process.processor).or_insert_with(|| clock_of(process.processor));
        Some(now?.saturating_sub(last).min(snapshot.age(process)))
    }
}

/// What a processor's clock says now: this thread goes there, looks at its own note, and comes back.
fn clock_of(processor: usize) -> Option<Duration> {
    let this = Pid::from_raw(0);
    let home = sched_getaffinity(this).ok()?;
    let mut there = CpuSet::new();
    there.set(processor).ok()?;
    sched_setaffinity(this, &there).ok()?;
    let now = last_ran("thread-self");
    let _ = sched_setaffinity(this, &home);
    now
}

/// When it last left its processor, by that processor's clock.
fn last_ran(pid: &str) -> Option<Duration> {
    parse(&fs::read_to_string(format!("/proc/{pid}/sched")).ok()?)
}

/// `se.exec_start  :   3247001.079197`, in milliseconds.
fn parse(text: &str) -> Option<Duration> {
    let line = text.lines().find_map(|line| line.strip_prefix("se.exec_start")?.split_once(':'))?;
    let millis: f64 = line.1.trim().parse().ok()?;
    Duration::try_from_secs_f64(millis / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_is_found_by_its_name() {
        let text =
            "cat (16893, #threads: 1)\n---\nse.exec_start          :       3247001.079197\nse.vruntime : 5\n";
        assert_eq!(parse(text), Some(Duration::from_nanos(3_247_001_079_197)));
        assert_eq!(parse("perl (1, #threads: 1)\n"), None);
        assert_eq!(parse("se.exec_start : -5\n"), None);
    }

    #[test]
    fn looking_at_a_clock_leaves_this_thread_where_it_may_run() {
        let allowed = || sched_getaffinity(Pid::from_raw(0)).expect("one may ask");
        let before = allowed();
        clock_of(0);
        clock_of(100_000);
        assert_eq!(before, allowed());
    }
}
