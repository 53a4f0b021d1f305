//! Which server is meant: a name, a master's pid, a `:PORT`, or the only one that runs here.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::{
    PATIENCE,
    args::Place,
    running::{Absent, Running},
};
use crate::{
    Error, Result,
    config::{
        name,
        runtime_dir::{self, Environment},
    },
    ipc::control::{Request, status::StatusDocument},
};

/// What was written in the place of NAME.
#[derive(Debug, PartialEq, Eq)]
enum Wanted<'a> {
    Only,
    Pid(i32),
    Port(u16),
    Name(&'a str),
}

impl<'a> Wanted<'a> {
    fn read(name: Option<&'a str>) -> Result<Self> {
        let Some(text) = name else { return Ok(Self::Only) };
        if let Some(port) = text.strip_prefix(':') {
            let port = port.parse().map_err(|_| {
                Error::usage(format!("cannot find server {text:?}: not a port")).remedy("write :8080")
            })?;
            return Ok(Self::Port(port));
        }
        // A number that no process can have is the name of nothing, too.
        match text.parse() {
            Ok(pid) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self::Pid(pid)),
            Ok(_) | Err(_) => Ok(Self::Name(text)),
        }
    }
}

/// Connects to the server that is meant.
///
/// # Errors
/// [`crate::ErrorKind::NotRunning`] when none does, naming those that do; a usage error when several could be meant.
pub fn server(place: &Place, name: Option<&str>) -> Result<Running> {
    let dir = directory(place)?;
    match Wanted::read(name)? {
        Wanted::Name(name) => named(&dir, name),
        Wanted::Only => only(&dir),
        Wanted::Pid(pid) => {
            let found = all(&dir)?.into_iter().find(|running| running.pid.as_raw() == pid);
            found.ok_or_else(|| missing(&dir, &format!("no master here has pid {pid}")))
        }
        Wanted::Port(port) => on_port(&dir, port),
    }
}

/// The directory in which servers are looked for.
pub fn directory(place: &Place) -> Result<PathBuf> {
    runtime_dir::resolve(place.runtime_dir.as_deref(), &Environment::of_this_process())
}

/// All servers that run in a directory, by name. Sockets that nobody listens on are passed over.
pub fn all(dir: &Path) -> Result<Vec<Running>> {
    let mut found = Vec::new();
    for name in names(dir)? {
        match Running::connect(&name, &name::control_socket(dir, &name)) {
            Ok(running) => found.push(running),
            Err(Absent::NotRunning) => {}
            // The others may be fine.
            Err(Absent::Refused(error)) => crate::cli::out::complain(&error.to_string()),
        }
    }
    Ok(found)
}

/// Whether any server runs there.
///
/// # Errors
/// [`crate::ErrorKind::NotRunning`] when none does.
pub fn any(dir: &Path) -> Result<()> {
    if all(dir)?.is_empty() { Err(missing(dir, "no server runs here")) } else { Ok(()) }
}

/// The names that have a control socket there.
pub fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = match dir.read_dir() {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => {
            let error = Error::system(format!("look into runtime directory {}", dir.display()), cause);
            return Err(error.remedy("name another with --runtime-dir"));
        }
    };
    let files = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        files.filter_map(|file| file.strip_suffix(".sock").map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}

fn named(dir: &Path, name: &str) -> Result<Running> {
    name::check(name, Some(dir))?;
    match Running::connect(name, &name::control_socket(dir, name)) {
        Ok(running) => Ok(running),
        Err(Absent::NotRunning) => Err(missing(dir, &format!("no server {name} runs here"))),
        Err(Absent::Refused(error)) => Err(error),
    }
}

fn only(dir: &Path) -> Result<Running> {
    let mut found = all(dir)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(missing(dir, "no server runs here")),
        count => {
            let names: Vec<&str> = found.iter().map(|running| running.name.as_str()).collect();
            let text = format!("cannot tell which server is meant: {count} run here");
            Err(Error::usage(text).remedy(format!("name one of {}", names.join(", "))))
        }
    }
}

fn on_port(dir: &Path, port: u16) -> Result<Running> {
    for running in all(dir)? {
        let (name, path) = (running.name.clone(), name::control_socket(dir, &running.name));
        let listens = running.ask(&Request::Status, PATIENCE).ok().and_then(|answer| answer.status);
        if listens.is_some_and(|document| listens_on(&document, port)) {
            // A connection carries one question.
            return Running::connect(&name, &path)
                .map_err(|_| missing(dir, &format!("{name} on port {port} has just gone")));
        }
    }
    Err(missing(dir, &format!("no server here listens on port {port}")))
}

fn listens_on(document: &StatusDocument, port: u16) -> bool {
    let port = format!(":{port}");
    document
        .listeners
        .iter()
        .any(|listener| !listener.address.starts_with("unix:") && listener.address.ends_with(&port))
}

/// The error of a server that does not run, with those that do.
fn missing(dir: &Path, what: &str) -> Error {
    let running = all(dir).unwrap_or_default();
    let names: Vec<&str> = running.iter().map(|running| running.name.as_str()).collect();
    let remedy = if names.is_empty() {
        "start one with forkd http, or name its --runtime-dir".to_owned()
    } else {
        format!("running: {}", names.join(", "))
    };
    Error::not_running(format!("{what}, in {}", dir.display())).remedy(remedy)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn place(dir: &Path) -> Place {
        Place { runtime_dir: Some(dir.to_path_buf()), json: false }
    }

    #[test]
    fn what_stands_in_the_place_of_a_name() {
        let table = [
            (None, Wanted::Only),
            (Some("web"), Wanted::Name("web")),
            (Some("4711"), Wanted::Pid(4711)),
            (Some("99999999999999"), Wanted::Name("99999999999999")),
            (Some("-1"), Wanted::Name("-1")),
            (Some(":80"), Wanted::Port(80)),
        ];
        for (text, wanted) in table {
            assert_eq!(Wanted::read(text).expect("readable"), wanted);
        }
        assert_eq!(Wanted::read(Some(":http")).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn where_nothing_runs_the_exit_code_says_so() {
        let dir = tempfile::tempdir().expect("a directory");
        // A socket file that its server left behind.
        drop(UnixListener::bind(dir.path().join("stale.sock")).expect("bound"));
        for name in [None, Some("web"), Some("stale"), Some("4711"), Some(":80")] {
            let error = server(&place(dir.path()), name).expect_err("nothing runs");
            assert_eq!(error.exit_code(), 3, "{error}");
        }
        let nowhere = dir.path().join("nowhere");
        assert_eq!(server(&place(&nowhere), None).expect_err("nothing there").exit_code(), 3);
    }

    #[test]
    fn the_only_one_needs_no_name_and_two_do() {
        let dir = tempfile::tempdir().expect("a directory");
        let _one = UnixListener::bind(dir.path().join("one.sock")).expect("bound");
        let found = server(&place(dir.path()), None).expect("the only one");
        assert_eq!((found.name.as_str(), found.pid), ("one", crate::process::Pid::this()));
        let by_pid = found.pid.to_string();
        assert_eq!(server(&place(dir.path()), Some(&by_pid)).expect("by its pid").name, "one");

        let _two = UnixListener::bind(dir.path().join("two.sock")).expect("bound");
        let error = server(&place(dir.path()), None).expect_err("two could be meant");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().ends_with("(name one of one, two)"), "{error}");
        assert_eq!(server(&place(dir.path()), Some("two")).expect("by name").name, "two");
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!(server(&place(dir.path()), Some("../x")).expect_err("a path").exit_code(), 2);
    }
}
