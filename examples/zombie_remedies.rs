//! A fork for each connection, and three remedies against the zombies that it would leave behind.
//!
//! ```text
//! cargo run --example zombie_remedies -- wait            # SIGCHLD, then wait until nothing is left
//! cargo run --example zombie_remedies -- ignore          # SIGCHLD ignored: the kernel keeps no dead child
//! cargo run --example zombie_remedies -- double-fork     # the grandchild serves; others reap it
//! for i in $(seq 100); do nc -d 127.0.0.1 8889; done
//! ```
//! Each connection is told who serves it, whose child that is, and how many zombies this server has.
#![allow(clippy::print_stdout)]

use std::{fs, process};

use forkd::{Connection, Event, Outcome, Server, config::Model};

fn main() -> forkd::Result<Outcome> {
    let mut words = std::env::args().skip(1);
    let remedy = words.next().unwrap_or_else(|| "wait".into()).parse()?;
    let address = words.next().unwrap_or_else(|| "127.0.0.1:8889".into());
    Server::bind(address)
        .model(Model::PerConnection)
        .reap(remedy)
        .workers(1)
        .on_event(|event| {
            if let Event::Started { urls, .. } = event {
                println!("{remedy:?} on {}", urls.join(", "));
            }
        })
        .serve(|mut conn: Connection| {
            let (me, parent, zombies) = (process::id(), std::os::unix::process::parent_id(), zombies());
            conn.write_all(format!("process {me}, child of {parent}; zombies here: {zombies}\n").as_bytes())
        })
}

/// How many processes of this server have ended and still wait for this server to wait for them. What PID 1 has
/// adopted is for PID 1 to reap.
fn zombies() -> usize {
    let Some((_, _, mine)) = stat("self") else { return 0 };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| stat(entry.file_name().to_str()?));
    stats.filter(|(state, parent, session)| state == "Z" && parent != "1" && *session == mine).count()
}

/// The state letter, the parent and the session of a process called forkd: proc_pid_stat(5).
fn stat(pid: &str) -> Option<(String, String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // A name may have any byte in it, a parenthesis too: the last one ends it.
    let (comm, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
    let fields: Vec<String> = rest.split(' ').take(4).map(str::to_owned).collect();
    let [state, parent, _group, session] = <[String; 4]>::try_from(fields).ok()?;
    comm.starts_with("forkd").then_some((state, parent, session))
}
