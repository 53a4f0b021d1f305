//! The status of a server as a person reads it.
//!
//! ```text
//! http-8080 is running: master 4711, 2 workers, event model, generation 1, up 3h 4m
//!
//! LISTENS ON      PROTOCOL  QUEUE
//! 127.0.0.1:8080  http      0 of 511
//!
//! SLOT   PID  GEN  STATE  AGE    ACCEPTED  ACTIVE  REQUESTS  …
//!    1  4712    1  idle   3h 4m        12       0        40  …
//! ```

use crate::{
    cli::{
        table::{Edge, Table},
        words::{age, count, printable, size},
    },
    ipc::control::status::{Exit, Listener, ServerState, StatusDocument, Worker},
};

/// The whole report, with colour for the state where a terminal shows it.
pub fn status(document: &StatusDocument, coloured: bool) -> String {
    let mut parts = vec![headline(document, coloured), listeners(&document.listeners)];
    if !document.workers.is_empty() {
        parts.push(workers(&document.workers));
    }
    if !document.last_exits.is_empty() {
        parts.push(exits(&document.last_exits));
    }
    parts.push(counters(document));
    parts.join("\n")
}

fn headline(document: &StatusDocument, coloured: bool) -> String {
    let word = document.state.word();
    let colour = match document.state {
        ServerState::Running => 32,
        ServerState::Degraded => 31,
        ServerState::Starting | ServerState::Paused | ServerState::Stopping => 33,
    };
    let state = if coloured { format!("\u{1b}[{colour}m{word}\u{1b}[0m") } else { word.to_owned() };
    format!(
        "{} is {state}: master {}{}, {}, {} model, generation {}, up {}\n",
        printable(&document.name),
        document.master.pid,
        document.master.user.iter().map(|user| format!(" as {}", printable(user))).collect::<String>(),
        workers_in_words(document),
        printable(&document.model),
        document.generation,
        age(document.uptime_s),
    )
}

/// How many workers there are, and of how many it chooses.
pub fn workers_in_words(document: &StatusDocument) -> String {
    let workers = count(document.workers.len(), "worker");
    match document.range {
        Some([least, most]) => format!("{workers} of {least}..{most}"),
        None => workers,
    }
}

fn listeners(listeners: &[Listener]) -> String {
    let mut table =
        Table::new(&[("LISTENS ON", Edge::Left), ("PROTOCOL", Edge::Left), ("QUEUE", Edge::Left)]);
    for listener in listeners {
        let queue = match (listener.queue, listener.backlog) {
            (Some(queue), Some(backlog)) => format!("{queue} of {backlog}"),
            (Some(queue), None) => queue.to_string(),
            (None, _) => "-".into(),
        };
        table.row([listener.address.clone(), listener.protocol.clone(), queue]);
    }
    table.render()
}

fn workers(workers: &[Worker]) -> String {
    let mut table = Table::new(&[
        ("SLOT", Edge::Right),
        ("PID", Edge::Right),
        ("GEN", Edge::Right),
        ("STATE", Edge::Left),
        ("AGE", Edge::Right),
        ("ACCEPTED", Edge::Right),
        ("SHARE", Edge::Right),
        ("ACTIVE", Edge::Right),
        ("REQUESTS", Edge::Right),
        ("IN", Edge::Right),
        ("OUT", Edge::Right),
        ("RSS", Edge::Right),
        ("PSS", Edge::Right),
        ("CPU", Edge::Right),
        ("NOW", Edge::Left),
    ]);
    for worker in workers {
        let known = |bytes: Option<u64>| bytes.map_or_else(|| "-".into(), size);
        table.row([
            worker.slot.to_string(),
            worker.pid.to_string(),
            worker.generation.to_string(),
            worker.state.word().into(),
            age(worker.age_s),
            worker.accepted.to_string(),
            worker.share.map_or_else(|| "-".into(), |share| format!("{:.0} %", share * 100.0)),
            worker.active.to_string(),
            worker.requests.to_string(),
            size(worker.bytes_in),
            size(worker.bytes_out),
            known(worker.rss_bytes),
            known(worker.pss_bytes),
            worker.cpu_s.map_or_else(|| "-".into(), age),
            now(worker),
        ]);
    }
    table.render()
}

