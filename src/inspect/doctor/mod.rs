//! What of this machine matters to a server, what it means, and what to do about it.
//!
//! Each finding is one fact with its consequence: a number alone helps nobody.

mod kernel;
mod limits;
mod place;

use serde::Serialize;

use super::{explain::words::Lang, snapshot::Snapshot};

pub use kernel::hidepid;

/// One fact about the machine.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Its name, the same for ever: `descriptors`, `sigchld`, …
    pub id: &'static str,
    /// What was looked at.
    pub what: &'static str,
    /// What was found.
    pub value: String,
    /// How it is for a server.
    pub verdict: Verdict,
    /// What it means for a server.
    pub means: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

/// How a fact is for a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Worth knowing, for some servers.
    Note,
    /// It will hurt.
    Bad,
}

/// Looks at everything, and says in this language what it found.
pub fn examine(snapshot: &Snapshot, lang: Lang) -> Vec<Finding> {
    vec![
        limits::descriptors(lang),
        limits::processes(snapshot, lang),
        limits::sigchld(lang),
        limits::backlog(lang),
        limits::overcommit(lang),
        place::zombies(snapshot, lang),
        place::first_process(snapshot, lang),
        place::namespaces(lang),
        place::cgroup(lang),
        kernel::ptrace(lang),
        kernel::visibility(lang),
        kernel::io_uring(lang),
        kernel::landlock(lang),
    ]
}

/// A short file as text, without blanks around it.
fn file(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// A file with a number in it.
fn number(path: &str) -> Option<u64> {
    file(path)?.parse().ok()
}

impl Finding {
    /// A finding with nothing to be done about it.
    fn good(
        id: &'static str,
        what: &'static str,
        value: impl Into<String>,
        means: impl Into<String>,
    ) -> Self {
        Self { id, what, value: value.into(), verdict: Verdict::Good, means: means.into(), remedy: None }
    }

    /// The same where it is worth knowing.
    fn note(self, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Note, remedy: Some(remedy.into()), ..self }
    }

    /// The same where it will hurt.
    fn bad(self, remedy: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, remedy: Some(remedy.into()), ..self }
    }
}
