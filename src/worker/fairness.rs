//! Who takes the next connection, when several workers could.
//!
//! A connection that is kept is a burden for as long as it lives. In a burst the worker that wakes first could take all
//! of it: by the time the others have a processor, the queue is empty. So a worker that has more connections than the
//! least busy one leaves the queue alone for a few milliseconds, before each connection that it takes. If the others
//! do not come, they may have no processor just now; but they may be stopped, or stuck. So after a few such pauses it
//! takes two before it leaves again, then four, and so on: a thousand clients whom nobody else wants wait for some
//! twenty pauses, and not for a thousand.
//!
//! What it knows of the others are hints from the scoreboard: a wrong one costs a few such pauses.

use std::time::Duration;

use crate::{ipc::row::Row, process::clock::Time};

/// Whether this worker leaves newcomers to the others.
#[derive(Debug)]
pub struct Fairness {
    row: Row,
    /// The connections of the least busy one, when it was last looked at.
    least: u64,
    /// Whether it has left and not taken anybody since.
    left: bool,
    /// How often it has left in vain, and how many it takes before it leaves again.
    in_vain: u32,
    quota: u32,
}

impl Fairness {
    /// How long it leaves them.
    const AWAY: Duration = Duration::from_millis(5);
    /// How many connections more than the least busy one are no reason yet.
    const SLACK: u64 = 2;
    /// How often it leaves in vain before it takes more than one between.
    const PATIENCE: u32 = 8;
    /// Two to the power of this are the most that it takes before it sees whether the others have come back to life.
    const MOST: u32 = 10;

    /// For the worker with this row.
    pub fn new(row: Row) -> Self {
        Self { row, least: 0, left: false, in_vain: 0, quota: 0 }
    }

    /// Whether to leave whoever waits now to the others: until then.
    pub fn leave_until(&mut self, now: Time) -> Option<Time> {
        let own = self.row.active();
        // With so few no share is unfair, and nobody needs to be looked at.
        let least = if own > Self::SLACK { self.row.least_active_of_others()? } else { return None };
        let ahead = own > least + least / 16 + Self::SLACK;
        // The others take their part.
        if !ahead || least > self.least {
            (self.left, self.in_vain, self.quota) = (false, 0, 0);
        }
        self.least = least;
        if !ahead {
            return None;
        }
        if self.left {
            // It has come back, and nobody else has taken them.
            self.quota = 1 << self.in_vain.saturating_sub(Self::PATIENCE).min(Self::MOST);
            (self.left, self.in_vain) = (false, self.in_vain + 1);
        }
        if let Some(quota) = self.quota.checked_sub(1) {
            self.quota = quota;
            return None;
        }
        self.left = true;
        Some(now + Self::AWAY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::scoreboard::Scoreboard;

    fn rows<const N: usize>() -> [Row; N] {
        let mut board = Scoreboard::new().unwrap();
        [(); N].map(|()| board.take().unwrap()).map(|id| {
            board.row(id).ready();
            board.row(id)
        })
    }

    fn leaves(fairness: &mut Fairness) -> bool {
        fairness.leave_until(Time::from_millis(1)).is_some()
    }

    #[test]
    fn a_worker_that_is_ahead_leaves_the_queue_to_the_other() {
        let [ours, theirs] = rows();
        let mut fairness = Fairness::new(ours.clone());
        (0..2).for_each(|_| ours.accepted());
        assert!(!leaves(&mut fairness));
        ours.accepted();
        assert!(leaves(&mut fairness));
        // The other one took somebody, and this one is no longer ahead; then it is again.
        theirs.accepted();
        assert!(!leaves(&mut fairness));
        ours.accepted();
        assert!(leaves(&mut fairness));
    }

    #[test]
    fn whom_nobody_else_takes_it_takes_after_a_few_pauses() {
        let [ours, theirs] = rows();
        let mut fairness = Fairness::new(ours.clone());
        let mut pauses = 0;
        for _ in 0..1000 {
            while leaves(&mut fairness) {
                pauses += 1;
            }
            ours.accepted();
        }
        assert_eq!(pauses, 18);
        // The other one is back: now it is asked first again.
        theirs.accepted();
        assert!(leaves(&mut fairness) && !leaves(&mut fairness) && leaves(&mut fairness));
    }

    #[test]
    fn a_worker_alone_takes_whoever_comes() {
        let [row] = rows();
        (0..100).for_each(|_| row.accepted());
        assert!(!leaves(&mut Fairness::new(row)));
    }
}