/// The request that a worker serves, and for how long already.
fn now(worker: &Worker) -> String {
    match (&worker.current, worker.current_s) {
        (Some(request), Some(since)) => format!("{request} for {}", age(since)),
        (Some(request), None) => request.clone(),
        (None, _) => String::new(),
    }
}

fn exits(exits: &[Exit]) -> String {
    let mut table = Table::new(&[
        ("LAST EXITS", Edge::Right),
        ("SLOT", Edge::Right),
        ("GEN", Edge::Right),
        ("PID", Edge::Right),
        ("REASON", Edge::Left),
        ("DURING", Edge::Left),
    ]);
    for exit in exits {
        table.row([
            format!("{} ago", age(exit.age_s)),
            exit.slot.to_string(),
            exit.generation.to_string(),
            exit.pid.to_string(),
            exit.reason.clone(),
            exit.during.clone().unwrap_or_default(),
        ]);
    }
    table.render()
}

fn counters(document: &StatusDocument) -> String {
    let counters = &document.counters;
    format!(
        "{} spawned, {} exited, {} crashed, {} killed; {} reloads, {} upgrades, {} failed\n",
        counters.spawned,
        counters.exited,
        counters.crashed,
        counters.killed,
        counters.reloads,
        counters.upgrades,
        counters.failed_reloads + counters.failed_upgrades,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::control::status::{Counters, Master};

    fn document() -> StatusDocument {
        StatusDocument {
            name: "http-8080".into(),
            version: "0.1.0".into(),
            state: ServerState::Degraded,
            model: "event".into(),
            uptime_s: 11_040.0,
            generation: 2,
            master: Master { pid: 4711, exe: None, user: None },
            listeners: vec![Listener {
                address: "127.0.0.1:8080".into(),
                protocol: "http".into(),
                queue: Some(0),
                backlog: Some(511),
            }],
            workers: vec![Worker {
                slot: 1,
                pid: 4712,
                generation: 2,
                state: crate::ipc::reading::State::Busy,
                age_s: 0.25,
                accepted: 12,
                share: Some(0.523),
                active: 1,
                requests: 40,
                bytes_in: 2048,
                bytes_out: 0,
                rss_bytes: Some(3 << 20),
                pss_bytes: None,
                cpu_s: Some(1.5),
                current: Some("GET /\u{1b}[2J".into()),
                current_s: Some(3.0),
            }],
            counters: Counters { spawned: 3, exited: 2, crashed: 1, ..Counters::default() },
            range: None,
            last_exits: vec![Exit {
                slot: 2,
                generation: 1,
                pid: 4713,
                reason: "signal:SEGV".into(),
                during: None,
                age_s: 2.0,
            }],
        }
    }

    #[test]
    fn the_report_of_a_degraded_server() {
        let expected = "\
http-8080 is degraded: master 4711, 1 worker, event model, generation 2, up 3h 4m

LISTENS ON      PROTOCOL  QUEUE
127.0.0.1:8080  http      0 of 511

SLOT   PID  GEN  STATE     AGE  ACCEPTED  SHARE  ACTIVE  REQUESTS       IN  OUT      RSS  PSS    CPU  NOW
   1  4712    2  busy   250 ms        12   52 %       1        40  2.0 KiB  0 B  3.0 MiB    -  1.5 s  GET /\\u{1b}[2J for 3.0 s

LAST EXITS  SLOT  GEN   PID  REASON       DURING
 2.0 s ago     2    1  4713  signal:SEGV

3 spawned, 2 exited, 1 crashed, 0 killed; 0 reloads, 0 upgrades, 0 failed
";
        assert_eq!(status(&document(), false), expected);
    }

    #[test]
    fn colour_is_said_in_letters_too() {
        assert!(status(&document(), true).starts_with("http-8080 is \u{1b}[31mdegraded\u{1b}[0m:"));
    }
}
