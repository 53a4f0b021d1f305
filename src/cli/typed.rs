//! What was typed, with the configuration file that it names read into it.
//!
//! A file says the same as flags would, so it becomes flags: each key of it is put in front of the words that were
//! typed, unless the same flag is among those. One grammar then reads all of it, at the start and at each reload, and
//! a new flag is a new key of the file without a line of code.
//!
//! ```text
//! forkd http --config web.toml -w 2        web.toml: workers = 4, drain-timeout = "10s"
//! forkd http --drain-timeout=10s --config web.toml -w 2
//! ```

use std::{ffi::OsString, path::PathBuf};

use clap::{
    Arg, ArgAction, ArgMatches, Command, FromArgMatches,
    error::{ContextKind, ContextValue},
    parser::ValueSource,
};

use super::{args::Line, paths::absolute, usage};
use crate::{
    Error, Result,
    config::file::{self, Entry, File, Section, Value},
};

/// A command line, understood.
pub struct Typed {
    /// What it says.
    pub line: Line,
    /// The same as clap holds it: it knows where each value comes from.
    pub matches: ArgMatches,
    /// What the file said that no flag overrules.
    pub configured: Vec<Configured>,
}

/// A key of a file that became a flag.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The name of the flag.
    pub key: String,
    /// The file.
    pub path: PathBuf,
    /// The line of it.
    pub line: usize,
}

/// Why a command line is not understood.
pub enum Misread {
    /// What clap stopped at: a page that was asked for, or something that it cannot understand.
    Clap(clap::Error),
    /// What we did.
    Ours(Error),
}

/// Reads the words of a command line.
///
/// # Errors
/// For what cannot be meant, on the line or in the file.
pub fn read(words: &[OsString]) -> std::result::Result<Typed, Misread> {
    let grammar = usage::grammar();
    let Some(found) = configuration(&grammar, words) else {
        return understand(grammar, words, Vec::new()).map_err(Misread::Clap);
    };
    let (words, configured) = found.and_then(|found| found.merge(words)).map_err(Misread::Ours)?;
    understand(grammar, &words, configured.clone()).map_err(|error| misread(&words, error, &configured))
}

/// The command line of this process, read anew with whatever its file says by now.
///
/// # Errors
/// As [`read`], in one line.
pub fn read_again() -> Result<Typed> {
    let words: Vec<OsString> = std::env::args_os().collect();
    read(&words).map_err(|misread| misread.into_error(&words))
}

impl Misread {
    /// The same in one line.
    pub fn into_error(self, words: &[OsString]) -> Error {
        match self {
            Self::Clap(error) => usage::complaint(words, &error),
            Self::Ours(error) => error,
        }
    }
}

fn understand(
    grammar: Command,
    words: &[OsString],
    configured: Vec<Configured>,
) -> std::result::Result<Typed, clap::Error> {
    let matches = grammar.try_get_matches_from(words)?;
    let line = Line::from_arg_matches(&matches)?;
    Ok(Typed { line, matches, configured })
}

/// A complaint about a word that stands in the file names the file.
fn misread(words: &[OsString], error: clap::Error, configured: &[Configured]) -> Misread {
    let argument = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => argument.clone(),
        Some(_) | None => return Misread::Clap(error),
    };
    let flag = argument.split([' ', '=']).next().unwrap_or_default().trim_start_matches('-');
    match configured.iter().find(|configured| configured.key == flag) {
        Some(Configured { key, path, line }) => {
            let complaint = usage::complaint(words, &error).to_string();
            Misread::Ours(file::at(path, *line, &complaint.replacen(&argument, key, 1)))
        }
        None => Misread::Clap(error),
    }
}

/// A file that a command line names, and what matters of that line.
struct Found {
    command: Command,
    typed: ArgMatches,
    file: File,
}

/// The file that these words name, if they are a serving command's.
fn configuration(grammar: &Command, words: &[OsString]) -> Option<Result<Found>> {
    let typed = grammar.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
    let (word, typed) = typed.subcommand()?;
    let path = typed.try_get_one::<PathBuf>("config").ok()??;
    let found = absolute(path).and_then(|path| File::read(&path)).map(|file| Found {
        command: grammar.find_subcommand(word).cloned().unwrap_or_default(),
        typed: typed.clone(),
        file,
    });
    Some(found)
}

impl Found {
    /// The words that were typed, with the file's between the command and its flags.
    fn merge(&self, typed: &[OsString]) -> Result<(Vec<OsString>, Vec<Configured>)> {
        let server = self.server()?;
        let (mut flags, mut rest, mut configured) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(server) = server {
            let name = (!self.is_typed("name")).then(|| format!("--name={}", server.name).into());
            flags.extend(name);
            configured.push(self.configured("name", server.line));
        }
        for entry in self.file.entries(server) {
            let Some(arg) = self.argument(entry)? else { continue };
            if !self.is_typed(arg.get_id().as_str()) {
                let words = self.words(entry, arg)?;
                if arg.is_positional() {
                    rest.extend(words);
                } else {
                    flags.extend(words);
                }
                configured.push(self.configured(&entry.key, entry.line));
            }
        }
        let mut words = typed[..2].to_vec();
        words.extend(flags);
        words.extend_from_slice(&typed[2..]);
        if !rest.is_empty() {
            words.push("--".into());
            words.extend(rest);
        }
        Ok((words, configured))
    }

