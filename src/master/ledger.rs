//! What a server remembers of its past: counts for ever, the last deaths in words.

use std::collections::VecDeque;

use super::{
    action::{Expectation, Limit, Quota, Reason},
    slot::{Child, Stage},
};
use crate::{
    ipc::{
        ident::{Generation, Slot},
        tally::Restart,
    },
    process::{Pid, clock::Time, exit::ExitStatus},
};

/// How many deaths are remembered in words.
const REMEMBERED: usize = 16;

/// Counts since the start, and the last exits.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Ledger {
    /// Workers forked.
    pub spawned: u64,
    /// Workers that ended, however.
    pub exited: u64,
    /// Those that ended unasked by a signal or with an exit code other than 0.
    pub crashed: u64,
    /// Those that were killed because they passed a limit.
    pub killed: u64,
    /// Reloads that came to their end.
    pub reloads: u64,
    /// Reloads that did not.
    pub failed_reloads: u64,
    /// Upgrades that came to their end.
    pub upgrades: u64,
    /// Upgrades that did not.
    pub failed_upgrades: u64,
    /// Workers that were replaced, by reason, in the order of [`Restart::ALL`].
    #[cfg_attr(feature = "control", serde(default, deserialize_with = "some_restarts"))]
    pub restarts: [u64; Restart::ALL.len()],
    /// The last deaths, newest last.
    pub last_exits: VecDeque<Epitaph>,
}

/// One death.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Epitaph {
    /// Where.
    pub slot: Slot,
    /// Of which generation.
    pub generation: Generation,
    /// Which process.
    #[cfg_attr(feature = "control", serde(with = "crate::process::pid"))]
    pub pid: Option<Pid>,
    /// Why: the child's last words, or ours.
    pub reason: String,
    /// The request that it was serving.
    pub during: Option<String>,
    /// When.
    pub at: Time,
}

impl Ledger {
    /// Counts a death and remembers it.
    pub fn bury(
        &mut self,
        child: &Child,
        status: ExitStatus,
        reason: &str,
        during: Option<String>,
        at: Time,
    ) {
        self.exited += 1;
        match expectation(child) {
            Expectation::Unasked if status != ExitStatus::Exited(0) => self.crashed += 1,
            Expectation::Unasked | Expectation::Asked => {}
        }
        if let Some(restart) = restart(child, status) {
            self.restarts[restart as usize] += 1;
        }
        self.last_exits.push_back(Epitaph {
            slot: child.id.slot,
            generation: child.generation,
            pid: child.pid,
            reason: reason.to_owned(),
            during,
            at,
        });
        if self.last_exits.len() > REMEMBERED {
            self.last_exits.pop_front();
        }
    }
}

/// A program before this one may have known fewer reasons, which come first.
#[cfg(feature = "control")]
fn some_restarts<'de, D: serde::Deserializer<'de>>(
    document: D,
) -> Result<[u64; Restart::ALL.len()], D::Error> {
    let known: Vec<u64> = serde::Deserialize::deserialize(document)?;
    let mut restarts = [0; Restart::ALL.len()];
    restarts.iter_mut().zip(known).for_each(|(place, count)| *place = count);
    Ok(restarts)
}

/// Whether this child's death was asked for.
pub fn expectation(child: &Child) -> Expectation {
    match child.stage {
        Stage::Serving { .. } if child.strike.is_some() => Expectation::Asked,
        Stage::Booting { .. } | Stage::Serving { .. } => Expectation::Unasked,
        Stage::Draining { .. } | Stage::Killed { .. } => Expectation::Asked,
    }
}

/// Why a child has to be replaced; `None` if it has not.
fn restart(child: &Child, status: ExitStatus) -> Option<Restart> {
    match child.stage {
        Stage::Serving { .. } if child.strike.is_some() => {
            child.strike.and_then(|strike| given(strike.reason))
        }
        Stage::Booting { .. } | Stage::Serving { .. } if status == ExitStatus::Exited(0) => {
            Some(Restart::Ended)
        }
        Stage::Booting { .. } | Stage::Serving { .. } => Some(Restart::Crashed),
        Stage::Draining { reason, .. } | Stage::Killed { reason, .. } => given(reason),
    }
}

/// The same of one that had to go.
fn given(reason: Reason) -> Option<Restart> {
    match reason {
        Reason::Replaced => Some(Restart::Reload),
        Reason::Passed(Limit::Boot, _) => Some(Restart::Boot),
        Reason::Passed(Limit::Liveness, _) => Some(Restart::Liveness),
        Reason::Passed(Limit::Request, _) => Some(Restart::Request),
        Reason::Passed(Limit::Drain, _) => Some(Restart::Drain),
        Reason::Spent(Quota::Requests) => Some(Restart::MaxRequests),
        Reason::Spent(Quota::Memory) => Some(Restart::MaxMemory),
        Reason::Spent(Quota::Age) => Some(Restart::MaxAge),
        Reason::ScaledDown | Reason::Stop | Reason::StopNow | Reason::RolledBack => None,
    }
}

/// Why a child died: its own words where it left some, else what its stage and its status say.
pub fn epitaph(child: &Child, status: ExitStatus) -> String {
    let ours = match child.stage {
        Stage::Draining { reason, .. } | Stage::Killed { reason, .. } => Some(reason),
        Stage::Serving { .. } => child.strike.map(|strike| strike.reason),
        Stage::Booting { .. } => None,
    };
    match (ours, &child.words) {
        (Some(reason @ Reason::Passed(..)), Some(words)) => format!("{reason}: {words}"),
        (Some(reason), _) => reason.to_string(),
        (None, Some(words)) => words.clone(),
        (None, None) if child.is_booting() => format!("{} before it was ready", status.words()),
        (None, None) => format!("{} unasked", status.words()),
    }
}
