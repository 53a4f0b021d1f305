//! The watcher's loop: waits for the kernel's word, for the ends of processes, or for the time of the next walk.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{
    News, Source,
    connector::{self, Told, What},
    look::{Proc, people},
    table::Table,
};
use crate::{
    inspect::{netlink::Netlink, snapshot::Snapshot},
    process::{Pid, clock::Time, exit::ExitStatus, limits},
    sys::pidfd,
};

/// Between two walks at least; more where a walk takes long.
const WALK: Duration = Duration::from_millis(50);
/// A walk takes at most this part of the time.
const SHARE: u32 = 10;
/// How often zombies are looked after on a kernel that does not say when they are reaped.
const ZOMBIES: Duration = Duration::from_millis(100);
/// How many words of the kernel's are read before the ended are looked after.
const BURST: usize = 256;
/// As many descriptors as a machine's processes may need.
const DESCRIPTORS: u64 = 65_536;

/// Watches processes.
#[derive(Debug)]
pub struct Watcher {
    table: Table<Proc>,
    /// The kernel's words; without it /proc is walked.
    kernel: Option<Netlink>,
    source: Source,
    next_walk: Time,
    /// One for each process whose end is waited for.
    held: BTreeMap<i32, Held>,
    root: Option<i32>,
}

/// A process that is held by a descriptor.
#[derive(Debug)]
struct Held {
    fd: OwnedFd,
    /// What the kernel said of its end, and when.
    status: Option<(Time, ExitStatus)>,
}

impl Watcher {
    /// Watches that process and all below it, or all processes of the machine but the kernel's own threads.
    ///
    /// # Errors
    /// `NotFound` when there is no such process; when /proc cannot be read.
    pub fn new(root: Option<Pid>) -> io::Result<Self> {
        let root = root.map(Pid::as_raw);
        // The subscription first: whoever is born between the two is seen by one of them at least.
        let (kernel, source) = match connector::subscribe() {
            Ok(netlink) => (Some(netlink), Source::Kernel),
            Err(cause) => (None, Source::Walks { every: WALK, because: reason(&cause) }),
        };
        // A limit that stays lower means fewer descriptors, and more is learned from walks.
        let _ = limits::raise_descriptors(DESCRIPTORS);
        let snapshot = Snapshot::take()?;
        if root.is_some_and(|root| snapshot.get(root).is_none()) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut table = Table::new(root, Proc);
        table.begin_with(people(&snapshot));
        let mut watcher =
            Self { table, kernel, source, next_walk: Time::now() + WALK, held: BTreeMap::new(), root };
        watcher.hold_all();
        Ok(watcher)
    }

    /// How it is known what happens.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// How many processes are watched now.
    pub fn watched(&self) -> usize {
        self.table.pids().count()
    }

    /// Waits until something happens; `None` once all that were watched are gone.
    ///
    /// # Errors
    /// When /proc or the kernel's words cannot be read any more.
    pub fn wait(&mut self) -> io::Result<Option<Vec<News>>> {
        loop {
            let news = self.table.take_news();
            if !news.is_empty() {
                return Ok(Some(news));
            }
            if self.root.is_some() && self.table.pids().next().is_none() {
                return Ok(None);
            }
            self.wait_once()?;
        }
    }

    /// Waits for one thing of whatever kind, and notes it.
    fn wait_once(&mut self) -> io::Result<()> {
        let mut ends = self.poll()?;
        let now = Time::now();
        // Whatever the kernel said before now is older than the ends that were seen now.
        self.hear()?;
        // A child that is reaped together with its parent was, most likely, reaped by it.
        ends.sort_by_key(|(pid, _)| {
            let told = self.held.get(pid).and_then(|held| held.status).map(|(at, _)| at);
            (told, Reverse(*pid))
        });
        for (pid, reaped) in ends {
            self.end(now, pid, reaped);
        }
        if self.kernel.is_none() && Time::now() >= self.next_walk {
            self.walk()?;
        }
        Ok(())
    }

