//! A reload or an upgrade as a transaction: what it has come to, who waits for it, and what it can be undone to.

use std::{fmt, time::Duration};

use super::{
    action::{Outcome, Verdict},
    event::{Caller, Program},
    policy::Policy,
};
use crate::{config::Range, ipc::ident::Generation, process::clock::Time};

/// What is exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Change {
    /// The configuration.
    Reload,
    /// The program.
    Upgrade,
}

/// How far a reload or an upgrade has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Progress {
    /// The configuration is being read anew.
    Preparing,
    /// A trial child of the new program shows what it can.
    Trying,
    /// It passed its limit and is being killed.
    EndingTrial(String),
    /// This process is about to become the new program: nothing is forked by the old one any more.
    Crossing,
    /// Successors are brought to ready, one slot after the other; a failure still undoes everything.
    Raising,
    /// All are ready; the predecessors leave. Nothing is undone any more.
    Leaving,
    /// It failed, and this process is about to become the old program again.
    Returning(String),
    /// It failed, and what had been turned is being turned back.
    Failed(String),
}

/// One reload or upgrade.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Turn {
    /// What is exchanged.
    pub change: Change,
    /// The generation to come.
    pub generation: Generation,
    /// The one to go back to.
    pub previous: Generation,
    /// How far it has come.
    pub progress: Progress,
    /// The last lines of the child that failed it.
    #[cfg_attr(feature = "control", serde(default))]
    pub lines: Vec<String>,
    /// Who waits for the result.
    pub callers: Vec<Caller>,
    /// The number of workers to go back to, if this reload changed it.
    pub target_before: Option<u32>,
    /// The same of what it may choose by itself.
    #[cfg_attr(feature = "control", serde(default))]
    pub range_before: Option<Range>,
    /// The limits to go back to.
    pub policy_before: Policy,
    /// The generation whose reload it had to wait for.
    pub behind: Option<Generation>,
    limit: Option<(Time, Duration)>,
    /// When the trial must be over.
    trial: Option<(Time, Duration)>,
}

/// A reload that was asked for.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct NextTurn {
    /// How long its successors may take to be ready, all together.
    pub timeout: Option<Duration>,
    /// Who waits for the result.
    pub callers: Vec<Caller>,
    /// The generation whose reload ran when it was asked for.
    pub behind: Option<Generation>,
}

impl Turn {
    /// A reload that begins now; `policy` are the limits of the generation before.
    pub fn new(
        order: NextTurn,
        generation: Generation,
        previous: Generation,
        policy: Policy,
        now: Time,
    ) -> Self {
        Self {
            change: Change::Reload,
            generation,
            previous,
            progress: Progress::Preparing,
            lines: Vec::new(),
            callers: order.callers,
            target_before: None,
            range_before: None,
            policy_before: policy,
            behind: order.behind,
            limit: order.timeout.map(|limit| (now + limit, limit)),
            trial: None,
        }
    }

    /// The same as an upgrade, whose trial has its own limit where nobody gave one.
    #[must_use]
    pub fn upgrade(self, trial: Option<(Time, Duration)>) -> Self {
        Self { change: Change::Upgrade, progress: Progress::Trying, trial: self.limit.or(trial), ..self }
    }

    /// When its limit passes, while that still matters.
    pub fn deadline(&self) -> Option<Time> {
        self.running_limit().map(|(deadline, _)| deadline)
    }

    /// The limit, if it has passed.
    pub fn passed(&self, now: Time) -> Option<Duration> {
        self.running_limit().filter(|(deadline, _)| *deadline <= now).map(|(_, limit)| limit)
    }

    fn running_limit(&self) -> Option<(Time, Duration)> {
        match self.progress {
            Progress::Trying => self.trial,
            Progress::Raising => self.limit,
            Progress::Preparing
            | Progress::EndingTrial(_)
            | Progress::Crossing
            | Progress::Leaving
            | Progress::Returning(_)
            | Progress::Failed(_) => None,
        }
    }

    /// Puts its limit off.
    pub fn forgive(&mut self, by: Duration) {
        self.limit = self.limit.map(|(deadline, limit)| (deadline + by, limit));
    }

    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.progress, Progress::Failed(_))
    }

    /// Which program this process is about to become.
    pub fn crossing(&self) -> Option<Program> {
        match self.progress {
            Progress::Crossing => Some(Program::New),
            Progress::Returning(_) => Some(Program::Old),
            Progress::Preparing
            | Progress::Trying
            | Progress::EndingTrial(_)
            | Progress::Raising
            | Progress::Leaving
            | Progress::Failed(_) => None,
        }
    }

    /// Whether it is over as soon as nothing moves any more.
    pub fn is_over(&self) -> bool {
        match self.progress {
            Progress::Leaving | Progress::Failed(_) => true,
            Progress::Preparing
            | Progress::Trying
            | Progress::EndingTrial(_)
            | Progress::Crossing
            | Progress::Raising
            | Progress::Returning(_) => false,
        }
    }

    /// What to tell those who wait.
    pub fn verdict(&self, workers: u32) -> Verdict {
        let queued = self.behind.map(|before| format!(" (it waited for the reload to generation {before})"));
        let queued = queued.unwrap_or_default();
        match &self.progress {
            Progress::Failed(why) => Verdict {
                outcome: Outcome::Failed,
                text: format!(
                    "{} failed, generation {} serves on: {why}{queued}",
                    self.change, self.previous
                ),
                lines: self.lines.clone(),
            },
            Progress::Preparing
            | Progress::Trying
            | Progress::EndingTrial(_)
            | Progress::Crossing
            | Progress::Raising
            | Progress::Leaving
            | Progress::Returning(_) => Verdict {
                outcome: Outcome::Done,
                text: format!("generation {}, {workers} workers{queued}", self.generation),
                lines: Vec::new(),
            },
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reload => "reload",
            Self::Upgrade => "upgrade",
        })
    }
}
