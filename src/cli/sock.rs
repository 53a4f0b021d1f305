//! `forkd sock`: listeners and connections, and every process that holds one.
//!
//! ```text
//! STATE   LOCAL           PEER  QUEUE     HELD BY
//! LISTEN  127.0.0.1:8080  -     0 of 128  forkd-master 4711 (fd 5)
//!                                         forkd-worker-1 4712 (fd 5)
//! ```

use std::process::ExitCode;

use super::{
    out,
    table::{Edge, Table},
    words::count,
};
use crate::{
    Error, Result,
    inspect::sock::{End, Filter, Holder, Kind, Protocol, Report, Socket, State, TimerKind, look},
    process::Pid,
};

/// What follows the flags in `--help`.
pub const EXAMPLES: &str = "\
QUEUE of a listener: connections that wait to be accepted, of how many may. (×4) is a group of four sockets with one
address (SO_REUSEPORT), whose queues are added up. The exit code is 1 when there is no such
socket. TCP, UDP and Unix sockets are shown; as root, those of other users with their holders.

Examples:
  forkd sock :8080                        who listens on port 8080, and who is connected
  forkd sock 4711                         what process 4711 holds
  forkd sock --json | jq .listeners";

/// `forkd sock`
#[derive(Debug, clap::Args)]
pub struct Sock {
    /// :PORT, a pid, unix:/path or unix:@name [default: all of this network namespace]
    #[arg(value_name = ":PORT")]
    what: Option<String>,
    /// Show Unix sockets without a name too
    #[arg(long)]
    all: bool,
    /// Print one JSON document and nothing else
    #[arg(long)]
    json: bool,
}

/// More holders of one socket than this are counted, not listed.
const HOLDERS: usize = 20;

