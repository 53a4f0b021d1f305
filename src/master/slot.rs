//! A numbered place to fill, and the children that are in it: one that serves, perhaps its successor, perhaps some
//! that are leaving.

use std::time::Duration;

use super::{
    action::{Quota, Reason, Warning, Who},
    event::ChildId,
    policy::Policy,
    respawn::Respawn,
    share::Share,
};
use crate::{
    ipc::{
        ident::{Generation, Slot},
        message::Accepts,
    },
    process::{Pid, clock::Time},
};

/// One slot.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct SlotState {
    /// Its children, oldest first.
    pub children: Vec<Child>,
    /// How often they died.
    pub respawn: Respawn,
}

/// One process in a slot.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Child {
    /// Which child.
    pub id: ChildId,
    /// The generation whose settings it runs with.
    pub generation: Generation,
    /// The limits on it: those of its generation.
    pub policy: Policy,
    /// Its process, once the fork is known to have gone well.
    #[cfg_attr(feature = "control", serde(with = "crate::process::pid"))]
    pub pid: Option<Pid>,
    /// When it was forked.
    pub born: Time,
    /// How far in its life it is.
    pub stage: Stage,
    /// Whether it was told to take connections from the queue.
    pub told: Accepts,
    /// Whether it has said that it does.
    pub accepts: Accepts,
    /// Since when it is stopped, by SIGSTOP or a debugger.
    pub stopped: Option<Time>,
    /// What is being done about that.
    pub strike: Option<Strike>,
    /// How far it is with its share of the work.
    #[cfg_attr(feature = "control", serde(default))]
    pub share: Share,
    /// What it said last about itself.
    pub words: Option<String>,
    /// The last lines of that, or of what it wrote.
    #[cfg_attr(feature = "control", serde(default))]
    pub lines: Vec<String>,
}

/// A child was late and has been warned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Strike {
    /// The limit that it passed.
    pub reason: Reason,
    /// The last warning.
    pub warning: Warning,
    /// Until when it may heed that.
    pub until: Time,
    /// That has passed: the next look at its row says whether it is back at work.
    pub expired: bool,
}

/// How far a child is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Stage {
    /// Forked; has not said ready.
    Booting {
        /// When that becomes a failure.
        deadline: Option<Time>,
    },
    /// Accepts.
    Serving {
        /// When it said ready.
        since: Time,
    },
    /// Was asked to finish.
    Draining {
        /// When the grace ends.
        deadline: Option<Time>,
        /// Why it was asked.
        reason: Reason,
    },
    /// Was killed; its end is only a matter of time.
    Killed {
        /// Why.
        reason: Reason,
        /// Whether the slot has lost something by it: the child was one that was wanted.
        failed: bool,
    },
}

impl Child {
    /// The child in a line of the log.
    pub fn who(&self) -> Who {
        Who { child: self.id, generation: self.generation, pid: self.pid }
    }

    /// Whether it was forked and has not said ready.
    pub fn is_booting(&self) -> bool {
        matches!(self.stage, Stage::Booting { .. })
    }

    /// Whether it accepts.
    pub fn is_serving(&self) -> bool {
        matches!(self.stage, Stage::Serving { .. })
    }

    /// Whether it fills its slot or is about to.
    pub fn is_staying(&self) -> bool {
        self.is_booting() || self.is_serving()
    }

    /// Why it is being replaced although nothing is wrong with it, if it is.
    pub fn spent(&self) -> Option<Quota> {
        self.share.over.filter(|_| self.share.begun).map(|(_, quota)| quota)
    }

    /// Whether it is what its slot is to be filled with.
    fn is_heir(&self, wanted: Generation) -> bool {
        self.generation == wanted && self.is_staying() && self.spent().is_none()
    }

    /// For how long it has accepted, if it does.
    pub fn ready_for(&self, now: Time) -> Option<Duration> {
        if let Stage::Serving { since } = self.stage { Some(now.since(since)) } else { None }
    }

    /// When the limit of its stage passes.
    pub fn deadline(&self) -> Option<Time> {
        match self.stage {
            Stage::Booting { deadline } | Stage::Draining { deadline, .. } => deadline,
            Stage::Serving { .. } => {
                self.strike.map_or_else(|| self.stop_deadline(), |strike| Some(strike.until))
            }
            Stage::Killed { .. } => None,
        }
    }

    /// When it will have been stopped for longer than it may be without a sign of life.
    fn stop_deadline(&self) -> Option<Time> {
        Some(self.stopped? + self.policy.liveness?)
    }
}

impl SlotState {
    /// The child that fills the slot, or is about to, in this generation.
    pub fn heir(&self, wanted: Generation) -> Option<&Child> {
        self.children.iter().find(|child| child.is_heir(wanted))
    }

    /// Those that fill it still: of other generations, or with their share done.
    pub fn predecessors(&self, wanted: Generation) -> impl Iterator<Item = &Child> {
        self.children.iter().filter(move |child| child.is_staying() && !child.is_heir(wanted))
    }

    /// Whether a child of this generation accepts, is to stay, and nobody else is in the slot.
    pub fn is_filled(&self, wanted: Generation) -> bool {
        matches!(self.children.as_slice(), [only] if only.is_serving() && only.is_heir(wanted))
    }

    /// Whether nothing moves here any more: it is filled, or there is no hope that it will be and whoever is left in it
    /// serves on.
    pub fn is_settled(&self, wanted: Generation) -> bool {
        let left = || self.children.as_slice();
        let of_another = || !matches!(left(), [only] if only.generation == wanted);
        self.is_filled(wanted)
            || self.respawn.is_hopeless() && of_another() && left().iter().all(Child::is_serving)
    }

    /// Whether a child that failed was killed and is not reaped yet: only its end says when the slot may be filled again.
    pub fn is_mourning(&self) -> bool {
        self.children.iter().any(|child| matches!(child.stage, Stage::Killed { failed: true, .. }))
    }

    /// Whether a successor is on the way while a predecessor still serves: one more process than slots.
    pub fn is_turning(&self) -> bool {
        // Of thousands of slots nearly all have one child.
        let staying = || self.children.iter().filter(|child| child.is_staying());
        self.children.len() > 1 && staying().count() > 1 && staying().any(Child::is_booting)
    }
}

/// The number of a slot by its place in a list.
pub fn slot_at(index: usize) -> Slot {
    Slot::new(u32::try_from(index + 1).unwrap_or(u32::MAX))
}
