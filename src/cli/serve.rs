//! The serving commands: from flags to a server that runs, in the foreground or as a daemon.
//!
//! ```text
//! flags ─► settings ─► check ──────────────────────────────► exit 0 or 2
//!                        └──► (detach) ─► bind ─► log ─► fork ─► ready line ─► … ─► exit
//! ```
//!
//! A daemon's caller waits for one word of it: the ready line, or why there is none.

use std::{cell::RefCell, process::ExitCode};

use super::{
    args::{self, Command},
    logging, out, typed, words,
};
use crate::{
    Error, Event, Outcome, Result, Server,
    config::{Range, Settings, name, privileges, runtime_dir},
    master::upgrade,
    process::{
        Pid,
        daemon::{self, Announce, Role, Verdict, Waiting},
    },
    server::Blueprint,
    sys::nursery::{self, Part},
};

/// Each of the serving commands.
pub fn serve(command: &args::Serve) -> Result<ExitCode> {
    let serving = command.serving();
    let blueprint = serving.blueprint()?;
    if serving.common().check {
        return check(&blueprint).map_err(Error::as_usage);
    }
    blueprint.settings().validate()?;
    if blueprint.settings().daemon { in_background(blueprint) } else { in_foreground(blueprint) }
}

/// What this command line makes of itself, with whatever its configuration file says by now.
fn renew() -> Result<Blueprint<'static>> {
    let read = || typed::read_again().map(|typed| typed.line.command);
    if let Command::Serve(command) = nursery::during(Part::Start, read)? {
        return command.serving().blueprint();
    }
    // The line has not changed, and it served.
    Err(Error::failed("cannot reload: this is no serving command"))
}

/// `--check`: everything that can be known without binding, forking or writing anything.
pub fn check(blueprint: &Blueprint<'_>) -> Result<ExitCode> {
    let settings = blueprint.settings();
    settings.validate()?;
    if let Some(dir) = &settings.runtime_dir {
        runtime_dir::check(dir, privileges::settle(settings)?.master())?;
    }
    let addresses: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    let how = match &settings.program {
        Some(program) => words::printable(&program.to_string()).into_owned(),
        None => format!("{} model", settings.model),
    };
    out::line(&format!(
        "forkd: {} can be started: {}, {how}, on {}",
        settings.name_with_port(None),
        workers(settings.workers.range()),
        if addresses.is_empty() { "no address".to_owned() } else { addresses.join(" ") },
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn workers(range: Range) -> String {
    if range.is_open() { format!("{range} workers") } else { words::count(range.least as usize, "worker") }
}

fn in_foreground(blueprint: Blueprint<'_>) -> Result<ExitCode> {
    logging::install(blueprint.settings())?;
    let server = server().on_event(|event| {
        if let Some(line) = ready_line(event) {
            // A reader that went away does not want the line; the server serves on.
            let _ = out::line(&line);
        }
    });
    server.serve_blueprint(blueprint).map(exit_code)
}

fn in_background(blueprint: Blueprint<'_>) -> Result<ExitCode> {
    // Before the caller is left: whatever can be refused at its terminal is.
    logging::install(blueprint.settings())?;
    if upgrade::goes_on() {
        // It is one already; only the directory is that of the caller again, for the sake of relative paths.
        std::env::set_current_dir("/").map_err(|cause| Error::system("leave this directory", cause))?;
        return as_daemon(blueprint, None);
    }
    match daemon::detach().map_err(|cause| Error::system("become a daemon", cause))? {
        Role::Caller(waiting) => report(waiting),
        Role::Daemon(announce) => as_daemon(blueprint, Some(announce)),
    }
}

/// The caller's part: waits for the daemon's word and passes it on.
fn report(waiting: Waiting) -> Result<ExitCode> {
    match waiting.wait().map_err(|cause| Error::system("wait for the daemon", cause))? {
        Verdict::Ready(line) => {
            out::line(&line)?;
            Ok(ExitCode::SUCCESS)
        }
        Verdict::Failed { code, text } => {
            out::complain(&text);
            Ok(ExitCode::from(code))
        }
        Verdict::Died(how) => {
            Err(Error::failed(format!("cannot start: the daemon {how}"))
                .remedy("start it without -d to see why"))
        }
    }
}

/// The daemon's part: serves, and says so or why not. A program that a daemon has become has nobody to tell.
fn as_daemon(blueprint: Blueprint<'_>, announce: Option<Announce>) -> Result<ExitCode> {
    let settings = blueprint.settings();
    let announce = RefCell::new(announce);
    let unnamed = if settings.log.file.is_none() { settings.runtime_dir.clone() } else { None };
    let server = server()
        .on_bound(move |name| unnamed.iter().try_for_each(|dir| logging::open(&name::log_file(dir, name))))
        .on_event(|event| {
            if let Some(line) = ready_line(event)
                && let Some(announce) = announce.take()
            {
                announce.ready(&line);
            }
        });
    match (server.serve_blueprint(blueprint), announce.take()) {
        (Ok(outcome), None) => Ok(exit_code(outcome)),
        (Ok(_), Some(announce)) => {
            announce.failed(1, "cannot start: it was asked to stop before it was ready");
            Ok(ExitCode::FAILURE)
        }
        (Err(error), Some(announce)) => {
            announce.failed(error.exit_code(), &error.to_string());
            Ok(ExitCode::from(error.exit_code()))
        }
        // The caller is long gone: the log is what is left.
        (Err(error), None) => {
            log::error!("{error}");
            Ok(ExitCode::from(error.exit_code()))
        }
    }
}

fn server<'a>() -> Server<'a> {
    Server::from_settings(Settings::new("")).on_renewal(renew)
}

fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Stopped => ExitCode::SUCCESS,
    }
}

/// The line on standard output, once, when all workers are ready.
fn ready_line(event: &Event) -> Option<String> {
    let Event::Started { name, workers, urls } = event else { return None };
    let urls = if urls.is_empty() { "no address".to_owned() } else { urls.join(" ") };
    Some(format!("forkd: {name} ready, master {}, {workers} workers, {urls}", Pid::this()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_as_promised() {
        let urls = vec!["http://127.0.0.1:8080".to_owned(), "unix:/run/web.sock".to_owned()];
        let line = ready_line(&Event::Started { name: "web".into(), workers: 1, urls }).expect("a line");
        let pid = Pid::this();
        let expected =
            format!("forkd: web ready, master {pid}, 1 workers, http://127.0.0.1:8080 unix:/run/web.sock");
        assert_eq!(line, expected);
    }
}
