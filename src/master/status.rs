//! How a server stands, as `status` says it: the supervisor's knowledge, and the workers' own counts beside it.
//!
//! The counts come from the scoreboard, so the answer is there even if every worker is stopped. What a row says is
//! shown and never believed.

use super::{
    children::Children,
    edition::Edition,
    place::Place,
    slot::{Child, Stage},
    supervisor::{Phase, Supervisor},
};
use crate::{
    config::Range,
    ipc::{
        control::status::{Counters, Exit, Listener, Master, ServerState, StatusDocument, Worker, seconds},
        message::Accepts,
        reading::{Reading, State},
        scoreboard::Scoreboard,
    },
    process::clock::Time,
};

/// What is known besides the supervisor.
pub struct Known<'a> {
    /// What is held of the machine.
    pub place: &'a Place,
    /// What the youngest generation runs with.
    pub edition: &'a Edition<'a>,
    /// Which process is whose.
    pub children: &'a Children,
    /// What the workers say of themselves.
    pub scoreboard: &'a Scoreboard,
    /// When the master began.
    pub began: Time,
}

impl Known<'_> {
    /// The document.
    pub fn document(&self, supervisor: &Supervisor) -> StatusDocument {
        let now = Time::now();
        let mut workers: Vec<_> = supervisor.children().filter_map(|child| self.worker(child, now)).collect();
        share(&mut workers);
        StatusDocument {
            name: self.place.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: state(supervisor),
            model: self.edition.work.model().to_owned(),
            uptime_s: seconds(now.since(self.began)),
            generation: supervisor.generation().number(),
            master: Master { pid: nix::unistd::getpid().as_raw(), exe: exe(), user: self.user() },
            listeners: self.listeners(),
            workers,
            range: range(supervisor.range()),
            counters: counters(supervisor),
            last_exits: last_exits(supervisor, now),
        }
    }

    fn user(&self) -> Option<String> {
        self.edition.confinement.master().map(ToString::to_string)
    }

    fn listeners(&self) -> Vec<Listener> {
        let describe = |(number, listener): (usize, &crate::listener::Listener)| {
            let (queue, backlog) = listener.queue().unzip();
            let protocol = self.edition.protocol_of(number, listener).to_owned();
            Listener { address: listener.local().to_string(), protocol, queue, backlog }
        };
        self.place.listeners.iter().enumerate().map(describe).collect()
    }

    fn worker(&self, child: &Child, now: Time) -> Option<Worker> {
        let process = self.children.get(child.id)?;
        let row = self.scoreboard.read(process.row);
        let current_s =
            row.current_since.filter(|_| row.current.is_some()).map(|since| seconds(now.since(since)));
        Some(Worker {
            slot: child.id.slot.number(),
            pid: process.pid.as_raw(),
            generation: child.generation.number(),
            state: doing(child, &row),
            age_s: seconds(now.since(child.born)),
            accepted: row.accepted,
            share: None,
            active: row.active,
            requests: row.requests,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            rss_bytes: None,
            pss_bytes: None,
            cpu_s: None,
            current: row.current,
            current_s,
        })
    }
}

/// Says what part of the work each has taken.
fn share(workers: &mut [Worker]) {
    let connections = workers.iter().any(|worker| worker.accepted > 0);
    let taken = |worker: &Worker| if connections { worker.accepted } else { worker.requests } as f64;
    let all: f64 = workers.iter().map(taken).sum();
    for worker in workers.iter_mut().filter(|_| all > 0.0) {
        worker.share = Some(taken(worker) / all);
    }
}

/// The stage is ours to say; whether a serving worker is busy is its own.
fn doing(child: &Child, row: &Reading) -> State {
    match child.stage {
        Stage::Booting { .. } => State::Booting,
        Stage::Draining { .. } | Stage::Killed { .. } => State::Draining,
        Stage::Serving { .. } if row.active > 0 => State::Busy,
        Stage::Serving { .. } => State::Idle,
    }
}

fn state(supervisor: &Supervisor) -> ServerState {
    match supervisor.phase() {
        Phase::Starting => ServerState::Starting,
        Phase::Running if supervisor.is_degraded() => ServerState::Degraded,
        Phase::Running if supervisor.accepts() == Accepts::Paused => ServerState::Paused,
        Phase::Running => ServerState::Running,
        Phase::Stopping { .. } | Phase::Finished => ServerState::Stopping,
    }
}

/// The path of the running binary; after it was replaced on disk the kernel marks the old one as deleted.
fn exe() -> Option<String> {
    Some(std::env::current_exe().ok()?.to_string_lossy().into_owned())
}

fn counters(supervisor: &Supervisor) -> Counters {
    let ledger = supervisor.ledger();
    Counters {
        spawned: ledger.spawned,
        exited: ledger.exited,
        crashed: ledger.crashed,
        killed: ledger.killed,
        reloads: ledger.reloads,
        upgrades: ledger.upgrades,
        failed_reloads: ledger.failed_reloads,
        failed_upgrades: ledger.failed_upgrades,
    }
}

fn range(range: Range) -> Option<[u32; 2]> {
    range.is_open().then_some([range.least, range.most])
}

fn last_exits(supervisor: &Supervisor, now: Time) -> Vec<Exit> {
    let told = supervisor.ledger().last_exits.iter().map(|exit| Exit {
        slot: exit.slot.number(),
        generation: exit.generation.number(),
        pid: exit.pid.map_or(0, nix::unistd::Pid::as_raw),
        reason: exit.reason.clone(),
        during: exit.during.clone(),
        age_s: seconds(now.since(exit.at)),
    });
    told.collect()
}
