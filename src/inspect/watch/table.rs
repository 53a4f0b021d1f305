//! Who is known, and what follows from what is seen of them: no system call but the questions of [`Look`].

use std::collections::BTreeMap;

use super::{Event, Named, News, Reaper, look::Look};
use crate::{
    inspect::stat::Process,
    process::{clock::Time, exit::ExitStatus},
};

/// A process that is watched, until it is reaped.
#[derive(Debug)]
pub struct Known {
    /// Who is its parent, as far as is known.
    ppid: i32,
    comm: Option<String>,
    program: Option<String>,
    /// With the pid this names a process for good.
    start_ticks: Option<u64>,
    born: Option<Time>,
    ended: Option<Time>,
    /// It was seen as a zombie: whom the kernel reaps is none for any moment.
    was_zombie: bool,
    status: Option<ExitStatus>,
}

/// Those that are watched.
#[derive(Debug)]
pub struct Table<L> {
    known: BTreeMap<i32, Known>,
    /// The process whose descendants are watched; `None` watches all.
    root: Option<i32>,
    look: L,
    news: Vec<News>,
}

impl<L: Look> Table<L> {
    /// Watches one process and those below it, or all.
    pub fn new(root: Option<i32>, look: L) -> Self {
        Self { known: BTreeMap::new(), root, look, news: Vec::new() }
    }

