//! A reload as a transaction: what it has come to, who waits for it, and what it can be undone to.

use std::time::Duration;

use super::{
    action::{Outcome, Verdict},
    event::Caller,
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
    limit: Option<(Time, Duration)>,
}

impl Turn {
    /// A reload that begins; `limit` is when its successors must be ready, and how long that is.
    pub fn new(
        generation: Generation,
        previous: Generation,
        limit: Option<(Time, Duration)>,
        callers: Vec<Caller>,
    ) -> Self {
        Self { generation, previous, progress: Progress::Preparing, callers, target_before: None, limit }
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
        match &self.progress {
            Progress::Failed(why) => Verdict {
                outcome: Outcome::Failed,
                text: format!("reload failed, generation {} serves on: {why}", self.previous),
            },
            Progress::Preparing | Progress::Raising | Progress::Leaving => Verdict {
                outcome: Outcome::Done,
                text: format!("generation {}, {workers} workers", self.generation),
            },
        }
    }
}
