//! The grammar of the command line as clap holds it, and its complaints in our shape: one line that says what, why
//! and the remedy.

use std::ffi::OsString;

use clap::{
    Arg, Command, CommandFactory,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::{
    args::Line,
    services::{CHAT, FILES, SERVICES, Service},
};
use crate::Error;

/// The commands by what they are for, as the contract and the help list them.
const GROUPS: &[(&str, &[&str])] = &[
    ("Serve", &["http", "echo", "files", "chat", "run", "start"]),
    ("Operate", &["status", "stop", "reload", "upgrade", "scale", "pause", "resume", "reopen", "list"]),
    ("Inspect", &["tree", "why", "watch", "top", "sock", "decode"]),
    ("Learn", &["lab"]),
    ("Clients", &["ls", "cp", "send"]),
    ("Other", &["config", "doctor", "completions", "man"]),
];

/// The whole grammar: what is derived from [`Line`], each service's own default address, and grouped help.
pub fn grammar() -> Command {
    let grammar = Line::command().mut_subcommands(|command| {
        let command = if BY_EVENTS.contains(&command.get_name()) { by_events(command) } else { command };
        match SERVICES.iter().find(|service| service.word == command.get_name()) {
            Some(Service { listen: Some(address), .. }) => {
                command.mut_arg("listen", |arg| arg.default_value(address))
            }
            // How a program serves is its own affair.
            Some(Service { listen: None, .. }) => {
                let not_here = |arg: Arg| arg.conflicts_with("program").hide(true);
                command.mut_arg("model", not_here).mut_arg("reap", not_here)
            }
            None => command,
        }
    });
    let groups = groups(&grammar);
    grammar.help_template(format!("{{about}}\n\nUsage: forkd <COMMAND> [OPTIONS]\n\n{groups}{AFTER}"))
}

/// Those that the event model alone can serve. Another one is refused with the reason.
const BY_EVENTS: [&str; 2] = [FILES.word, CHAT.word];

fn by_events(command: Command) -> Command {
    let only = "How a worker serves: event, many connections at once";
    command
        .mut_arg("model", |arg| arg.help(only).hide_possible_values(true))
        .mut_arg("reap", |arg| arg.hide(true))
}

const AFTER: &str = "\
Options:
{options}

Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 not running, 4 running but degraded

Examples:
  forkd http -d                           serve this directory as a daemon
  forkd status                            look at it
  forkd stop                              drain it";

/// The commands with what they do, group by group.
fn groups(grammar: &Command) -> String {
    let mut text = String::new();
    for (group, words) in GROUPS {
        text.push_str(&format!("{group}:\n"));
        for word in *words {
            let about = grammar.find_subcommand(word).and_then(Command::get_about).map(ToString::to_string);
            text.push_str(&format!("  {word:12} {}\n", about.unwrap_or_default()));
        }
        text.push('\n');
    }
    text
}

/// A complaint of clap's about a command line, in our shape. Not for its help and version, which come as errors too.
pub fn complaint(line: &[OsString], error: &clap::Error) -> Error {
    let lookup = |kind| error.get(kind).map(words).unwrap_or_default();
    let argument = lookup(ContextKind::InvalidArg);
    if let Some(cause) = std::error::Error::source(error) {
        // Our own parsers say what, why and the remedy.
        return Error::usage(format!("{argument}: {cause}"));
    }
    let value = lookup(ContextKind::InvalidValue);
    let is = |kind| error.kind() == kind;
    let text = if is(ErrorKind::UnknownArgument) && argument.starts_with('-') {
        format!("unknown flag {argument}")
    } else if is(ErrorKind::UnknownArgument) {
        format!("one word too many: {argument}")
    } else if is(ErrorKind::InvalidSubcommand) {
        format!("unknown command {}", lookup(ContextKind::InvalidSubcommand))
    } else if is(ErrorKind::InvalidValue) && value.is_empty() {
        format!("no value for {argument}")
    } else if is(ErrorKind::InvalidValue) {
        format!("{argument} cannot be {value}")
    } else if is(ErrorKind::MissingRequiredArgument) {
        format!("missing {argument}")
    } else if is(ErrorKind::ArgumentConflict) {
        let other = lookup(ContextKind::PriorArg);
        if other.is_empty() || other == argument {
            format!("{argument} is given twice")
        } else {
            format!("{argument} cannot stand beside {other}")
        }
    } else {
        error.kind().as_str().unwrap_or("the command line cannot be read").to_owned()
    };
    Error::usage(text).remedy(remedy(line, error))
}

/// What to do about it: the nearest word, the words that are allowed, or the page that lists them.
fn remedy(line: &[OsString], error: &clap::Error) -> String {
    const NEAREST: [ContextKind; 3] =
        [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue];
    let lookup = |kind| error.get(kind).map(words).filter(|words| !words.is_empty());
    // Of several the nearest is the last.
    let last = |words: String| words.rsplit(", ").next().map(str::to_owned);
    let nearest =
        NEAREST.into_iter().find_map(lookup).and_then(last).map(|word| format!("did you mean {word}?"));
    let allowed = lookup(ContextKind::ValidValue).map(|words| format!("write one of {words}"));
    let page = format!("see {} --help", page(line));
    match (nearest, allowed) {
        (Some(nearest), None) => format!("{nearest} {page}"),
        (_, Some(allowed)) => allowed,
        (None, None) => page,
    }
}

/// The command whose help lists what was meant.
fn page(line: &[OsString]) -> String {
    let known = |word: &&str| GROUPS.iter().any(|(_, words)| words.contains(word));
    let word = line.get(1).and_then(|word| word.to_str()).filter(known);
    word.map_or_else(|| "forkd".to_owned(), |word| format!("forkd {word}"))
}

/// What clap tells about an error, as words without colours.
fn words(value: &ContextValue) -> String {
    if let ContextValue::Strings(words) = value { words.join(", ") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complain(line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let error = complaint(&words, &grammar().try_get_matches_from(&words).expect_err(line));
        assert_eq!(error.exit_code(), 2, "{line}");
        error.to_string()
    }

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn every_command_stands_in_one_group_of_the_help() {
        let grammar = grammar();
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, words)| *words).copied().collect();
        let built: Vec<&str> = grammar.get_subcommands().map(Command::get_name).collect();
        assert_eq!(listed, built);
    }

    #[test]
    fn the_help_offers_the_models_that_there_are() {
        let mut grammar = grammar();
        for (word, offered) in [("http", true), ("echo", true), ("files", false), ("chat", false)] {
            let help = grammar.find_subcommand_mut(word).expect(word).render_long_help().to_string();
            assert_eq!(help.contains("per-connection"), offered, "{help}");
            assert!(help.contains("--model <M>"), "{help}");
        }
    }

    #[test]
    fn complaints_say_what_why_and_the_remedy_in_one_line() {
        let table = [
            (
                "forkd http --wrkers 2",
                "unknown flag --wrkers (did you mean --workers? see forkd http --help)",
            ),
            ("forkd http --upgrade", "unknown flag --upgrade (did you mean --upload? see forkd http --help)"),
            ("forkd fly", "unknown command fly (see forkd --help)"),
            ("forkd stattus", "unknown command stattus (did you mean status? see forkd --help)"),
            ("forkd http a b", "one word too many: b (see forkd http --help)"),
            ("forkd http --workers", "no value for --workers <N|MIN..MAX|auto> (see forkd http --help)"),
            ("forkd completions", "missing <SHELL> (see forkd completions --help)"),
            (
                "forkd http --model evnt",
                "--model <M> cannot be evnt (write one of event, blocking, per-connection)",
            ),
            (
                "forkd http -w 5000",
                "--workers <N|MIN..MAX|auto>: cannot have 5000 workers: the scoreboard ends at 4096 \
                 (write fewer; auto takes one for each processor)",
            ),
            (
                "forkd echo --drain-timeout 10",
                "--drain-timeout <T>: cannot read \"10\" as a duration: time unit needed, for example 10sec or 10ms \
                 (write 500ms, 30s, 2m or off)",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(complain(line), expected, "{line}");
        }
    }

    #[test]
    fn no_complaint_has_two_lines() {
        for line in ["forkd http -d -d", "forkd scale a b c", "forkd send", "forkd http -l nowhere"] {
            let text = complain(line);
            assert!(!text.contains('\n') && text.ends_with(')'), "{text}");
        }
    }
}
