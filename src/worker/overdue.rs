//! A worker that takes longer than it may: how it asks for more time, and what it says when the master warns it.

use std::{backtrace::Backtrace, os::fd::AsFd, sync::OnceLock, time::Duration};

use nix::unistd::getpid;

use crate::{
    ipc::{
        channel::Channel,
        message::{Order, Report},
        row::Row,
    },
    logging::TARGET,
    process::{Pid, clock::Time, signal},
};

/// The row of this process, and the process: one that it forks for a connection has none.
static OWN: OnceLock<(Pid, Row)> = OnceLock::new();

/// How many callers a warned worker names.
const CALLERS: usize = 8;

/// Gives what this worker does now so much time from this moment on, whatever the limits on liveness and on a request
/// say: for a handler that knows that it will take long. In a process that is no worker it does nothing.
///
/// ```no_run
/// # use std::time::Duration;
/// # fn start() -> forkd::Result<forkd::Outcome> {
/// forkd::Server::bind("127.0.0.1:8080").serve_http(|_| {
///     forkd::extend_deadline(Duration::from_secs(300));
///     forkd::http::Response::text("a long report")
/// })
/// # }
/// ```
pub fn extend_deadline(time: Duration) {
    if let Some((pid, row)) = OWN.get()
        && *pid == getpid()
    {
        row.extend(Time::now(), time);
    }
}

/// Makes this worker answer its master's warning with where it is. A copy of it does that: a signal handler must not take
/// a backtrace, and the copy stands at the same place.
pub(super) fn prepare(row: &Row, line: &Channel<Report, Order>, master: Pid) {
    let _ = OWN.set((getpid(), row.clone()));
    let listening = line.as_fd().try_clone_to_owned().and_then(|line| {
        // A handle of its own: a process that is forked for a connection makes the worker's stop its own.
        let line = Channel::<Report, Order>::over(line);
        signal::on_warning(master, move || {
            // A master that does not hear it kills all the same.
            let _ = line.send(&Report::LastWords(place(&Backtrace::force_capture().to_string())));
        })
    });
    if let Err(error) = listening {
        log::warn!(target: TARGET, "cannot listen for a warning: {error}");
    }
}

/// Where a backtrace was taken, in one line: the innermost function first.
fn place(backtrace: &str) -> String {
    let frames = backtrace.lines().filter_map(|line| {
        let (number, name) = line.trim_start().split_once(": ")?;
        number.bytes().all(|byte| byte.is_ascii_digit()).then_some(name)
    });
    let frames: Vec<_> = frames.collect();
    // What stands above the signal's own frames is the handler.
    let handler =
        frames.iter().rposition(|name| name.contains("signal_hook_registry") || name.contains("restore_rt"));
    let ours = frames.iter().skip(handler.map_or(0, |place| place + 1));
    let named = ours
        .filter(|name| !name.starts_with("core::") && !name.starts_with("std::") && **name != "<unknown>");
    let names: Vec<_> = named.take(CALLERS).map(|name| name.split("::h").next().unwrap_or(name)).collect();
    format!(
        "it was at {}",
        if names.is_empty() { "a place without a name".to_owned() } else { names.join(" < ") }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_one_line_without_the_handler() {
        let backtrace = "   0: forkd::worker::overdue::prepare::{{closure}}\n             at src/x.rs:1:2\n   \
            1: signal_hook_registry::handler\n   2: <unknown>\n   3: std::thread::sleep\n   4: app::report::h0123\n";
        assert_eq!(place(backtrace), "it was at app::report");
        assert_eq!(place("disabled"), "it was at a place without a name");
    }
}
