//! What is meant by a word behind a command: a pid, a port, a server or a name.

use crate::{
    Error, ErrorKind, Result,
    cli::operate::{self, args::Place},
    inspect::{
        snapshot::Snapshot,
        sock::{self, Filter},
        stat::Process,
        text::printable,
    },
};

/// The pids that `word` means; at least one.
///
/// # Errors
/// When nothing of that kind is there.
pub fn pids(snapshot: &Snapshot, word: &str, place: &Place) -> Result<Vec<i32>> {
    if let Some(port) = word.strip_prefix(':') {
        return listeners_at(port);
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        return present(snapshot, pid(word)?).map(|process| vec![process.pid]);
    }
    // A server first: its name was chosen to be told apart, and few processes are called so.
    let refused = match operate::master(place, word) {
        Ok(master) => return Ok(vec![master.as_raw()]),
        Err(error) => Some(error).filter(|error| error.kind() == ErrorKind::Failed),
    };
    let named = |process: &&Process| process.comm == word;
    let found: Vec<_> = snapshot.processes().iter().filter(named).map(|process| process.pid).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(refused.unwrap_or_else(|| {
        let text = format!("cannot find {}: no process and no server has that name", printable(word));
        Error::not_running(text).remedy("forkd tree shows all, forkd list the servers")
    }))
}

/// A word as the pid of one process.
///
/// # Errors
/// When it is no number that a process can have.
pub fn pid(word: &str) -> Result<i32> {
    word.parse().ok().filter(|pid| *pid > 0).ok_or_else(|| {
        let text = format!("cannot look at process {word:?}: a pid is a number from 1 on");
        Error::usage(text).remedy("forkd tree NAME shows the pids of a server or program")
    })
}

/// The process with this pid.
///
/// # Errors
/// When there is none, or hidepid keeps it from this user.
pub fn present(snapshot: &Snapshot, pid: i32) -> Result<&Process> {
    snapshot.get(pid).ok_or_else(|| {
        let error =
            Error::not_running(format!("cannot look at process {pid}: there is none, or it has ended"));
        if hides() {
            error.remedy("/proc is mounted with hidepid: look as its owner or as root")
        } else {
            error
        }
    })
}

/// Whether /proc keeps other users' processes from this one.
fn hides() -> bool {
    !nix::unistd::geteuid().is_root() && crate::inspect::doctor::hidepid().is_some()
}

/// Who holds a socket that listens at this port.
fn listeners_at(port: &str) -> Result<Vec<i32>> {
    let number: u16 = port.parse().map_err(|_| {
        Error::usage(format!("cannot read port {port:?}: it is a number from 1 to 65535"))
            .remedy("write :8080")
    })?;
    let report =
        sock::look(&Filter::Port(number)).map_err(|cause| Error::system("look at sockets", cause))?;
    let mut pids: Vec<_> =
        report.listeners.iter().flat_map(|socket| &socket.holders).map(|holder| holder.pid).collect();
    pids.sort_unstable();
    pids.dedup();
    if !pids.is_empty() {
        return Ok(pids);
    }
    let text = format!("cannot find who listens at port {number}");
    if report.listeners.is_empty() {
        return Err(Error::not_running(format!("{text}: nobody does in this network namespace")));
    }
    Err(Error::failed(format!("{text}: its holder is another user's or in another namespace"))
        .remedy("ask as root"))
}
