//! The life of a process that serves one connection, in order.
//!
//! It writes no row of the scoreboard: it tells its worker what it counts, who does. It ends with its connection, or by the drain's limit
//! after its worker drains or dies.

use std::{io, os::fd::OwnedFd, sync::Arc};

use super::{Reap, account::Account};
use crate::{
    ipc::row::Row,
    logging::TARGET,
    process::{Pid, death, lifeline::Lifeline, signal, spawn::PANICKED},
    sys::title,
    worker::{
        Worker,
        link::{Link, Porch, Watch},
        session::Peer,
        stop::{Boss, Stop},
        streams::{Desk, is_panic},
    },
};

/// What a connection process has from its worker.
pub struct Heir<'a> {
    /// The worker as it was at the fork.
    pub worker: &'a mut Worker,
    /// Who asks for the status of this process.
    pub reap: Reap,
    /// The line to the living one.
    pub line: Lifeline,
    /// The connection.
    pub socket: OwnedFd,
    /// Who is at its other end.
    pub peer: Peer,
    /// What ps(1) shall show of it.
    pub title: &'a str,
    /// The write end of the pipe by which the worker learns that this process is gone: open until then.
    pub hold: OwnedFd,
}

/// Serves the connection; the answer is the exit code.
///
/// `parent` is the worker; `None` after a double fork, where whoever adopts this process is a stranger.
#[inline(never)]
pub fn live(heir: Heir<'_>, parent: Option<Pid>, desk: &impl Desk) -> i32 {
    let Heir { worker, reap, title, line, socket, peer, hold } = heir;
    if reap == Reap::Ignore {
        // A handler that runs programs must be able to wait for them. Elsewhere SIGCHLD is not ignored.
        let _ = signal::default(libc::SIGCHLD);
    }
    let row = Row::detached();
    let account = Account::new(hold, row.clone());
    let watch = match start(worker, title, line, parent) {
        Ok(stop) => Watch::new(stop, worker.limits, row, Porch::default()).telling(account.clone()),
        Err(error) => {
            log::warn!(target: TARGET, "connection closed: cannot start its process: {error}");
            return 1;
        }
    };
    signal::unblock_all();
    let served = desk.serve(Link::new(socket, peer, watch));
    account.close();
    match served {
        Err(error) if is_panic(&error) => PANICKED,
        Err(error) => {
            log::debug!(target: TARGET, "connection ended: {error}");
            0
        }
        Ok(()) => 0,
    }
}

/// Leaves the worker's life and begins its own.
fn start(worker: &mut Worker, title: &str, line: Lifeline, parent: Option<Pid>) -> io::Result<Arc<Stop>> {
    worker.listeners.clear();
    title::set(title);
    // A name is for eyes: to have none is no reason not to serve.
    let _ = title::set_comm("forkd-conn");
    let boss = Boss::Worker(line.into_reader());
    // Nobody else has it: its own signals must not wake the worker any more.
    let stop =
        Arc::get_mut(&mut worker.stop).ok_or_else(|| io::Error::other("somebody else holds its stop"))?;
    stop.begin_anew(boss, parent);
    if let Some(parent) = parent {
        // A worker that has died meanwhile has broken the line, too.
        death::bind_to_parent(parent);
    }
    Ok(Arc::clone(&worker.stop))
}
