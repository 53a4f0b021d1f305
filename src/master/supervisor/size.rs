//! How many workers: what the settings say, what somebody asked for, and within a range what there is to do.

use std::{mem, time::Duration};

use super::{Phase, Supervisor};
use crate::{
    ipc::message::Accepts,
    master::{
        action::{News, Sizing},
        crowd::{LOOK, Sample},
        event::{Queue, Sight},
    },
    worker::Taking,
};

impl Supervisor {
    /// How long to wait from one look at the crowd to the next.
    pub(super) fn crowd_interval(&self) -> Option<Duration> {
        self.range.is_open().then_some(LOOK)
    }

    /// Takes in how busy the workers are, and decides whether there should be another number of them. While anything
    /// else moves there is nothing to be learned from it.
    pub(super) fn measure(&mut self, sights: &[Sight], queue: Queue) {
        let quiet = self.phase == Phase::Running && self.turn.is_none() && self.accepts == Accepts::Yes;
        if !self.range.is_open() || !quiet || !self.is_settled() {
            return self.crowd.forget(self.now);
        }
        let busy = |sight: &&Sight| match self.policy.taking {
            Taking::One => sight.active > 0,
            // It waits for many at once: busy is who works at this moment.
            Taking::Many => sight.due.is_some_and(|due| due > self.now),
        };
        let busy = sights.iter().filter(busy).count();
        let full = self.policy.taking == Taking::Many || busy == sights.len();
        let pressed = full && queue == Queue::Waiting && sights.len() == self.target as usize;
        let sample = Sample { workers: self.target, busy: u32::try_from(busy).unwrap_or(u32::MAX), pressed };
        if let Some((to, why)) = self.crowd.measure(sample, self.range, self.now) {
            self.retarget(to, why);
        }
    }

    pub(super) fn retarget(&mut self, to: u32, why: Sizing) {
        let from = mem::replace(&mut self.target, to);
        if from != to {
            self.tell(News::Scaled { from, to, why });
        }
    }
}
