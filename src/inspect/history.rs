//! What one who keeps looking knows: who had another parent before, and who is gone since a moment ago.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use super::{snapshot::Snapshot, stat::Process};
use crate::process::clock::Time;

/// How long the dead stay in the picture.
pub const REMEMBERED: Duration = Duration::from_secs(5);

/// What names a process for good: its pid and when it was made.
type Name = (i32, u64);

/// The memory of a watcher.
#[derive(Debug, Default)]
pub struct History {
    living: HashMap<Name, Known>,
    gone: BTreeMap<Name, Gone>,
    now: Time,
}

#[derive(Debug)]
struct Known {
    first_parent: i32,
    last_seen: Process,
}

/// A process that was found gone.
#[derive(Debug, Clone)]
pub struct Gone {
    /// It as it was seen last.
    pub process: Process,
    /// When it was missed.
    pub since: Time,
}

impl History {
    /// Takes note of what is there at this moment.
    pub fn note(&mut self, snapshot: &Snapshot, now: Time) {
        self.now = now;
        self.gone.retain(|_, gone| now.since(gone.since) < REMEMBERED);
        let is_there =
            |name: &Name| snapshot.get(name.0).is_some_and(|process| process.start_ticks == name.1);
        let missing: Vec<_> = self.living.keys().filter(|name| !is_there(name)).copied().collect();
        for name in missing {
            if let Some(known) = self.living.remove(&name) {
                self.gone.insert(name, Gone { process: known.last_seen, since: now });
            }
        }
        for process in snapshot.processes() {
            let name = (process.pid, process.start_ticks);
            let known = self.living.entry(name);
            known
                .and_modify(|known| known.last_seen = process.clone())
                .or_insert_with(|| Known { first_parent: process.ppid, last_seen: process.clone() });
        }
    }

    /// The parent that a process had when it was first seen, if it has another one now.
    pub fn former_parent(&self, process: &Process) -> Option<i32> {
        let known = self.living.get(&(process.pid, process.start_ticks))?;
        (known.first_parent != process.ppid).then_some(known.first_parent)
    }

    /// Those who are gone and were last seen as children of this process.
    pub fn gone_below(&self, pid: i32) -> impl Iterator<Item = &Gone> {
        self.gone.values().filter(move |gone| gone.process.ppid == pid)
    }

    /// How long ago somebody was missed.
    pub fn ago(&self, gone: &Gone) -> Duration {
        self.now.since(gone.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(all: &[(i32, i32, u64)]) -> Snapshot {
        let line = |(pid, ppid, start): &(i32, i32, u64)| {
            let line = format!("{pid} (p) S {ppid} {pid} 1 {}{start} {}", "0 ".repeat(15), "0 ".repeat(30));
            Process::parse(line.as_bytes()).expect("a line")
        };
        Snapshot::new(all.iter().map(line).collect(), Duration::ZERO)
    }

    fn gone(history: &History, pid: i32) -> Vec<i32> {
        history.gone_below(pid).map(|gone| gone.process.pid).collect()
    }

    #[test]
    fn the_dead_stay_for_a_while_below_their_parent() {
        let mut history = History::default();
        history.note(&snapshot(&[(1, 0, 0), (7, 1, 5)]), Time::from_millis(0));
        history.note(&snapshot(&[(1, 0, 0)]), Time::from_millis(500));
        assert_eq!(gone(&history, 1), [7]);
        history.note(&snapshot(&[(1, 0, 0)]), Time::from_millis(5499));
        assert_eq!(gone(&history, 1), [7]);
        history.note(&snapshot(&[(1, 0, 0)]), Time::from_millis(5500));
        assert_eq!(gone(&history, 1), [0; 0]);
    }

    #[test]
    fn who_gets_another_parent_was_adopted_for_certain() {
        let mut history = History::default();
        history.note(&snapshot(&[(1, 0, 0), (7, 1, 5), (8, 7, 6)]), Time::ZERO);
        let later = snapshot(&[(1, 0, 0), (8, 1, 6)]);
        history.note(&later, Time::from_millis(500));
        assert_eq!(history.former_parent(later.get(8).expect("it is there")), Some(7));
        assert_eq!(history.former_parent(later.get(1).expect("it is there")), None);
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut history = History::default();
        history.note(&snapshot(&[(1, 0, 0), (7, 1, 5)]), Time::ZERO);
        let later = snapshot(&[(1, 0, 0), (7, 1, 50)]);
        history.note(&later, Time::from_millis(500));
        assert_eq!(gone(&history, 1), [7]);
        assert_eq!(history.former_parent(later.get(7).expect("it is there")), None);
    }
}
