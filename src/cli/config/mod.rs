//! `forkd config print`: what a server would be told, value by value, and what said so.

pub mod args;

use std::{ffi::OsString, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, parser::ValueSource};
use serde::Serialize;

use self::args::Config;
use super::{
    args::{Command, Serve},
    out,
    paths::absolute,
    start::command_lines,
    table::{Edge, Table},
    typed::{self, Typed},
    usage,
};
use crate::{
    Error, Result,
    config::{Settings, file::File, name},
};

/// What one server is told.
#[derive(Debug, Serialize)]
struct Told {
    server: String,
    command: String,
    settings: Vec<Setting>,
}

/// One value.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Setting {
    key: String,
    value: Option<String>,
    from: String,
}

/// The commands about configuration.
pub fn config(config: &Config) -> Result<ExitCode> {
    let Config::Print(print) = config;
    let told = lines(&print.words)?.iter().map(|line| tell(line)).collect::<Result<Vec<_>>>()?;
    if print.json {
        out::document(&told)?;
    } else {
        for server in &told {
            out::line(&format!(
                "{} (forkd {})\n{}",
                server.server,
                server.command,
                render(&server.settings)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The command lines that are meant: those of a file's servers, or the one that is written.
fn lines(words: &[OsString]) -> Result<Vec<Vec<OsString>>> {
    let forkd = || OsString::from("forkd");
    let grammar = usage::grammar();
    let serving = grammar.get_subcommands().filter(|command| typed::is_serving(command));
    if serving.map(clap::Command::get_name).any(|name| words[0] == name) {
        return Ok(vec![[forkd()].into_iter().chain(words.iter().cloned()).collect()]);
    }
    let [file] = words else {
        return Err(Error::usage("cannot print more than one configuration")
            .remedy("name one file, or a serving command with its flags"));
    };
    let file = File::read(&absolute(file.as_ref())?)?;
    let lines = command_lines(&file)?;
    Ok(lines.into_iter().map(|(_, words)| [forkd()].into_iter().chain(words).collect()).collect())
}

/// What the server of a command line is told.
fn tell(line: &[OsString]) -> Result<Told> {
    let typed = typed::read(line).map_err(|misread| misread.into_error(line))?;
    let (Command::Serve(command), Some((word, matches))) = (&typed.line.command, typed.matches.subcommand())
    else {
        return Err(Error::usage("cannot print the configuration of what does not serve"));
    };
    let settings = Serve::serving(command).common().settings(word)?;
    let grammar = usage::grammar();
    let arguments = grammar.find_subcommand(word).into_iter().flat_map(clap::Command::get_arguments);
    let keyed = arguments.filter_map(|arg| Some((typed::key(arg)?, arg)));
    Ok(Told {
        server: settings.name_with_port(None),
        command: word.to_owned(),
        settings: keyed.map(|(key, arg)| setting(key, arg, matches, &typed, &settings)).collect(),
    })
}

fn setting(key: &str, arg: &Arg, matches: &ArgMatches, typed: &Typed, settings: &Settings) -> Setting {
    let id = arg.get_id().as_str();
    let said = matches!(arg.get_action(), ArgAction::SetTrue).then(|| matches.get_flag(id).to_string());
    let raw = || {
        let words = matches.get_raw(id)?.map(|word| word.to_string_lossy().into_owned());
        Some(words.collect::<Vec<_>>().join(" "))
    };
    let configured = typed.configured.iter().find(|configured| configured.key == key);
    let from = match (matches.value_source(id), configured) {
        (Some(ValueSource::CommandLine), Some(place)) => format!("{}:{}", place.path.display(), place.line),
        (Some(ValueSource::CommandLine), None) => "flag".to_owned(),
        (Some(ValueSource::EnvVariable), _) => {
            format!("environment {}", arg.get_env().unwrap_or_default().to_string_lossy())
        }
        (Some(_) | None, _) => followed_from(key),
    };
    let value = said.or_else(raw).or_else(|| follows(key, settings));
    Setting { key: key.to_owned(), value, from }
}

/// What a value is that nobody gave, and that follows from others.
fn follows(key: &str, settings: &Settings) -> Option<String> {
    let name = settings.name_with_port(None);
    let dir = settings.runtime_dir.as_deref()?;
    let path = match key {
        "name" => return Some(name),
        "balance" => return Some("shared, udp: reuseport".to_owned()),
        "runtime-dir" => dir.to_path_buf(),
        "pid-file" => name::pid_file(dir, &name),
        "log-file" if settings.daemon => name::log_file(dir, &name),
        _ => return None,
    };
    Some(path.display().to_string())
}

/// Where a default comes from.
fn followed_from(key: &str) -> String {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let variable = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"].into_iter().find(set);
    match variable.filter(|_| key == "runtime-dir") {
        Some(variable) => format!("environment {variable}"),
        None => "default".to_owned(),
    }
}

fn render(settings: &[Setting]) -> String {
    let mut table = Table::new(&[("KEY", Edge::Left), ("VALUE", Edge::Left), ("FROM", Edge::Left)]);
    for setting in settings {
        let value = setting.value.clone().unwrap_or_else(|| "-".to_owned());
        table.row([setting.key.clone(), value, setting.from.clone()]);
    }
    table.render()
}