    /// What has happened since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        // Words of the kernel and descriptors are read one after the other: the order is that of the clock.
        news.sort_by_key(|news| news.at);
        news
    }

    /// Those that are watched and not reaped yet.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.known.keys().copied()
    }

    /// Whether that process is watched.
    pub fn knows(&self, pid: i32) -> bool {
        self.known.contains_key(&pid)
    }

    /// Whether it has ended and waits to be reaped.
    pub fn is_zombie(&self, pid: i32) -> bool {
        self.known.get(&pid).is_some_and(|known| known.ended.is_some())
    }

    /// Takes up those who are there at the beginning, parents before their children wherever that can be.
    pub fn begin_with<'p>(&mut self, processes: impl Iterator<Item = &'p Process>) {
        let mut left: Vec<&Process> = processes.collect();
        loop {
            let before = left.len();
            left.retain(|process| {
                let wanted = self.wants(process.pid, process.ppid);
                if wanted && !self.knows(process.pid) {
                    let program = self.look.program(process.pid);
                    self.known.insert(process.pid, Known { program, ..Known::seen(process) });
                }
                !wanted
            });
            if left.len() == before {
                return;
            }
        }
    }

    /// A process made another.
    pub fn forked(&mut self, at: Time, parent: i32, child: i32) {
        // A walk at the beginning may have met it before the kernel's word of it is read.
        if self.knows(child) || !self.wants(child, parent) {
            return;
        }
        let process = self.look.process(child);
        if process.as_ref().is_some_and(|process| process.kernel) {
            return;
        }
        // One that has executed meanwhile still began with its parent's name.
        let comm = self.comm(parent).or_else(|| process.as_ref().map(|process| process.comm.clone()));
        let start_ticks = process.map(|process| process.start_ticks);
        let program = self.known.get(&parent).and_then(|parent| parent.program.clone());
        let known = Known { comm, program, start_ticks, born: Some(at), ..Known::unseen(parent) };
        self.known.insert(child, known);
        let parent = self.named(parent);
        self.tell(at, child, Event::Fork { parent });
    }

    /// A process runs another program.
    pub fn executed(&mut self, at: Time, pid: i32) {
        if !self.knows(pid) {
            return;
        }
        let title = self.look.title(pid);
        self.renamed(pid);
        self.tell(at, pid, Event::Exec { title });
    }

    /// A process may have another name.
    pub fn renamed(&mut self, pid: i32) {
        let Some(known) = self.known.get_mut(&pid) else { return };
        if let Some(process) = self.look.process(pid) {
            known.comm = Some(process.comm);
            known.start_ticks = Some(process.start_ticks);
        }
        known.program = self.look.program(pid);
    }

    /// A process has ended; its children have another parent by now.
    pub fn ended(&mut self, at: Time, pid: i32, status: Option<ExitStatus>) {
        let zombie = self.look.process(pid).filter(Process::is_zombie);
        let Some(known) = self.known.get_mut(&pid).filter(|known| known.ended.is_none()) else { return };
        known.ended = Some(at);
        known.was_zombie = zombie.is_some();
        known.status = status.or_else(|| zombie.and_then(|zombie| zombie.exit));
        let (status, lived) = (known.status, known.born.map(|born| at.since(born)));
        self.tell(at, pid, Event::Exit { status, lived });
        let children: Vec<i32> =
            self.known.iter().filter(|(_, known)| known.ppid == pid).map(|(child, _)| *child).collect();
        for child in children {
            self.ask_for_parent(at, child);
        }
    }

    /// A process is reaped: it is forgotten here.
    pub fn reaped(&mut self, at: Time, pid: i32, status: Option<ExitStatus>) {
        self.ended(at, pid, status);
        let Some(known) = self.known.get(&pid) else { return };
        let after = known.ended.map(|ended| at.since(ended)).unwrap_or_default();
        let status = if known.status.is_none() { status } else { None };
        let (parent, was_zombie) = (known.ppid, known.was_zombie);
        let by = self.reaper(parent, was_zombie);
        self.tell(at, pid, Event::Reaped { by, after, status });
        self.known.remove(&pid);
    }

    /// Who reaped a child of that parent.
    fn reaper(&self, parent: i32, was_zombie: bool) -> Reaper {
        let known = self.known.get(&parent);
        let alive =
            known.map_or_else(|| self.look.process(parent).is_some(), |parent| parent.ended.is_none());
        if !alive {
            Reaper::Adopter
        } else if !was_zombie && self.look.ignores_children(parent) {
            Reaper::Kernel(self.named(parent))
        } else {
            Reaper::Parent(self.named(parent))
        }
    }

    /// Who is its parent, as far as is known.
    pub fn parent(&self, pid: i32) -> Option<i32> {
        self.known.get(&pid).map(|known| known.ppid)
    }

    /// A process is not watched any more.
    pub fn forget(&mut self, pid: i32) {
        self.known.remove(&pid);
    }

    /// Some of the kernel's words are lost.
    pub fn lost(&mut self, at: Time) {
        self.tell(at, self.root.unwrap_or(0), Event::Lost);
    }

    /// Holds all processes, as they are now, against what is known. `held` says which are held by a descriptor: their
    /// end is told by that.
    pub fn compare<'p>(
        &mut self,
        at: Time,
        now: impl Iterator<Item = &'p Process>,
        held: impl Fn(i32) -> bool,
    ) {
        // The older first: nobody is older than its parent, and so each finds its parent known.
        let mut now: Vec<&Process> = now.collect();
        now.sort_by_key(|process| (process.start_ticks, process.pid));
        let present: BTreeMap<i32, u64> =
            now.iter().map(|process| (process.pid, process.start_ticks)).collect();
        let gone = |(pid, known): (&i32, &Known)| {
            let same =
                present.get(pid).is_some_and(|ticks| known.start_ticks.is_none_or(|own| own == *ticks));
            (!same && !held(*pid)).then_some(*pid)
        };
        let gone: Vec<i32> = self.known.iter().filter_map(gone).collect();
        for pid in gone {
            self.reaped(at, pid, None);
        }
        for process in now {
            self.compare_one(at, process, held(process.pid));
        }
    }

    fn compare_one(&mut self, at: Time, process: &Process, held: bool) {
        if !self.knows(process.pid) {
            self.forked(at, process.ppid, process.pid);
        }
        let Some(known) = self.known.get_mut(&process.pid) else { return };
        known.start_ticks = Some(process.start_ticks);
        if known.comm.as_deref() != Some(&process.comm) {
            let before = known.program.clone();
            self.renamed(process.pid);
            let now = self.known.get(&process.pid).and_then(|known| known.program.clone());
            if now.is_none() || now != before {
                let title = self.look.title(process.pid);
                self.tell(at, process.pid, Event::Exec { title });
            }
        }
        if process.is_zombie() && !held {
            self.ended(at, process.pid, process.exit);
        }
        self.moved(at, process.pid, process.ppid);
    }

    /// Asks who the parent of that process is now.
    fn ask_for_parent(&mut self, at: Time, pid: i32) {
        if let Some(process) = self.look.process(pid) {
            self.moved(at, pid, process.ppid);
        }
    }

    /// Notes the parent of that process, and tells if it is another than before.
    fn moved(&mut self, at: Time, pid: i32, ppid: i32) {
        let Some(known) = self.known.get_mut(&pid).filter(|known| known.ppid != ppid) else { return };
        let before = std::mem::replace(&mut known.ppid, ppid);
        let event = Event::Adopted { parent: self.named(before), by: self.named(ppid) };
        self.tell(at, pid, event);
    }

    /// Whether a child of that parent is watched.
    fn wants(&self, pid: i32, ppid: i32) -> bool {
        self.root.is_none_or(|root| pid == root || self.knows(ppid))
    }

    fn comm(&self, pid: i32) -> Option<String> {
        let known = self.known.get(&pid).and_then(|known| known.comm.clone());
        known.or_else(|| self.look.process(pid).map(|process| process.comm))
    }

    fn named(&self, pid: i32) -> Named {
        Named { pid, comm: self.comm(pid) }
    }

    fn tell(&mut self, at: Time, pid: i32, event: Event) {
        let process = self.named(pid);
        self.news.push(News { at, process, event });
    }
}

impl Known {
    fn unseen(ppid: i32) -> Self {
        Self {
            ppid,
            comm: None,
            program: None,
            start_ticks: None,
            born: None,
            ended: None,
            was_zombie: false,
            status: None,
        }
    }

    fn seen(process: &Process) -> Self {
        let (comm, start_ticks) = (Some(process.comm.clone()), Some(process.start_ticks));
        Self { comm, start_ticks, ..Self::unseen(process.ppid) }
    }
}

#[cfg(test)]
mod tests;