    /// The server of the file that is meant: by its name, or the only one; none if the file is of one server alone.
    fn server(&self) -> Result<Option<&Section>> {
        let path = self.file.path.display();
        let named = self.typed.get_one::<String>("name").map(String::as_str);
        match (named, self.file.servers.as_slice()) {
            (_, []) => Ok(None),
            (None, [only]) => Ok(Some(only)),
            (Some(name), _) => self.file.server(name).map(Some).ok_or_else(|| {
                Error::usage(format!("cannot find server {name} in {path}"))
                    .remedy(format!("it has {}", self.file.names()))
            }),
            (None, _) => Err(Error::usage(format!("cannot choose a server of {path}: it has several"))
                .remedy(format!("say --name and one of {}", self.file.names()))),
        }
    }

    /// The argument that a key means; none for a key that is not for this command, and that others have.
    fn argument(&self, entry: &Entry) -> Result<Option<&Arg>> {
        let command = self.command.get_name();
        if entry.key == "command" {
            return match &entry.value {
                Value::Words(words) if *words == [command] => Ok(None),
                Value::Words(_) | Value::Switch(_) => Err(self
                    .at(entry, &format!("this is no server of forkd {command}"))
                    .remedy("forkd start finds the command by itself")),
            };
        }
        let meant = self.command.get_arguments().find(|arg| key(arg) == Some(&entry.key));
        if meant.is_none() && (!self.file.common.contains(entry) || !is_known(&entry.key)) {
            return Err(self.unknown(entry));
        }
        Ok(meant)
    }

    fn unknown(&self, entry: &Entry) -> Error {
        let keys = self.command.get_arguments().filter_map(key).chain(["command", "server"]);
        let error = self.at(entry, &format!("unknown key {}", entry.key));
        match nearest(&entry.key, keys) {
            Some(near) => error.remedy(format!("did you mean {near}?")),
            None => {
                error.remedy(format!("the keys are the flags of forkd {} --help", self.command.get_name()))
            }
        }
    }

    /// The words by which an entry would be typed.
    fn words(&self, entry: &Entry, arg: &Arg) -> Result<Vec<OsString>> {
        let flag = |word: &String| format!("--{}={word}", entry.key).into();
        let takes_none = matches!(arg.get_action(), ArgAction::SetTrue)
            || arg.get_num_args().is_some_and(|range| range.min_values() == 0);
        match &entry.value {
            Value::Switch(true) if takes_none => Ok(vec![format!("--{}", entry.key).into()]),
            Value::Switch(false) if takes_none => Ok(Vec::new()),
            Value::Switch(_) => Err(self
                .at(entry, &format!("{} is not true or false", entry.key))
                .remedy("write the value of the flag")),
            Value::Words(_) if matches!(arg.get_action(), ArgAction::SetTrue) => {
                Err(self.at(entry, &format!("{} takes no value", entry.key)).remedy("write true or false"))
            }
            Value::Words(words) if words.len() > 1 && !is_list(arg) => Err(self
                .at(entry, &format!("{} is one value, not a list", entry.key))
                .remedy("write one of them")),
            Value::Words(words) if arg.is_positional() => Ok(words.iter().map(Into::into).collect()),
            Value::Words(words) => Ok(words.iter().map(flag).collect()),
        }
    }

    fn is_typed(&self, id: &str) -> bool {
        self.typed.try_contains_id(id).is_ok()
            && self.typed.value_source(id).is_some_and(|source| source != ValueSource::DefaultValue)
    }

    fn configured(&self, key: &str, line: usize) -> Configured {
        Configured { key: key.to_owned(), path: self.file.path.clone(), line }
    }

    fn at(&self, entry: &Entry, what: &str) -> Error {
        file::at(&self.file.path, entry.line, what)
    }
}

/// The key of a file that stands for an argument: the name of its flag, or what it is called where it has none. What
/// only a person at a terminal means has no key.
pub fn key(arg: &Arg) -> Option<&str> {
    let key = arg.get_long().unwrap_or(arg.get_id().as_str());
    (!["config", "check", "help", "version"].contains(&key)).then_some(key)
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
        || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

/// Whether any serving command has such a key.
fn is_known(word: &str) -> bool {
    let grammar = usage::grammar();
    let mut serving = grammar.get_subcommands().filter(|command| is_serving(command));
    serving.any(|command| command.get_arguments().any(|arg| key(arg) == Some(word)))
}

/// Whether a command is one that serves: it can be told everything by a file.
pub fn is_serving(command: &Command) -> bool {
    command.get_arguments().any(|arg| arg.get_long() == Some("config"))
}

/// The word that was probably meant.
fn nearest<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = words.map(|other| (strsim::jaro_winkler(word, other), other));
    let best = near.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(likeness, _)| *likeness > 0.8).map(|(_, other)| other)
}
