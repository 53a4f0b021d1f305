//! `forkd list`: the servers that run here.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::{PATIENCE, args::Place, find, running::Running};
use crate::{
    Result,
    cli::{
        out,
        table::{Edge, Table},
        words,
    },
    ipc::control::{Request, status::StatusDocument},
};

/// One server: what the kernel says, and what its master answered.
struct Found {
    name: String,
    pid: i32,
    /// `None` of a master that does not answer.
    status: Option<StatusDocument>,
}

/// `forkd list`; none is no error.
pub fn list(place: &Place) -> Result<ExitCode> {
    let dir = find::directory(place)?;
    let found: Vec<Found> = find::all(&dir)?.into_iter().map(look).collect();
    if place.json {
        out::document(&found.iter().map(document).collect::<Vec<_>>())?;
    } else if found.is_empty() {
        out::line(&format!("no server runs here, in {}", words::printable(&dir.to_string_lossy())))?;
    } else {
        out::print(table(&found).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn look(running: Running) -> Found {
    let (name, pid) = (running.name.clone(), running.pid.as_raw());
    let status = running.ask(&Request::Status, PATIENCE).ok().and_then(|answer| answer.status);
    Found { name, pid, status }
}

fn document(found: &Found) -> Value {
    let of = |field: fn(&StatusDocument) -> Value| found.status.as_ref().map(field);
    json!({
        "name": found.name,
        "pid": found.pid,
        "state": of(|status| json!(status.state)),
        "model": of(|status| json!(status.model)),
        "generation": of(|status| json!(status.generation)),
        "uptime_s": of(|status| json!(status.uptime_s)),
        "workers": of(|status| json!(status.workers.len())),
        "listeners": of(|status| json!(addresses(status))),
    })
}

fn addresses(status: &StatusDocument) -> Vec<&str> {
    status.listeners.iter().map(|listener| listener.address.as_str()).collect()
}

fn table(found: &[Found]) -> String {
    let mut table = Table::new(&[
        ("NAME", Edge::Left),
        ("STATE", Edge::Left),
        ("MASTER", Edge::Right),
        ("WORKERS", Edge::Right),
        ("UP", Edge::Right),
        ("LISTENS ON", Edge::Left),
    ]);
    for one in found {
        let of = |words: fn(&StatusDocument) -> String| one.status.as_ref().map_or_else(|| "-".into(), words);
        table.row([
            one.name.clone(),
            one.status.as_ref().map_or("silent", |status| status.state.word()).into(),
            one.pid.to_string(),
            of(|status| status.workers.len().to_string()),
            of(|status| words::age(status.uptime_s)),
            of(|status| addresses(status).join(" ")),
        ]);
    }
    table.render()
}
