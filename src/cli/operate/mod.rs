//! The commands that look at running servers and order them about, by the control socket of their master.
//!
//! Each finds its server, asks one question, prints the answer and leaves the answer's exit code. Nobody reads a pid
//! file: the master's pid is the one that the kernel tells of the other end of the socket.

pub mod args;
mod end;
pub(super) mod find;
mod list;
pub mod report;
pub(super) mod running;

use std::{process::ExitCode, time::Duration};

use serde_json::json;

use running::Running;

use super::{out, paths::absolute, scale::Amount, words};
use crate::{
    Error, Result,
    ipc::control::{
        Pace, Request, Scale,
        status::{ServerState, Worker, seconds},
        wire::{Answer, REQUEST_LINE},
    },
    process::{Pid, usage::Footprint},
};

pub use list::list;

/// How long a master may take to answer a question that it answers from memory.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(5));

/// The pid of the master that is meant, as the kernel tells it.
///
/// # Errors
/// When no such server runs, or it may not be asked.
pub fn master(place: &args::Place, name: &str) -> Result<Pid> {
    find::server(place, Some(name)).map(|running| running.pid)
}

/// Connects to the server that is meant. A program that asked for a document gets one also where there is none.
fn meant(place: &args::Place, name: Option<&str>) -> Result<Running> {
    find::server(place, name).inspect_err(|error| {
        if place.json {
            let (exit, text) = (error.exit_code(), error.to_string());
            // Whoever closed the output gets the exit code.
            let _ =
                out::document(&json!({ "name": name, "ok": false, "exit": exit, "text": text, "lines": [] }));
        }
    })
}

/// `forkd status`
pub fn status(target: &args::Target) -> Result<ExitCode> {
    let running = meant(&target.place, target.name.as_deref())?;
    let mut answer = running.ask(&Request::Status, PATIENCE)?;
    let Some(document) = &mut answer.status else { return Err(Error::failed(answer.text)) };
    document.workers.iter_mut().for_each(weigh);
    if target.place.json {
        out::document(document)?;
    } else {
        out::print(report::status(document, out::coloured()).as_bytes())?;
    }
    let degraded = document.state == ServerState::Degraded;
    Ok(ExitCode::from(if degraded { 4 } else { answer.exit }))
}

/// What the kernel knows of a worker. We ask it, so that the master need not wait for the memory map of a process that
/// is busy changing it.
pub(super) fn weigh(worker: &mut Worker) {
    let footprint = Footprint::of(Pid::from_raw(worker.pid));
    (worker.rss_bytes, worker.pss_bytes) = (footprint.rss, footprint.pss);
    worker.cpu_s = footprint.cpu.map(seconds);
}

/// `forkd stop`: returns when the master is gone.
pub fn stop(stop: &args::Stop) -> Result<ExitCode> {
    let running = meant(&stop.target.place, stop.target.name.as_deref())?;
    let pace = if stop.now { Pace::Now } else { Pace::Drain };
    let name = running.name.clone();
    let answer = end::stop(running, pace)?;
    tell(&stop.target.place, &name, &answer)
}

/// `forkd reload`: returns when every new worker is ready and every old one gone.
pub fn reload(reload: &args::Reload) -> Result<ExitCode> {
    order(&reload.target.place, reload.target.name.as_deref(), &Request::Reload { timeout: reload.timeout })
}

/// `forkd upgrade`: returns when every worker of the new program is ready and every one of the old gone.
pub fn upgrade(upgrade: &args::Upgrade) -> Result<ExitCode> {
    // The master may stand in another directory.
    let binary = upgrade.binary.as_deref().map(absolute).transpose()?;
    let request = Request::Upgrade { binary, timeout: upgrade.timeout };
    if request.to_line().len() > REQUEST_LINE {
        return Err(Error::usage("cannot upgrade: the path is too long").remedy("name a shorter one"));
    }
    order(&upgrade.target.place, upgrade.target.name.as_deref(), &request)
}

/// `forkd scale`: returns when the new ones are ready and the surplus is gone.
pub fn scale(scale: &args::Scale) -> Result<ExitCode> {
    let (name, amount) = scale.split()?;
    let wanted = match amount {
        Amount::To(count) => Scale::To(count),
        Amount::Up(count) => Scale::Up(count),
        Amount::Down(count) => Scale::Down(count),
    };
    order(&scale.place, name, &Request::Scale(wanted))
}

/// `forkd pause`, `resume`, `reopen`: a request that needs nothing but a server.
pub fn plain(target: &args::Target, request: Request) -> Result<ExitCode> {
    order(&target.place, target.name.as_deref(), &request)
}

/// Asks for something that takes as long as it takes: the master bounds it by its own limits.
fn order(place: &args::Place, name: Option<&str>, request: &Request) -> Result<ExitCode> {
    let running = meant(place, name)?;
    let name = running.name.clone();
    let answer = running.ask(request, None)?;
    tell(place, &name, &answer)
}

/// Prints what came of an order: a document, or a line where such a line belongs.
fn tell(place: &args::Place, name: &str, answer: &Answer) -> Result<ExitCode> {
    let text = words::printable(&answer.text);
    if place.json {
        let (ok, exit) = (answer.ok(), answer.exit);
        out::document(
            &json!({ "name": name, "ok": ok, "exit": exit, "text": answer.text, "lines": answer.lines }),
        )?;
    } else if answer.ok() {
        out::line(&format!("{name}: {text}"))?;
    } else {
        out::complain(&format!("{name}: {text}"));
        for line in answer.lines.iter().filter(|_| answer.lines.len() > 1) {
            out::complain(&format!("{name}: | {}", words::printable(line)));
        }
    }
    Ok(ExitCode::from(answer.exit))
}

#[cfg(test)]
mod tests {
    use crate::{cli::usage::grammar, ipc::control::REQUESTS};

    #[test]
    fn every_verb_that_a_master_knows_can_be_typed() {
        for entry in REQUESTS {
            let line = ["forkd"].into_iter().chain(entry.verb.split(' '));
            grammar().try_get_matches_from(line).expect(entry.verb);
        }
    }
}
