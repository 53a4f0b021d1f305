//! How what happened is told: one log line each, with the same keys everywhere.

use std::time::Duration;

use log::{Level, kv::Value};

use super::action::{Change, Ending, Expectation, News, Who};
use crate::{
    ipc::{ident::Generation, message::Accepts},
    logging,
    process::exit::ExitStatus,
};

/// Writes the line.
pub fn log(news: &News) {
    let Line { level, text, facts } = line(news);
    let facts: Vec<_> = facts.iter().map(|(key, fact)| (*key, fact.value())).collect();
    logging::event(level, text, &facts);
}

/// A line: words for people, facts by key for programs.
struct Line {
    level: Level,
    text: String,
    facts: Vec<(&'static str, Fact)>,
}

/// A number stays one, so that a log in JSON says it without quotes.
enum Fact {
    Number(u64),
    Text(String),
}

impl Fact {
    fn value(&self) -> Value<'_> {
        match self {
            Self::Number(number) => Value::from(*number),
            Self::Text(text) => Value::from(text.as_str()),
        }
    }
}

impl Line {
    fn with(mut self, key: &'static str, value: impl ToString) -> Self {
        self.facts.push((key, Fact::Text(value.to_string())));
        self
    }

    fn count(mut self, key: &'static str, number: impl Into<u64>) -> Self {
        self.facts.push((key, Fact::Number(number.into())));
        self
    }

    fn with_some(self, key: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

#[expect(clippy::too_many_lines, reason = "a table: one row for each piece of news")]
fn line(news: &News) -> Line {
    match news {
        News::Spawned { who } => about(Level::Info, "worker forked", "spawned", who),
        News::SpawnFailed { who, cause, delay } => {
            about(Level::Error, "cannot start a worker", "respawn", who)
                .with("reason", cause)
                .with("delay", wait(*delay))
        }
        News::Ready { who, after } => {
            about(Level::Info, "worker ready", "ready", who).with("after", wait(*after))
        }
        News::Draining { who, reason } => {
            about(Level::Info, "worker drains", "draining", who).with("reason", reason)
        }
        News::Struck { who, reason, during } => {
            about(Level::Warn, "worker passed a limit and is warned", "late", who)
                .with("reason", reason)
                .with_some("during", during.as_ref())
        }
        News::Halted { who } => about(Level::Info, "worker was stopped by a signal", "halted", who),
        News::Continued { who } => about(Level::Info, "worker goes on", "continued", who),
        News::Killed { who, reason } => {
            about(Level::Warn, "worker killed", "killed", who).with("reason", reason)
        }
        News::Exited { who, status, reason, during, expected } => {
            let line = about(exit_level(*status, *expected), "worker ended", "exited", who);
            line.with("status", status).with("reason", reason).with_some("during", during.as_ref())
        }
        News::Respawn { who, deaths, delay } => about(Level::Info, "slot is filled again", "respawn", who)
            .count("deaths", *deaths)
            .with("delay", wait(*delay)),
        News::GaveUp { who, deaths, reason } => about(Level::Error, "slot given up", "gave-up", who)
            .count("deaths", *deaths)
            .with("reason", reason),
        News::TurnBegan { change, generation } => turn(Level::Info, *change, "begins", *generation),
        News::Turned { change, generation } => turn(Level::Info, *change, "done", *generation),
        News::TurnFailed { change, generation, reason } => {
            turn(Level::Error, *change, "failed", *generation).with("reason", reason)
        }
        News::ReloadQueued { behind } => server(Level::Info, "reload waits for the one that runs", "reload")
            .count("behind", behind.number()),
        News::Scaled { from, to, why } => {
            let line = server(Level::Info, "scaled", "scaled").count("from", *from).count("workers", *to);
            line.with("reason", why)
        }
        News::Accepts { accepts: Accepts::Paused } => server(Level::Info, "paused", "paused"),
        News::Accepts { accepts: Accepts::Yes } => server(Level::Info, "resumed", "resumed"),
        News::Refused { text } => server(Level::Warn, "request refused", "refused").with("reason", text),
        News::Stopped { ending: Ending::Stopped } => server(Level::Info, "stopped", "stopped"),
        News::Stopped { ending: Ending::Failed(why) } => {
            server(Level::Error, "stopped", "stopped").with("reason", why)
        }
        News::Stopping { reason } => server(Level::Info, "stopping", "stopping").with("reason", reason),
    }
}

fn server(level: Level, text: impl Into<String>, event: impl ToString) -> Line {
    Line { level, text: text.into(), facts: Vec::new() }.with("event", event)
}

fn turn(level: Level, change: Change, state: &str, generation: Generation) -> Line {
    server(level, format!("{change} {state}"), change).count("gen", generation.number())
}

fn about(level: Level, text: &'static str, event: &'static str, who: &Who) -> Line {
    let line = server(level, text, event)
        .count("slot", who.child.slot.number())
        .count("gen", who.generation.number());
    match who.pid {
        Some(pid) => line.count("pid", pid.as_raw().unsigned_abs()),
        None => line,
    }
}

/// A death that was asked for is no news; one that was not is a warning even if its exit code is 0.
fn exit_level(status: ExitStatus, expected: Expectation) -> Level {
    match (expected, status) {
        (Expectation::Asked, _) => Level::Info,
        (Expectation::Unasked, ExitStatus::Exited(0)) => Level::Warn,
        (Expectation::Unasked, _) => Level::Error,
    }
}

fn wait(delay: Duration) -> String {
    humantime::format_duration(Duration::from_millis(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)))
        .to_string()
}
