//! `forkd watch`: what processes do, line by line as they do it.
//!
//! ```text
//! 12:00:00.123456  fork     4712 sh                made by 4711 sh
//! 12:00:00.124011  exec     4712 sleep             sleep 1
//! 12:00:01.126500  exit     4712 sleep             exited with code 0, after 1.0 s
//! 12:00:01.126612  reaped   4712 sleep             by 4711 sh, 112 µs later
//! ```

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use super::{out, words};
use crate::{
    Error, Result,
    inspect::watch::{Event, Named, News, Reaper, Source, watcher::Watcher},
    process::{Pid, clock::Time, exit::ExitStatus},
};

/// What follows the flags in `--help`.
pub const EXAMPLES: &str = "\
Where the kernel tells of every event nothing is missed; otherwise /proc is read again and again. The first lines say
which it is and what may be missed. It ends when all that are watched have ended and are reaped.

Examples:
  forkd watch                             every process of the machine
  forkd watch 4711                        this process and all below it
  forkd watch $$ --json | jq .event";

/// `forkd watch`
#[derive(Debug, clap::Args)]
pub struct Watch {
    /// Watch this process and all below it [default: all processes]
    #[arg(value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,
    /// Print one JSON document per line and nothing else
    #[arg(long)]
    json: bool,
}

