//! `forkd start FILE`: the servers of a configuration file, one master each.
//!
//! Each server is started by the command that a person would type for it, `forkd http --config FILE --name web`: so it
//! reloads by its own part of the file, and ps(1) shows what it is. All of them are checked before any is started, and
//! one that does not come to ready stops those that did.

pub mod args;
mod family;

use std::{
    ffi::OsString,
    process::{Command as Program, ExitCode, Stdio},
};

use self::args::Start;
use super::{
    args::{Command, Serve},
    out,
    paths::absolute,
    serve, typed,
};
use crate::{
    Error, Result,
    config::file::{self, File, Section, Value},
    listener::Address,
    server::Blueprint,
};

/// A server to be started.
struct Planned {
    name: String,
    /// The words that start it, without the program.
    words: Vec<OsString>,
    blueprint: Blueprint<'static>,
}

/// Starts them.
pub fn start(start: &Start) -> Result<ExitCode> {
    let file = File::read(&absolute(&start.file)?)?;
    let planned = plan(start, &file)?;
    check_doors(&planned)?;
    for server in &planned {
        server.blueprint.settings().validate().map_err(|cause| within(server, &cause))?;
    }
    if start.check {
        planned
            .iter()
            .try_for_each(|server| serve::check(&server.blueprint).map(drop))
            .map_err(Error::as_usage)?;
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe().map_err(|cause| Error::system("find this program", cause))?;
    match planned.as_slice() {
        [only] => Err(become_server(&program, only)),
        _ if start.daemon => in_background(&program, &planned),
        _ => family::raise(&program, planned.into_iter().map(|server| (server.name, server.words)).collect()),
    }
}

/// The command lines of a file's servers, by their names: those that `start` runs.
///
/// # Errors
/// For a server whose command is not said, or is none that serves.
pub fn command_lines(file: &File) -> Result<Vec<(String, Vec<OsString>)>> {
    let alone = Section { name: String::new(), line: 1, entries: Vec::new() };
    let sections = if file.servers.is_empty() { std::slice::from_ref(&alone) } else { &file.servers[..] };
    let line = |section: &Section| {
        let mut words = vec![command_of(file, section)?.into(), "--config".into(), file.path.clone().into()];
        if !section.name.is_empty() {
            words.extend(["--name".into(), section.name.clone().into()]);
        }
        Ok((section.name.clone(), words))
    };
    sections.iter().map(line).collect()
}

/// The serving command of a server.
fn command_of(file: &File, section: &Section) -> Result<String> {
    let commands = || {
        let grammar = super::usage::grammar();
        let words: Vec<_> = grammar
            .get_subcommands()
            .filter(|c| typed::is_serving(c))
            .map(|c| c.get_name().to_owned())
            .collect();
        words
    };
    let Some(entry) = file.entries(Some(section)).find(|entry| entry.key == "command") else {
        return Err(file::at(&file.path, section.line, "command is missing")
            .remedy(format!("write command = \"{}\"", commands().join("\" or \""))));
    };
    match &entry.value {
        Value::Words(words) if words.len() == 1 && commands().contains(&words[0]) => Ok(words[0].clone()),
        Value::Words(_) | Value::Switch(_) => {
            Err(file::at(&file.path, entry.line, "command is none that serves")
                .remedy(format!("write one of {}", commands().join(", "))))
        }
    }
}

fn plan(start: &Start, file: &File) -> Result<Vec<Planned>> {
    let mut planned = Vec::new();
    for (name, mut words) in command_lines(file)? {
        if let Some(dir) = &start.runtime_dir {
            words.extend(["--runtime-dir".into(), absolute(dir)?.into()]);
        }
        words.extend(start.daemon.then(|| "-d".into()));
        let typed: Vec<OsString> = ["forkd".into()].into_iter().chain(words.iter().cloned()).collect();
        let read = typed::read(&typed).map_err(|misread| misread.into_error(&typed))?;
        let Command::Serve(command) = read.line.command else { continue };
        let blueprint = Serve::serving(&command).blueprint()?;
        if blueprint.settings().daemon && !start.daemon {
            return Err(Error::usage(format!("cannot start {}: daemon is set in it", file.path.display()))
                .remedy("say forkd start -d, for all of its servers"));
        }
        planned.push(Planned { name, words, blueprint });
    }
    Ok(planned)
}

/// Two servers at one door would be found out by the second, after the first was started.
fn check_doors(planned: &[Planned]) -> Result<()> {
    let doors = || {
        let of = |server: &'_ Planned| server.blueprint.settings().listen.clone();
        planned
            .iter()
            .flat_map(move |server| of(server).into_iter().map(|address| (server.name.clone(), address)))
    };
    let fixed = |address: &Address| address.port() != Some(0);
    for (index, (name, address)) in doors().enumerate() {
        let twin = doors().skip(index + 1).find(|(_, other)| *other == address && fixed(&address));
        if let Some((other, _)) = twin {
            return Err(Error::usage(format!("cannot start {other} at {address}: {name} listens there"))
                .remedy("give each its own listen"));
        }
    }
    Ok(())
}

fn within(server: &Planned, cause: &Error) -> Error {
    Error::usage(format!("cannot start {}: {cause}", server.name))
}

/// One server needs nobody beside it.
fn become_server(program: &std::path::Path, server: &Planned) -> Error {
    use std::os::unix::process::CommandExt;
    let cause = Program::new(program).args(&server.words).exec();
    Error::system(format!("execute {}", program.display()), cause)
}

/// One daemon after the other; each prints its ready line.
fn in_background(program: &std::path::Path, planned: &[Planned]) -> Result<ExitCode> {
    for (index, server) in planned.iter().enumerate() {
        let run = Program::new(program).args(&server.words).status();
        let status = run.map_err(|cause| Error::system(format!("execute {}", program.display()), cause))?;
        if !status.success() {
            out::complain(&format!(
                "{} was not started: the servers before it are stopped again",
                server.name
            ));
            for started in &planned[..index] {
                stop_again(program, started);
            }
            return Ok(ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1)));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn stop_again(program: &std::path::Path, server: &Planned) {
    let settings = server.blueprint.settings();
    let mut stop = Program::new(program);
    stop.arg("stop").arg(&server.name).stdout(Stdio::null());
    stop.args(settings.runtime_dir.iter().flat_map(|dir| ["--runtime-dir".as_ref(), dir.as_os_str()]));
    // It complains by itself.
    let _ = stop.status();
}
