//! The serving commands: from flags to a server that runs, in the foreground or as a daemon.
//!
//! ```text
//! flags ─► settings ─► check ──────────────────────────────► exit 0 or 2
//!                        └──► (detach) ─► bind ─► log ─► fork ─► ready line ─► … ─► exit
//! ```
//!
//! A daemon's caller waits for one word of it: the ready line, or why there is none.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    process::ExitCode,
};

use nix::unistd::{AccessFlags, access};

use super::{
    args,
    common::{Common, absolute},
    logging, out,
    services::{ECHO, FILES, HTTP},
    words,
};
use crate::{
    Error, Event, Outcome, Result, Server,
    app::{
        echo::{DatagramEcho, Echo},
        site::Site,
        transfer::{Access, Files},
    },
    config::{Model, Settings, name, runtime_dir},
    listener::addr::Address,
    process::{
        Pid,
        daemon::{self, Announce, Role, Verdict, Waiting},
        signal,
    },
};

/// `forkd http`
pub fn http(http: &args::Http) -> Result<ExitCode> {
    let root = directory(&http.dir)?;
    let settings = http.common.settings(HTTP.word)?;
    streams_only("HTTP/1.1", &settings)?;
    run(&http.common, settings, |server| {
        let checked = root.clone();
        let server = server.on_reload(move || directory(&checked).map(|_| None));
        server.serve_protocol(HTTP.scheme, move |_| Site::open(&root).map(Site::into_application), None)
    })
}

/// `forkd echo`
pub fn echo(echo: &args::Echo) -> Result<ExitCode> {
    let settings = echo.common.settings(ECHO.word)?;
    run(&echo.common, settings, |server| {
        server.serve_protocol(
            ECHO.scheme,
            |_| Ok(Echo),
            Some(Box::new(|worker| {
                // A datagram from a door of ours would be echoed to and fro for ever.
                let ports = worker.listeners().iter().filter_map(|listener| listener.local().port());
                Ok(Box::new(DatagramEcho::on_ports(ports)))
            })),
        )
    })
}

/// `forkd files`
pub fn files(files: &args::Files) -> Result<ExitCode> {
    let root = directory(&files.dir)?;
    let settings = files.common.settings(FILES.word)?;
    if settings.model != Model::Event {
        return Err(Error::usage(format!("cannot serve files by the {} model", settings.model))
            .remedy("leave --model out: files are served by the event model"));
    }
    streams_only("files", &settings)?;
    let access = if files.read_only { Access::ReadOnly } else { Access::ReadWrite };
    run(&files.common, settings, |server| {
        let checked = root.clone();
        let server = server.on_reload(move || directory(&checked).map(|_| None));
        let make = move |_: &crate::Worker| {
            // A file that grows past the limit is its client's problem, told by write(2); not the worker's death.
            signal::ignore(libc::SIGXFSZ)?;
            Files::open(&root, access)
        };
        server.serve_protocol(FILES.scheme, make, None)
    })
}

/// What is spoken on streams alone: better said here than by each worker as it dies.
fn streams_only(what: &str, settings: &Settings) -> Result<()> {
    let is_datagram = |address: &&Address| matches!(address, Address::Udp(_) | Address::AnyUdp(_));
    match settings.listen.iter().find(is_datagram) {
        Some(address) => Err(Error::usage(format!("cannot serve {what} on {address}: it takes datagrams"))
            .remedy("take a TCP or a Unix address; forkd echo serves UDP")),
        None => Ok(()),
    }
}

/// The directory to serve, as an absolute path.
///
/// # Errors
/// A usage error for one that is missing, no directory or not readable.
fn directory(dir: &Path) -> Result<PathBuf> {
    let refused = |cause: std::io::Error| {
        Error::system(format!("serve {}", words::printable(&dir.to_string_lossy())), cause)
            .remedy("name a directory that you can read")
            .as_usage()
    };
    let path = absolute(dir)?;
    if !path.metadata().map_err(refused)?.is_dir() {
        return Err(refused(nix::errno::Errno::ENOTDIR.into()));
    }
    access(&path, AccessFlags::R_OK | AccessFlags::X_OK).map_err(|cause| refused(cause.into()))?;
    Ok(path)
}

/// What every serving command does with its settings.
fn run(
    common: &Common,
    settings: Settings,
    serve: impl FnOnce(Server<'_>) -> Result<Outcome>,
) -> Result<ExitCode> {
    if common.check {
        return check(&settings).map_err(Error::as_usage);
    }
    settings.validate()?;
    if settings.daemon { in_background(settings, serve) } else { in_foreground(settings, serve) }
}

/// `--check`: everything that can be known without binding, forking or writing anything.
fn check(settings: &Settings) -> Result<ExitCode> {
    settings.validate()?;
    if let Some(dir) = &settings.runtime_dir {
        runtime_dir::check(dir)?;
    }
    let addresses: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    out::line(&format!(
        "forkd: {} can be started: {}, {} model, on {}",
        settings.name_with_port(None),
        words::count(settings.workers.count() as usize, "worker"),
        settings.model,
        addresses.join(" "),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn in_foreground(settings: Settings, serve: impl FnOnce(Server<'_>) -> Result<Outcome>) -> Result<ExitCode> {
    logging::install(&settings)?;
    let server = server(settings).on_event(|event| {
        if let Some(line) = ready_line(event) {
            // A reader that went away does not want the line; the server serves on.
            let _ = out::line(&line);
        }
    });
    serve(server).map(exit_code)
}

fn in_background(settings: Settings, serve: impl FnOnce(Server<'_>) -> Result<Outcome>) -> Result<ExitCode> {
    // Before the caller is left: whatever can be refused at its terminal is.
    logging::install(&settings)?;
    match daemon::detach().map_err(|cause| Error::system("become a daemon", cause))? {
        Role::Caller(waiting) => report(waiting),
        Role::Daemon(announce) => as_daemon(settings, announce, serve),
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

/// The daemon's part: serves, and says so or why not.
fn as_daemon(
    settings: Settings,
    announce: Announce,
    serve: impl FnOnce(Server<'_>) -> Result<Outcome>,
) -> Result<ExitCode> {
    let announce = RefCell::new(Some(announce));
    let unnamed = if settings.log.file.is_none() { settings.runtime_dir.clone() } else { None };
    let server = server(settings)
        .on_bound(move |name| unnamed.iter().try_for_each(|dir| logging::open(&name::log_file(dir, name))))
        .on_event(|event| {
            if let Some(line) = ready_line(event)
                && let Some(announce) = announce.take()
            {
                announce.ready(&line);
            }
        });
    match (serve(server), announce.take()) {
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

fn server<'a>(settings: Settings) -> Server<'a> {
    let model = settings.model;
    Server::from_settings(settings).model(model)
}

fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Stopped => ExitCode::SUCCESS,
    }
}

/// The line on standard output, once, when all workers are ready.
fn ready_line(event: &Event) -> Option<String> {
    let Event::Started { name, workers, urls } = event else { return None };
    Some(format!("forkd: {name} ready, master {}, {workers} workers, {}", Pid::this(), urls.join(" ")))
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

    #[test]
    fn what_cannot_be_served_is_the_users_to_mend() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("written");
        for path in [file, dir.path().join("nowhere")] {
            let error = directory(&path).expect_err("refused");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().ends_with("(name a directory that you can read)"), "{error}");
        }
        assert_eq!(directory(dir.path()).expect("a directory"), dir.path());
    }
}
