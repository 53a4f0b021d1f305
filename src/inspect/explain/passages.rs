//! From facts to sentences.

use super::{
    super::{
        stat::{Process, State},
        status::Status,
        text::{printable, time},
        waits,
    },
    facts::Facts,
    words::{Lang, Text, fill},
};
use crate::process::{exit::ExitStatus, signal};

/// Speaks of one process in one language.
#[derive(Debug)]
pub struct Say<'f> {
    /// What is known.
    pub facts: &'f Facts,
    /// The language.
    pub lang: Lang,
}

impl Say<'_> {
    /// A sentence with everything filled in that any sentence needs.
    pub fn plain(&self, text: Text) -> String {
        let facts = self.facts;
        let process = &facts.node.process;
        let number = |count: usize| count.to_string();
        let status = facts.status.as_ref();
        let wchan = facts.details().wchan.as_deref().map(printable).unwrap_or_default();
        let parent = facts.parent.as_ref();
        let list = |pids: &[i32]| pids.iter().take(20).map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let values = [
            ("pid", process.pid.to_string()),
            ("ppid", process.ppid.to_string()),
            ("parent", parent.map(named).unwrap_or_default()),
            ("adopter", self.adopter_of(text)),
            ("age", time(facts.node.age)),
            ("dead", facts.node.dead_for.map(time).unwrap_or_default()),
            ("idle", facts.idle.map(time).unwrap_or_default()),
            ("session", process.session.to_string()),
            ("letter", process.state.letter().to_string()),
            ("tracer", status.map(|status| status.tracer.to_string()).unwrap_or_default()),
            ("uid", status.map(|status| status.uid.to_string()).unwrap_or_default()),
            ("signals", status.map(|status| signals(status.pending.numbers())).unwrap_or_default()),
            (
                "call",
                facts.details().call.and_then(|call| waits::name(call.number)).unwrap_or_default().into(),
            ),
            ("wchan", wchan),
            ("count", number(facts.children)),
            ("zombies", number(facts.zombie_children.len())),
            ("pids", list(&facts.zombie_children)),
            ("status", self.status_words()),
            ("lesson", facts.lesson().into()),
        ];
        fill(text.pattern(self.lang), &values)
    }

    /// Children go to another one than the process itself would.
    fn adopter_of(&self, text: Text) -> String {
        let facts = self.facts;
        let who = if text == Text::KillChildren { &facts.heir } else { &facts.adopter };
        who.as_ref().map(named).unwrap_or_default()
    }

    fn all(&self, texts: impl IntoIterator<Item = Text>) -> Vec<String> {
        texts.into_iter().map(|text| self.plain(text)).collect()
    }

    /// What the letter means, and where it waits.
    pub fn state(&self) -> Vec<String> {
        let (text, waits) = match self.facts.node.process.state {
            State::Running => (Text::Running, false),
            State::Sleeping => (Text::Sleeping, true),
            State::Uninterruptible => (Text::Uninterruptible, true),
            State::Stopped => (Text::Stopped, false),
            State::Traced => (Text::Traced, false),
            State::Zombie => (Text::Zombie, false),
            State::Dead => (Text::Dead, false),
            State::Idle => (Text::Idle, false),
            State::Other(_) => (Text::Unknown, false),
        };
        let details = self.facts.details();
        let call = details.call.and_then(|call| waits::name(call.number));
        let place = match (call, &details.wchan) {
            (Some(_), Some(_)) => Text::InCallAt,
            (Some(_), None) => Text::InCall,
            (None, Some(_)) => Text::InPlace,
            (None, None) => Text::WhereHidden,
        };
        self.all([text].into_iter().chain(waits.then_some(place)))
    }

    /// Where it comes from and how it ended.
    pub fn history(&self) -> Vec<String> {
        let facts = self.facts;
        let process = &facts.node.process;
        let made = match (process.kernel, &facts.parent) {
            (true, _) => Text::MadeByKernel,
            (false, Some(_)) => Text::Made,
            (false, None) => Text::MadeByNobody,
        };
        let mut sentences = self.all([made]);
        if let Some(adoption) = facts.node.adoption {
            sentences.push(self.plain(if adoption.leader_gone { Text::Orphan } else { Text::Adopted }));
        } else if facts.is_daemon() {
            sentences.push(self.plain(Text::Daemon));
        }
        if process.is_zombie() {
            let text = if facts.node.dead_for.is_some() { Text::Ended } else { Text::EndedSometime };
            sentences.push(self.plain(text));
        } else if facts.idle.is_some_and(|idle| idle.as_secs() > 0) {
            sentences.push(self.plain(Text::LastRan));
        }
        sentences
    }

    fn status_words(&self) -> String {
        let fill_in = |text: Text, key, value: String| fill(text.pattern(self.lang), &[(key, value)]);
        match self.facts.node.process.exit {
            None | Some(ExitStatus::Stopped(_) | ExitStatus::Continued) => {
                Text::StatusHidden.pattern(self.lang).into()
            }
            Some(ExitStatus::Exited(code)) => fill_in(Text::ExitedWith, "code", code.to_string()),
            Some(ExitStatus::Signaled { signal, core }) => {
                let text = if core { Text::KilledCore } else { Text::KilledBy };
                fill_in(text, "signal", signals([signal].into_iter()))
            }
        }
    }

    /// Whose move it is.
    pub fn duty(&self) -> Vec<String> {
        let facts = self.facts;
        let waits_for_child = facts.details().waits.as_deref() == Some("waits for a child");
        let traced = facts.status.as_ref().is_some_and(|status| status.tracer > 0);
        let texts = match facts.node.process.state {
            State::Zombie => return self.all(self.duty_for_the_dead()),
            State::Stopped => vec![Text::DutyContinue],
            State::Traced if traced => vec![Text::DutyTracer],
            State::Uninterruptible => vec![Text::DutyDevice],
            State::Sleeping if waits_for_child => vec![Text::DutyChild],
            State::Sleeping => vec![Text::DutyEvent],
            State::Running | State::Traced | State::Dead | State::Idle | State::Other(_) => {
                vec![Text::DutyNone]
            }
        };
        self.all(texts)
    }

    fn duty_for_the_dead(&self) -> Vec<Text> {
        let Some(parent) = &self.facts.parent else { return vec![Text::DutyNone] };
        let mut texts = vec![Text::DutyParent];
        if self.facts.parent_adopts && parent.pid == self.facts.adopter.as_ref().map_or(1, |found| found.pid)
        {
            texts.push(Text::DutyAdopter);
            return texts;
        }
        if matches!(parent.state, State::Stopped | State::Traced) {
            texts.push(Text::DutyStopped);
        }
        texts.extend(self.facts.parent_status.as_ref().map(hears_of_deaths));
        texts.push(Text::DutyElse);
        texts
    }

    /// Its own children.
    pub fn children(&self) -> Vec<String> {
        let facts = self.facts;
        if !facts.zombie_children.is_empty() {
            self.all([Text::ZombieChildren])
        } else if facts.children > 1 {
            self.all([Text::Children])
        } else {
            Vec::new()
        }
    }

    /// Who would be its next parent.
    pub fn adopter(&self) -> Vec<String> {
        let facts = self.facts;
        let text = if facts.node.process.kernel {
            Text::AdopterKernel
        } else if facts.node.process.pid == 1 || facts.adopter.is_none() {
            Text::AdopterNobody
        } else if facts.adopter_is_init {
            Text::AdopterInit
        } else {
            Text::AdopterSubreaper
        };
        self.all([text])
    }

    /// What signals do to it.
    pub fn kill(&self) -> Vec<String> {
        let facts = self.facts;
        let mut texts = match facts.node.process.state {
            State::Zombie | State::Dead => return self.all([Text::KillZombie]),
            _ if facts.node.process.kernel => return self.all([Text::KillKernel]),
            State::Uninterruptible => vec![Text::KillWaits],
            State::Stopped | State::Traced => vec![Text::KillStopped],
            State::Running | State::Sleeping | State::Idle | State::Other(_) => {
                vec![facts.status.as_ref().map_or(Text::KillEnds, meets_term), Text::KillHard]
            }
        };
        if facts.is_init {
            texts = vec![Text::KillInit];
        } else if facts.children > 0 {
            texts.push(Text::KillChildren);
        }
        if !facts.may_signal {
            texts.insert(0, Text::KillRefused);
        }
        let pending = facts.status.as_ref().is_some_and(|status| status.pending.numbers().next().is_some());
        texts.extend(pending.then_some(Text::Pending));
        self.all(texts)
    }
}

