//! Workers that have done their share: each is replaced in its turn, one at a time over the whole server, as in a reload
//! of that one slot: its successor is ready before it drains.
//!
//! ```text
//! requests, memory or age ── its share is over ── nothing else moves ── successor forked ── ready ── it drains
//!                                   ▲                                        │ fails
//!                                   └──────────── half a minute later ───────┘
//! ```
//!
//! What a worker has done it says itself, and may lie: so it is not replaced in its first second, whatever it says.

use std::time::Duration;

use super::{Phase, Supervisor};
use crate::{
    config::Recycling,
    ipc::message::Accepts,
    master::{
        action::{Action, Quota},
        event::ChildId,
        slot::{Child, Stage},
        slots::Mark,
    },
    process::clock::Time,
};

/// For so long every worker serves.
pub const AT_LEAST: Duration = Duration::from_secs(1);
/// How often the requests in the rows are looked at, and how often the workers are weighed.
const COUNT: Duration = Duration::from_millis(250);
const WEIGH: Duration = Duration::from_secs(2);
/// How long a worker goes on whose successor could not be brought to ready.
pub(super) const AGAIN: Duration = Duration::from_secs(30);

impl Supervisor {
    /// How long to wait from one look at the requests to the next.
    pub(super) fn count_interval(&self) -> Option<Duration> {
        self.policy.recycling.requests.map(|_| COUNT)
    }

    /// Asks for the weight of the workers when it is time.
    pub(super) fn weigh(&mut self) {
        if self.is_stopping() || self.policy.recycling.memory.is_none() {
            self.weigh_at = None;
        } else if self.weigh_at.is_none_or(|time| time <= self.now) {
            self.weigh_at = Some(self.now + WEIGH);
            self.actions.push(Action::Weigh);
        }
    }

    /// What the workers weigh now. One that is too heavy twice in a row has not merely breathed in.
    pub(super) fn weighed(&mut self, weights: Vec<(ChildId, u64)>) {
        let now = self.now;
        for (id, bytes) in weights {
            let Some(child) = self.child_mut(id).filter(|child| child.is_serving()) else { continue };
            let heavy = child.share.memory.is_some_and(|most| bytes > most);
            if std::mem::replace(&mut child.share.heavy, heavy) && heavy {
                child.share.end(now, Quota::Memory);
            }
        }
    }

    /// What a worker has done, as it says.
    pub(super) fn counted(&mut self, id: ChildId, served: u64) {
        let (now, enough) =
            (self.now, |child: &Child| child.share.requests.is_some_and(|most| served >= most));
        if self.child(id).is_some_and(enough)
            && let Some(child) = self.child_mut(id)
        {
            child.share.end(now, Quota::Requests);
        }
    }

    /// Begins to replace one whose share is over, if nothing else moves.
    pub(super) fn recycle(&mut self) {
        let quiet = self.phase == Phase::Running && self.turn.is_none() && self.accepts == Accepts::Yes;
        if !quiet || self.policy.recycling == Recycling::default() {
            return;
        }
        self.survey();
        let first = self.slots.marked(Mark::Spent).first().copied().filter(|_| self.is_settled());
        let Some(slot) = first.and_then(|index| self.slots.touch(index)) else { return };
        let is_over = |child: &&mut Child| child.term().is_some_and(|time| time <= self.now);
        if let Some(child) = slot.children.iter_mut().find(is_over) {
            child.share.begun = true;
        }
    }

    /// A child is ready: one that it replaces drains now, even if a reload has begun meanwhile.
    pub(super) fn relieve(&mut self, successor: ChildId) {
        let slot = &self.slots[successor.slot.index()];
        let generation =
            slot.children.iter().find(|child| child.id == successor).map(|child| child.generation);
        let spent =
            slot.children.iter().filter(|child| child.is_staying() && Some(child.generation) == generation);
        let spent: Vec<_> = spent.filter_map(|child| Some((child.id, child.spent()?))).collect();
        spent.into_iter().for_each(|(id, quota)| self.drain(id, super::Reason::Spent(quota)));
    }

    /// A child ended before it was ready. If it was to replace another of its generation, that one goes on.
    pub(super) fn acquit(&mut self, lost: &Child) -> bool {
        let (now, slot) = (self.now, lost.id.slot.index());
        let Some(slot) = self.slots.touch(slot) else { return false };
        let mut spent = slot.children.iter_mut().filter(|child| {
            child.generation == lost.generation && child.is_serving() && child.spent().is_some()
        });
        let Some(child) = spent.next() else { return false };
        child.share.go_on(now, AGAIN);
        true
    }
}

impl Child {
    /// From when on it may be replaced, if it serves and that has not begun.
    pub fn term(&self) -> Option<Time> {
        let Stage::Serving { since } = self.stage else { return None };
        let (from, _) = self.share.over.filter(|_| !self.share.begun && self.strike.is_none())?;
        Some(from.max(since + AT_LEAST))
    }
}
