//! What an explanation rests on: everything is read here, and the sentences are made from it without another look.

use std::time::Duration;

use super::{
    super::{
        details::Details,
        kin,
        last_ran::Clocks,
        select::Selection,
        snapshot::Snapshot,
        stat::{Process, State},
        status::Status,
        tree::{Builder, Fold, Node},
    },
    Person, adopter_within,
};

/// What is known of a process and of those around it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The process itself.
    pub node: Node,
    /// Its signals, owner and namespaces, if they may be read.
    pub status: Option<Status>,
    /// About how long it has not run.
    pub idle: Option<Duration>,
    /// Its parent.
    pub parent: Option<Process>,
    /// The parent's signals.
    pub parent_status: Option<Status>,
    /// Whether the parent is one of those who adopt.
    pub parent_adopts: bool,
    /// Who would be its next parent.
    pub adopter: Option<Process>,
    /// Whether that one is the first process of the namespace, taken because nobody else is known to adopt.
    pub adopter_is_init: bool,
    /// Who would be the next parent of its children.
    pub heir: Option<Process>,
    /// How many children it has.
    pub children: usize,
    /// Those that are zombies.
    pub zombie_children: Vec<i32>,
    /// Whether this user may send it a signal.
    pub may_signal: bool,
    /// Whether it is the first process of a namespace, of this one or of one inside.
    pub is_init: bool,
}

impl Facts {
    /// Reads them. What cannot be read is left out, and the sentences that need it with it.
    pub fn gather(snapshot: &Snapshot, process: &Process) -> Self {
        let status = Status::read(process.pid);
        let parent = snapshot.parent(process).cloned();
        let init = inner_init(snapshot, process);
        let adopter = adopter_within(snapshot, process, init);
        let first = init.unwrap_or(1);
        let adopts_in_between = |found: &Process| found.pid != first;
        Self {
            node: Builder::new(snapshot, &Selection::default(), Fold::Never).single(process),
            idle: Clocks::default().idle(snapshot, process),
            parent_status: parent.as_ref().and_then(|parent| Status::read(parent.pid)),
            parent_adopts: parent.as_ref().is_some_and(|parent| kin::adopts(snapshot, parent)),
            adopter_is_init: !adopter.as_ref().is_some_and(adopts_in_between),
            heir: heir(snapshot, process, init).or_else(|| adopter.clone()),
            children: snapshot.children(process.pid).len(),
            zombie_children: zombies_below(snapshot, process),
            may_signal: may_signal(process.pid),
            is_init: process.pid == 1 || status.as_ref().is_some_and(Status::is_inner_init),
            status,
            parent,
            adopter,
        }
    }

    /// The details that were read of the process.
    pub fn details(&self) -> &Details {
        &self.node.details
    }

    /// The one whose move it is.
    pub fn who_must_act(&self) -> Option<Person> {
        let tracer = self.status.as_ref().map_or(0, |status| status.tracer);
        match self.node.process.state {
            State::Zombie => self.parent.as_ref().map(Person::from),
            State::Traced if tracer > 0 => Some(Person { pid: tracer, comm: String::new() }),
            State::Running
            | State::Sleeping
            | State::Uninterruptible
            | State::Stopped
            | State::Traced
            | State::Dead
            | State::Idle
            | State::Other(_) => None,
        }
    }

    /// The experiment that shows what is to be seen here.
    pub fn lesson(&self) -> &'static str {
        if self.node.process.is_zombie() {
            "zombie"
        } else if !self.zombie_children.is_empty() {
            "reap-wait"
        } else if self.node.adoption.is_some() {
            "orphanage"
        } else if self.is_daemon() {
            "daemon"
        } else {
            "states"
        }
    }

    /// Whether it leads a session that has no terminal, below one who adopts.
    pub fn is_daemon(&self) -> bool {
        let process = &self.node.process;
        process.session == process.pid && process.tty == 0 && self.parent_adopts && process.pid != 1
    }
}

/// The pid of the first process of the namespace that a process is in, if that is one below ours.
fn inner_init(snapshot: &Snapshot, process: &Process) -> Option<i32> {
    let own = Status::read(process.pid)?.pids.len();
    let above = snapshot.ancestors(process);
    let depth_and_init = |above: &&&Process| {
        Status::read(above.pid).is_some_and(|status| status.is_inner_init() && status.pids.len() == own)
    };
    if own < 2 { None } else { above.iter().find(depth_and_init).map(|init| init.pid) }
}

/// Who would be the next parent of the children of a process.
fn heir(snapshot: &Snapshot, process: &Process, init: Option<i32>) -> Option<Process> {
    let child = snapshot.children(process.pid).next()?;
    adopter_within(snapshot, child, init)
}

fn zombies_below(snapshot: &Snapshot, process: &Process) -> Vec<i32> {
    snapshot.children(process.pid).filter(|child| child.is_zombie()).map(|zombie| zombie.pid).collect()
}

/// Whether kill(2) would be let through: signal 0 asks just that.
fn may_signal(pid: i32) -> bool {
    let answer = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    answer != Err(nix::errno::Errno::EPERM)
}
