//! Which processes of a snapshot are shown.
//!
//! ```ignore
//! let below = Selection::of(&snapshot, &[4711]);          // a process and all below it
//! let chain = below.with_parents(&snapshot);              // and the line of those above it
//! ```

use std::collections::{BTreeSet, HashSet};

use super::{snapshot::Snapshot, stat::Process};

/// A part of the forest.
#[derive(Debug, Default)]
pub struct Selection {
    /// Shown with everything below them.
    whole: BTreeSet<i32>,
    /// Shown, with those below them that are shown for their own sake.
    alone: HashSet<i32>,
    /// How many threads of the kernel were left out of a look at everybody.
    left_out: usize,
}

impl Selection {
    /// Everybody.
    pub fn all(snapshot: &Snapshot) -> Self {
        Self { whole: snapshot.roots().map(|root| root.pid).collect(), ..Self::default() }
    }

    /// Everybody but the threads of the kernel.
    pub fn users(snapshot: &Snapshot) -> Self {
        let roots = snapshot.roots().filter(|root| !root.kernel);
        let left_out = snapshot.processes().iter().filter(|process| process.kernel).count();
        Self { whole: roots.map(|root| root.pid).collect(), left_out, ..Self::default() }
    }

    /// These and all below them.
    pub fn of(snapshot: &Snapshot, pids: &[i32]) -> Self {
        let chosen: HashSet<i32> = pids.iter().copied().collect();
        let below_another =
            |process: &Process| snapshot.ancestors(process).iter().any(|above| chosen.contains(&above.pid));
        let tops = pids.iter().filter_map(|pid| snapshot.get(*pid)).filter(|process| !below_another(process));
        Self { whole: tops.map(|process| process.pid).collect(), ..Self::default() }
    }

    /// The same, and the line of those above each.
    #[must_use]
    pub fn with_parents(mut self, snapshot: &Snapshot) -> Self {
        let tops: Vec<_> = self.roots(snapshot);
        self.alone.extend(tops.iter().flat_map(|top| snapshot.ancestors(top)).map(|above| above.pid));
        self
    }

    /// The zombies among these, and their parents, whose duty they are.
    #[must_use]
    pub fn zombies(&self, snapshot: &Snapshot) -> Self {
        let mut alone = HashSet::new();
        for zombie in self.members(snapshot).into_iter().filter(|process| process.is_zombie()) {
            alone.insert(zombie.pid);
            alone.extend(snapshot.parent(zombie).map(|parent| parent.pid));
        }
        Self { alone, ..Self::default() }
    }

    /// How many threads of the kernel are not among these because nobody asked for them.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Those at the top.
    pub fn roots<'s>(&self, snapshot: &'s Snapshot) -> Vec<&'s Process> {
        let shown = |pid: i32| self.alone.contains(&pid) || self.whole.contains(&pid);
        let mut pids: Vec<_> = self.whole.iter().chain(&self.alone).copied().collect();
        pids.sort_unstable();
        pids.dedup();
        let processes = pids.into_iter().filter_map(|pid| snapshot.get(pid));
        processes
            .filter(|process| !snapshot.parent(process).is_some_and(|parent| shown(parent.pid)))
            .collect()
    }

    /// What is shown right below a process, and whether all below those is shown too.
    pub fn children<'s>(&self, snapshot: &'s Snapshot, parent: &Process, within: Within) -> Vec<&'s Process> {
        let all = snapshot.children(parent.pid);
        match within {
            Within::Whole => all.collect(),
            Within::Alone => all
                .filter(|child| self.alone.contains(&child.pid) || self.whole.contains(&child.pid))
                .collect(),
        }
    }

    /// How a process below one that is shown in this way is shown.
    pub fn within(&self, process: &Process, above: Within) -> Within {
        if above == Within::Whole || self.whole.contains(&process.pid) {
            Within::Whole
        } else {
            Within::Alone
        }
    }

    /// Everybody who is shown.
    pub fn members<'s>(&self, snapshot: &'s Snapshot) -> Vec<&'s Process> {
        let mut open: Vec<_> = self.roots(snapshot).into_iter().map(|root| (root, Within::Alone)).collect();
        let (mut members, mut seen) = (Vec::new(), HashSet::new());
        while let Some((process, above)) = open.pop() {
            if seen.insert(process.pid) {
                let within = self.within(process, above);
                members.push(process);
                open.extend(
                    self.children(snapshot, process, within).into_iter().map(|child| (child, within)),
                );
            }
        }
        members
    }
}

/// Whether everything below a process is shown, or what was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Everything below.
    Whole,
    /// What was chosen for its own sake.
    Alone,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 1 has 10 and 20; 10 has 11, which has 12 (a zombie); 20 has 21.
    fn snapshot() -> Snapshot {
        let line = |(pid, ppid, state): &(i32, i32, char)| {
            let zeros = "0 ".repeat(46);
            Process::parse(format!("{pid} (p) {state} {ppid} {pid} 1 {zeros}").as_bytes()).expect("a line")
        };
        let all = [(1, 0, 'S'), (10, 1, 'S'), (11, 10, 'S'), (12, 11, 'Z'), (20, 1, 'S'), (21, 20, 'S')];
        Snapshot::new(all.iter().map(line).collect(), Duration::ZERO)
    }

    fn members(selection: &Selection) -> Vec<i32> {
        let mut pids: Vec<_> = selection.members(&snapshot()).iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        pids
    }

    fn roots(selection: &Selection) -> Vec<i32> {
        selection.roots(&snapshot()).iter().map(|process| process.pid).collect()
    }

    #[test]
    fn a_process_is_shown_with_all_below_it_and_once() {
        assert_eq!(members(&Selection::all(&snapshot())), [1, 10, 11, 12, 20, 21]);
        let two = Selection::of(&snapshot(), &[10, 11, 21]);
        assert_eq!((roots(&two), members(&two)), (vec![10, 21], vec![10, 11, 12, 21]));
    }

    #[test]
    fn the_line_above_comes_without_the_neighbours() {
        let chain = Selection::of(&snapshot(), &[11]).with_parents(&snapshot());
        assert_eq!((roots(&chain), members(&chain)), (vec![1], vec![1, 10, 11, 12]));
    }

    #[test]
    fn a_zombie_comes_with_its_parent_alone() {
        let zombies = Selection::all(&snapshot()).zombies(&snapshot());
        assert_eq!((roots(&zombies), members(&zombies)), (vec![11], vec![11, 12]));
        assert_eq!(members(&Selection::of(&snapshot(), &[20]).zombies(&snapshot())), [0; 0]);
        assert_eq!(members(&zombies.with_parents(&snapshot())), [1, 10, 11, 12]);
    }
}
