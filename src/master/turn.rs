//! A reload as a transaction: what it has come to, who waits for it, and what it can be undone to.

use std::time::Duration;

use super::{
    action::{Outcome, Verdict},
    event::Caller,
    supervisor::Policy,
};
use crate::{ipc::ident::Generation, process::clock::Time};

/// How far a reload has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The configuration is being read anew.
    Preparing,
    /// Successors are brought to ready, one slot after the other; a failure still undoes everything.
    Raising,
    /// All are ready; the predecessors leave. Nothing is undone any more.
    Leaving,
    /// It failed, and what had been turned is being turned back.
    Failed(String),
}

/// One reload.
#[derive(Debug, Clone)]
pub struct Turn {
    /// The generation to come.
    pub generation: Generation,
    /// The one to go back to.
    pub previous: Generation,
    /// How far it has come.
    pub progress: Progress,
    /// Who waits for the result.
    pub callers: Vec<Caller>,
    /// The number of workers to go back to, if this reload changed it.
    pub target_before: Option<u32>,
    /// The limits to go back to.
    pub policy_before: Policy,
    /// The generation whose reload it had to wait for.
    pub behind: Option<Generation>,
    limit: Option<(Time, Duration)>,
}

/// A reload that was asked for.
#[derive(Debug, Clone, Default)]
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
            generation,
            previous,
            progress: Progress::Preparing,
            callers: order.callers,
            target_before: None,
            policy_before: policy,
            behind: order.behind,
            limit: order.timeout.map(|limit| (now + limit, limit)),
        }
    }

    /// When its limit passes, while that still matters.
    pub fn deadline(&self) -> Option<Time> {
        self.limit.filter(|_| self.progress == Progress::Raising).map(|(deadline, _)| deadline)
    }

    /// The limit, if it has passed.
    pub fn passed(&self, now: Time) -> Option<Duration> {
        self.deadline().filter(|deadline| *deadline <= now).and(self.limit).map(|(_, limit)| limit)
    }

    /// Whether it failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.progress, Progress::Failed(_))
    }

    /// Whether it is over as soon as nothing moves any more.
    pub fn is_over(&self) -> bool {
        match self.progress {
            Progress::Leaving | Progress::Failed(_) => true,
            Progress::Preparing | Progress::Raising => false,
        }
    }

    /// What to tell those who wait.
    pub fn verdict(&self, workers: u32) -> Verdict {
        let queued = self.behind.map(|before| format!(" (it waited for the reload to generation {before})"));
        let queued = queued.unwrap_or_default();
        match &self.progress {
            Progress::Failed(why) => Verdict {
                outcome: Outcome::Failed,
                text: format!("reload failed, generation {} serves on: {why}{queued}", self.previous),
            },
            Progress::Preparing | Progress::Raising | Progress::Leaving => Verdict {
                outcome: Outcome::Done,
                text: format!("generation {}, {workers} workers{queued}", self.generation),
            },
        }
    }
}