/// Watches one process and all below it, or all processes, until it is ended or nobody is left.
pub fn watch(args: &Watch) -> Result<ExitCode> {
    let root = args.pid.map(Pid::from_raw);
    let mut watcher = Watcher::new(root).map_err(|cause| cannot_watch(root, cause))?;
    let told = begin(args, &watcher);
    let mut going_on = out::stream(&told)?;
    while going_on {
        let news = watcher.wait().map_err(|cause| cannot_watch(root, cause))?;
        let Some(news) = news else {
            if !args.json {
                out::line("all that were watched have ended")?;
            }
            break;
        };
        let now = Clock::now();
        let lines = news.iter().map(|news| if args.json { document(news, &now) } else { line(news, &now) });
        going_on = out::stream(&lines.collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn cannot_watch(root: Option<Pid>, cause: std::io::Error) -> Error {
    match root {
        Some(pid) if cause.kind() == std::io::ErrorKind::NotFound => {
            Error::not_running(format!("cannot watch process {pid}: there is none with this number"))
        }
        Some(pid) => Error::system(format!("watch process {pid}"), cause),
        None => Error::system("watch processes", cause),
    }
}

/// What is watched, how, and what may be missed.
fn begin(args: &Watch, watcher: &Watcher) -> String {
    let (source, misses) = (watcher.source(), watcher.source().may_miss());
    if args.json {
        let because = match source {
            Source::Kernel => None,
            Source::Walks { every: _, because } => Some(because),
        };
        let document = json!({
            "event": "watching", "time": Clock::now().stamp(Time::now()), "pid": args.pid,
            "processes": watcher.watched(), "source": source.name(), "because": because, "may_miss": misses,
        });
        return format!("{document}\n");
    }
    let who = match (args.pid, watcher.watched()) {
        (None, number) => format!("all {number} processes, and those to come"),
        (Some(pid), 1) => format!("process {pid}, and those that it makes"),
        (Some(pid), number) => {
            format!("process {pid}, the {} below it, and those that they make", number - 1)
        }
    };
    let how = match source {
        Source::Kernel => "the kernel tells (netlink)".to_owned(),
        Source::Walks { every, because } => {
            format!("/proc is read every {} ms, for {because}", every.as_millis())
        }
    };
    format!("watching {who}; times are UTC\n{how}; may be missed: {misses}\n")
}

/// The clock of the wall beside the clock of the events.
struct Clock {
    wall: SystemTime,
    monotonic: Time,
}

impl Clock {
    fn now() -> Self {
        Self { wall: SystemTime::now(), monotonic: Time::now() }
    }

    /// `2026-11-20T12:00:00.123456Z`
    fn stamp(&self, at: Time) -> String {
        let ago = self.monotonic.since(at);
        humantime::format_rfc3339_micros(self.wall.checked_sub(ago).unwrap_or(self.wall)).to_string()
    }
}

fn line(news: &News, clock: &Clock) -> String {
    let stamp = clock.stamp(news.at);
    let time = stamp.split('T').nth(1).unwrap_or_default().trim_end_matches('Z');
    let (word, text) = words(&news.event);
    let who = format!("{:>7} {}", news.process.pid, name(&news.process));
    format!("{time}  {word:7}  {who:24}  {text}\n")
}

/// The event as its word and a sentence.
fn words(event: &Event) -> (&'static str, String) {
    match event {
        Event::Fork { parent } => ("fork", format!("made by {}", person(parent))),
        Event::Exec { title } => ("exec", title.as_deref().map_or(GONE.into(), brief)),
        Event::Exit { status, lived } => {
            let after = lived.map_or(String::new(), |lived| format!(", after {}", span(lived)));
            ("exit", format!("{}{after}", status.map_or(UNKNOWN.into(), ExitStatus::words)))
        }
        Event::Reaped { by, after, status } => {
            let by = match by {
                Reaper::Parent(parent) => format!("by {}", person(parent)),
                Reaper::Kernel(parent) => {
                    format!("by the kernel, for its parent {} ignores SIGCHLD", person(parent))
                }
                Reaper::Adopter => "by who adopted it".into(),
            };
            let status = status.map_or(String::new(), |status| format!("; it {}", status.words()));
            let when = if after.is_zero() { "at once".into() } else { format!("{} later", span(*after)) };
            ("reaped", format!("{by}, {when}{status}"))
        }
        Event::Adopted { parent, by } => {
            ("adopted", format!("by {}: its parent {} has ended", person(by), person(parent)))
        }
        Event::Lost => ("lost", "the kernel told more than could be read: events are missing here".into()),
    }
}

/// Letters of a command line that are shown.
const TITLE: usize = 160;
const GONE: &str = "(it ended before its command line could be read)";
const UNKNOWN: &str = "ended, how is not to be seen by this user";

fn person(named: &Named) -> String {
    format!("{} {}", named.pid, name(named))
}

fn name(named: &Named) -> String {
    named.comm.as_deref().map_or("?".into(), printable)
}

/// A command line, cut where it is a whole script.
fn brief(title: &str) -> String {
    let mut letters = title.chars();
    let brief: String = letters.by_ref().take(TITLE).collect();
    let cut = if letters.next().is_some() { "…" } else { "" };
    format!("{}{cut}", printable(&brief))
}

fn printable(text: &str) -> String {
    words::printable(text).into_owned()
}

/// `112 µs`, `5 ms`, `3.2 s`, as long as needed.
fn span(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 1000 { format!("{micros} µs") } else { words::age(duration.as_secs_f64()) }
}

/// The event as one line of JSON. What is not known is null.
fn document(news: &News, clock: &Clock) -> String {
    let (word, _) = words(&news.event);
    let mut document = json!({
        "time": clock.stamp(news.at), "event": word, "pid": news.process.pid, "comm": news.process.comm,
    });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, facts(&news.event)) {
        document.extend(more);
    }
    format!("{document}\n")
}

fn facts(event: &Event) -> Value {
    match event {
        Event::Fork { parent } => json!({ "parent": parent.pid, "parent_comm": parent.comm }),
        Event::Exec { title } => json!({ "title": title }),
        Event::Exit { status, lived } => json!({
            "status": status.map(|status| status.to_string()),
            "words": status.map(ExitStatus::words),
            "lived_s": lived.map(|lived| lived.as_secs_f64()),
        }),
        Event::Reaped { by, after, status } => {
            let (kind, by) = match by {
                Reaper::Parent(parent) => ("parent", Some(parent)),
                Reaper::Kernel(parent) => ("kernel", Some(parent)),
                Reaper::Adopter => ("adopter", None),
            };
            json!({
                "reaper": kind, "by": by.map(|by| by.pid), "by_comm": by.and_then(|by| by.comm.clone()),
                "after_s": after.as_secs_f64(), "status": status.map(|status| status.to_string()),
            })
        }
        Event::Adopted { parent, by } => json!({
            "by": by.pid, "by_comm": by.comm, "parent": parent.pid, "parent_comm": parent.comm,
        }),
        Event::Lost => json!({}),
    }
}