/// What a parent's signals say about whether it knows of a death.
fn hears_of_deaths(status: &Status) -> Text {
    if status.ignored.has(libc::SIGCHLD) {
        Text::DutyIgnores
    } else if status.blocked.has(libc::SIGCHLD) {
        Text::DutyBlocks
    } else if status.caught.has(libc::SIGCHLD) {
        Text::DutyCatches
    } else {
        Text::DutyDeaf
    }
}

/// What TERM does to a process with these signals.
fn meets_term(status: &Status) -> Text {
    if status.blocked.has(libc::SIGTERM) {
        Text::KillBlocked
    } else if status.ignored.has(libc::SIGTERM) {
        Text::KillIgnored
    } else if status.caught.has(libc::SIGTERM) {
        Text::KillHandled
    } else {
        Text::KillEnds
    }
}

/// `4711 (nginx)`.
fn named(process: &Process) -> String {
    format!("{} ({})", process.pid, printable(&process.comm))
}

/// `15 (TERM), 17 (CHLD)`.
fn signals(numbers: impl Iterator<Item = i32>) -> String {
    let named = |number: i32| match signal::name(number) {
        Some(name) => format!("{number} ({name})"),
        None => number.to_string(),
    };
    numbers.map(named).collect::<Vec<_>>().join(", ")
}