    /// Waits; then tells which processes have ended, and whether each is reaped too.
    fn poll(&self) -> io::Result<Vec<(i32, bool)>> {
        let interest = |pid: i32| {
            // What has ended stays readable, and would keep poll from waiting.
            if self.table.is_zombie(pid) { PollFlags::empty() } else { PollFlags::POLLIN }
        };
        let mut fds: Vec<PollFd<'_>> =
            self.held.iter().map(|(pid, held)| PollFd::new(held.fd.as_fd(), interest(*pid))).collect();
        fds.extend(self.kernel.iter().map(|netlink| PollFd::new(netlink.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(cause) => return Err(cause.into()),
        }
        let any = |fd: &PollFd<'_>, flags| fd.revents().is_some_and(|got| got.intersects(flags));
        let mut ends = Vec::new();
        for ((pid, held), fd) in self.held.iter().zip(&fds) {
            let zombie = self.table.is_zombie(*pid);
            let reaped = any(fd, PollFlags::POLLHUP) || (zombie && !pidfd::exists(&held.fd));
            if reaped || any(fd, PollFlags::POLLIN) {
                ends.push((*pid, reaped));
            }
        }
        Ok(ends)
    }

    fn timeout(&self) -> PollTimeout {
        let walk = self.kernel.is_none().then(|| self.next_walk.since(Time::now()));
        let zombies = self.held.keys().any(|pid| self.table.is_zombie(*pid)).then_some(ZOMBIES);
        let wait = walk.into_iter().chain(zombies).min();
        // Rounded up: a wait that ends too early would turn in a circle.
        wait.map_or(PollTimeout::NONE, |wait| {
            PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        })
    }

    /// Reads what the kernel has said, but not without end: who ended must be looked after, too.
    fn hear(&mut self) -> io::Result<()> {
        for _ in 0..BURST {
            let Some(netlink) = &mut self.kernel else { break };
            match netlink.receive().map(connector::told) {
                Ok(told) => told.into_iter().for_each(|told| self.note(told)),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                Err(cause) if cause.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.table.lost(Time::now());
                    return self.walk();
                }
                Err(cause) => return Err(cause),
            }
        }
        Ok(())
    }

    fn note(&mut self, Told { at, what }: Told) {
        match what {
            What::Answer(_) => {}
            What::Fork { parent, child } => {
                // A number that is given again is free: who had it is reaped.
                self.end(at, child, true);
                self.table.forked(at, parent, child);
            }
            What::Exec(pid) => {
                // A thread that executes ends the first one, which takes its number: no end of the process.
                self.held.remove(&pid);
                self.table.executed(at, pid);
            }
            What::Renamed(pid) => self.table.renamed(pid),
            What::Exit { pid, status } => self.exit(at, pid, ExitStatus::from_raw(status)),
        }
    }

    /// The kernel says that a process is ending: from here on its descriptor tells when it has, and when it is reaped.
    fn exit(&mut self, at: Time, pid: i32, status: ExitStatus) {
        if !self.table.knows(pid) {
            return;
        }
        match pidfd::open(Pid::from_raw(pid)) {
            Ok(fd) => drop(self.held.insert(pid, Held { fd, status: Some((at, status)) })),
            Err(cause) => {
                self.table.ended(at, pid, Some(status));
                if cause.raw_os_error() == Some(libc::ESRCH) {
                    self.table.reaped(Time::now(), pid, None);
                } else {
                    // No descriptor is left, so its number may be a stranger's any time.
                    self.table.forget(pid);
                }
            }
        }
    }

    /// A descriptor says that its process has ended, or is reaped.
    fn end(&mut self, now: Time, pid: i32, reaped: bool) {
        let Some(held) = self.held.get(&pid) else { return };
        let told = held.status;
        let at = told.map_or(now, |(at, _)| at);
        if !reaped {
            self.table.ended(at, pid, told.map(|(_, status)| status));
            return;
        }
        let kept = || pidfd::status(&held.fd).map(ExitStatus::from_raw);
        let status = told.map(|(_, status)| status).or_else(kept);
        self.table.ended(at, pid, status);
        // Who reaped it was alive then, though both ends may be noticed together.
        let parent = self.table.parent(pid).and_then(|parent| self.held.get(&parent)?.status);
        let reaped_at = parent.map_or(now, |(parent_ended, _)| now.min(parent_ended.max(at)));
        self.table.reaped(reaped_at, pid, status);
        self.held.remove(&pid);
    }

    /// Walks over all processes, and holds them against what is known.
    fn walk(&mut self) -> io::Result<()> {
        let begin = Time::now();
        let snapshot = Snapshot::take()?;
        self.table.compare(begin, people(&snapshot), |pid| self.held.contains_key(&pid));
        self.hold_all();
        let end = Time::now();
        let every = WALK.max(end.since(begin) * SHARE);
        self.next_walk = end + every;
        if let Source::Walks { every: said, because: _ } = &mut self.source {
            *said = every;
        }
        Ok(())
    }

    /// Without the kernel's words each process is held from when it is first seen. Where descriptors run out, walks
    /// must do for the rest.
    fn hold_all(&mut self) {
        if self.kernel.is_some() {
            return;
        }
        let missing: Vec<i32> = self.table.pids().filter(|pid| !self.held.contains_key(pid)).collect();
        for pid in missing {
            if let Ok(fd) = pidfd::open(Pid::from_raw(pid)) {
                self.held.insert(pid, Held { fd, status: None });
            }
        }
    }
}

/// Why the kernel does not tell, in words.
fn reason(cause: &io::Error) -> String {
    if cause.kind() == io::ErrorKind::PermissionDenied {
        return "the kernel tells only root (CAP_NET_ADMIN)".into();
    }
    if cause.kind() == io::ErrorKind::TimedOut {
        return "the kernel tells nobody in a container's pid namespace".into();
    }
    let cause = cause.to_string();
    format!("the kernel does not tell: {}", cause.split(" (os error").next().unwrap_or_default())
}