/// Shows the sockets that are asked for. The exit code is 1 when something is asked for and there is none.
pub fn sock(args: &Sock) -> Result<ExitCode> {
    let filter = filter(args.what.as_deref())?;
    let report = look(&filter).map_err(|cause| Error::system("read the sockets of this machine", cause))?;
    let found = !report.listeners.is_empty() || !report.connections.is_empty();
    if args.json {
        out::document(&report)?;
    } else {
        out::print(page(&report, &filter, args.all).as_bytes())?;
    }
    Ok(if found || filter == Filter::All { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `:8080`, a pid, or the name of a Unix socket.
fn filter(text: Option<&str>) -> Result<Filter> {
    let Some(text) = text else { return Ok(Filter::All) };
    if let Some(port) = text.strip_prefix(':') {
        return port.parse().map(Filter::Port).map_err(|_| unreadable(text, "not a port"));
    }
    let name = text.strip_prefix("unix:").unwrap_or(text);
    if name.starts_with(['/', '@']) {
        return Ok(Filter::Unix(name.to_owned()));
    }
    match text.parse() {
        Ok(pid) if pid > 0 => Ok(Filter::Pid(Pid::from_raw(pid))),
        Ok(_) | Err(_) => Err(unreadable(text, "neither a port nor a process nor a path")),
    }
}

fn unreadable(text: &str, cause: &str) -> Error {
    Error::usage(format!("cannot look for {text:?}: {cause}"))
        .remedy("write :8080, a pid, unix:/path or unix:@name")
}

fn page(report: &Report, filter: &Filter, all: bool) -> String {
    let internet = |socket: &&Socket| socket.protocol != Protocol::Unix;
    let unix = |socket: &&Socket| socket.protocol == Protocol::Unix;
    // Whoever asks for one thing wants all of it; without a question, pairs without a name are only noise.
    let shown = |socket: &&Socket| all || *filter != Filter::All || named(socket);
    let every: Vec<&Socket> = report.listeners.iter().chain(&report.connections).collect();
    let inet: Vec<&Socket> = every.iter().copied().filter(internet).collect();
    let local: Vec<&Socket> = every.iter().copied().filter(unix).filter(shown).collect();
    let hidden = every.len() - inet.len() - local.len();
    let mut parts = Vec::new();
    if !inet.is_empty() {
        parts.push(table(&inet));
    }
    if !local.is_empty() {
        parts.push(table(&local));
    }
    if every.is_empty() {
        parts.push(format!("{}\n", nothing(filter)));
    }
    parts.push(footer(report, hidden));
    parts.join("\n")
}

/// Whether a Unix socket says where it belongs.
fn named(socket: &Socket) -> bool {
    socket.address != End::None || socket.peer != End::None
}

fn nothing(filter: &Filter) -> String {
    match filter {
        Filter::All => "there is no socket".into(),
        Filter::Port(port) => format!("no TCP or UDP socket has port {port}, here or at its other end"),
        Filter::Pid(pid) => format!("process {pid} holds no socket that can be seen"),
        Filter::Unix(name) => format!("no Unix socket has the name {name}"),
    }
}

fn table(sockets: &[&Socket]) -> String {
    let heads = ["PROTO", "STATE", "LOCAL", "PEER", "QUEUE", "TIMER", "HELD BY"];
    let mut table = Table::new(&heads.map(|head| (head, Edge::Left)));
    for socket in sockets {
        let mut holders = holders(socket).into_iter();
        table.row([
            protocol(socket),
            state(socket),
            address(socket),
            socket.peer.to_string(),
            queue(socket),
            timer(socket),
            holders.next().unwrap_or_default(),
        ]);
        for holder in holders {
            let blank = String::new;
            table.row([blank(), blank(), blank(), blank(), blank(), blank(), holder]);
        }
    }
    table.render()
}

fn protocol(socket: &Socket) -> String {
    match (socket.protocol, socket.kind) {
        (Protocol::Unix, Kind::Datagram) => "unix datagram".into(),
        (Protocol::Unix, Kind::Seqpacket) => "unix seqpacket".into(),
        (protocol, _) => protocol.to_string(),
    }
}

fn state(socket: &Socket) -> String {
    // A state that the kernel gives to each UDP socket that never connects says nothing.
    match (socket.state, socket.kind) {
        (State::Unconnected, Kind::Datagram) => "open".into(),
        (state, _) => state.to_string(),
    }
}

fn address(socket: &Socket) -> String {
    let families = if socket.dual_stack { " and IPv4" } else { "" };
    let many = if socket.sockets > 1 { format!(" (×{})", socket.sockets) } else { String::new() };
    format!("{}{families}{many}", socket.address)
}

/// What waits: `3 of 128` connections, or bytes each way. What was lost is said, too.
fn queue(socket: &Socket) -> String {
    let mut words = Vec::new();
    match (socket.queue, socket.backlog) {
        (Some(queue), Some(backlog)) => words.push(format!("{queue} of {backlog}")),
        (Some(queue), None) => words.push(format!("{queue} of ?")),
        (None, _) => {
            let amounts = [("unread", socket.unread), ("unsent", socket.unsent)];
            let waiting =
                amounts.iter().filter_map(|(word, amount)| Some((word, amount.filter(|n| *n > 0)?)));
            words.extend(waiting.map(|(word, amount)| format!("{amount} B {word}")));
        }
    }
    if socket.queue.zip(socket.backlog).is_some_and(|(queue, backlog)| queue > backlog) {
        words.push("FULL".into());
    }
    if let Some(drops) = socket.drops.filter(|drops| *drops > 0) {
        words.push(format!("{drops} dropped"));
    }
    if words.is_empty() { "-".into() } else { words.join(", ") }
}

fn timer(socket: &Socket) -> String {
    let Some(timer) = socket.timer else { return "-".into() };
    let what = match timer.kind {
        TimerKind::Retransmit => "send again",
        TimerKind::Keepalive => "keepalive",
        TimerKind::TimeWait => "free",
        TimerKind::Probe => "probe",
    };
    let mut text = format!("{what} in {:.1} s", timer.expires_ms as f64 / 1000.0);
    if timer.tries > 0 {
        text.push_str(&format!(", tried {} ×", timer.tries));
    }
    text
}

/// Who holds it, one line each; why nobody does, otherwise.
fn holders(socket: &Socket) -> Vec<String> {
    // Those of one process stand side by side.
    let holders: Vec<_> = socket.holders.chunk_by(|one, next| one.pid == next.pid).collect();
    let mut lines: Vec<String> = holders.iter().take(HOLDERS).map(|of_one| holder(of_one)).collect();
    let rest = holders.len().saturating_sub(HOLDERS);
    if rest > 0 {
        lines.push(format!("and {rest} more (--json lists them)"));
    }
    lines.extend(socket.nobody.clone());
    lines
}

/// A process, and the descriptors that lead it there.
fn holder(descriptors: &[Holder]) -> String {
    let fds: Vec<_> = descriptors.iter().map(|holder| holder.fd.to_string()).collect();
    let one = &descriptors[0];
    format!("{} {} (fd {})", one.comm, one.pid, fds.join(", "))
}

/// What is not shown, and why.
fn footer(report: &Report, hidden: usize) -> String {
    let mut text = format!("Network namespace {}", report.namespace);
    let others: usize = report.other_namespaces.values().sum();
    if others > 0 {
        let spaces = count(report.other_namespaces.len(), "other");
        text.push_str(&format!("; {} in {spaces}, whose sockets are not shown", count_processes(others)));
    }
    text.push_str(".\n");
    if hidden > 0 {
        text.push_str(&format!(
            "{} without a name not shown (--all shows them).\n",
            count(hidden, "Unix socket")
        ));
    }
    if report.unseen_processes > 0 {
        let unseen = count_processes(report.unseen_processes);
        text.push_str(&format!("{unseen} of other users did not show their descriptors (root sees them).\n"));
    }
    for source in &report.sources {
        if let Some(note) = &source.note {
            text.push_str(&format!("{}: read from {}; {note}.\n", source.protocol, source.from));
        }
    }
    text
}

fn count_processes(number: usize) -> String {
    if number == 1 { "1 process".into() } else { format!("{number} processes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_looked_for() {
        let table = [
            (None, Filter::All),
            (Some(":8080"), Filter::Port(8080)),
            (Some("4711"), Filter::Pid(Pid::from_raw(4711))),
            (Some("/run/x.sock"), Filter::Unix("/run/x.sock".into())),
            (Some("unix:@name"), Filter::Unix("@name".into())),
        ];
        for (text, wanted) in table {
            assert_eq!(filter(text).expect("readable"), wanted);
        }
        for text in [":", ":http", ":70000", "web", "0", "-1", ""] {
            assert_eq!(filter(Some(text)).expect_err(text).exit_code(), 2);
        }
    }
}
