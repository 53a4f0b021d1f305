//! When a slot whose child died is filled again: now, after a delay, or no more.
//!
//! The first death is answered at once. Deaths count as consecutive while no child of the slot stays ready for a
//! second; from the second on the delay doubles, up to a cap, and is spread by up to a quarter so that slots that
//! fell together do not rise together. Past a number of them the slot is given up.

use std::time::Duration;

use crate::process::clock::Time;

/// The numbers of the rule above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct RespawnPolicy {
    /// The delay after the second death.
    pub base: Duration,
    /// The longest delay.
    pub cap: Duration,
    /// A child that was ready for this long starts the count anew.
    pub healthy: Duration,
    /// This many consecutive deaths are answered; the next one gives the slot up.
    pub patience: u32,
}

impl Default for RespawnPolicy {
    /// Delays of 0, 0.1, 0.2, 0.4, … 3 s: eight deaths in about ten seconds, then the slot is given up.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(3),
            healthy: Duration::from_secs(1),
            patience: 8,
        }
    }
}

/// What a slot remembers of its children's deaths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Respawn {
    deaths: u32,
    refusals: u32,
    not_before: Option<Time>,
    gave_up: Option<String>,
}

/// The answer to a death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Response {
    /// Fill the slot again after this delay, which may be nothing.
    After(Duration),
    /// Leave it empty.
    GiveUp,
}

impl Respawn {
    /// A child died that nobody had asked to end; `ready_for` is how long it had been ready, if it ever was.
    pub fn died(
        &mut self,
        now: Time,
        ready_for: Option<Duration>,
        why: &str,
        policy: &RespawnPolicy,
        dice: &mut Dice,
    ) -> Response {
        if ready_for.is_some_and(|time| time >= policy.healthy) {
            self.deaths = 0;
        } else {
            self.deaths += 1;
        }
        if self.deaths > policy.patience {
            self.gave_up = Some(why.to_owned());
            return Response::GiveUp;
        }
        Response::After(self.wait(now, self.deaths, policy, dice))
    }

    /// A fork failed. The machine is short of something, which is no fault of the slot's: it is tried for ever, ever
    /// more slowly.
    pub fn fork_failed(&mut self, now: Time, policy: &RespawnPolicy, dice: &mut Dice) -> Duration {
        self.refusals += 1;
        self.wait(now, self.refusals + 1, policy, dice)
    }

    /// A fork went well.
    pub fn forked(&mut self) {
        self.refusals = 0;
        self.not_before = None;
    }

    fn wait(&mut self, now: Time, failures: u32, policy: &RespawnPolicy, dice: &mut Dice) -> Duration {
        let delay = match failures {
            0 | 1 => Duration::ZERO,
            _ => {
                let doubled = policy.base.saturating_mul(1 << (failures - 2).min(20)).min(policy.cap);
                doubled + doubled.mul_f64(dice.fraction() / 4.0)
            }
        };
        self.not_before = (!delay.is_zero()).then(|| now + delay);
        delay
    }

    /// Whether a child may be forked now.
    pub fn allows(&self, now: Time) -> bool {
        self.gave_up.is_none() && self.not_before.is_none_or(|time| time <= now)
    }

    /// When it will be allowed; `None` if it already is, or never will be.
    pub fn allowed_at(&self) -> Option<Time> {
        if self.gave_up.is_some() { None } else { self.not_before }
    }

    /// Why the slot was given up, if it was.
    pub fn given_up(&self) -> Option<&str> {
        self.gave_up.as_deref()
    }

    /// Consecutive deaths so far.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }
}

/// A small generator of even numbers (splitmix64): the supervisor has no randomness of its own but what it is given,
/// so that each of its lives can be lived again.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall the same way for the same seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 up to, but without, 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    pub fn fraction(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(policy: &RespawnPolicy, ready_for: Option<Duration>) -> Vec<Response> {
        let (mut respawn, mut dice) = (Respawn::default(), Dice::new(7));
        (0..policy.patience + 1)
            .map(|_| respawn.died(Time::ZERO, ready_for, "crashed", policy, &mut dice))
            .collect()
    }

    #[test]
    fn the_first_death_is_answered_at_once_and_later_ones_ever_more_slowly() {
        let policy = RespawnPolicy::default();
        let answers = delays(&policy, None);
        assert_eq!(answers[0], Response::After(Duration::ZERO));
        assert_eq!(answers.last(), Some(&Response::GiveUp));
        let mut expected = policy.base;
        for answer in &answers[1..answers.len() - 1] {
            let Response::After(delay) = answer else { panic!("gave up too early") };
            assert!(*delay >= expected && *delay <= expected.mul_f64(1.25), "{delay:?} for {expected:?}");
            expected = (expected * 2).min(policy.cap);
        }
    }

    #[test]
    fn a_child_that_was_healthy_is_always_replaced_at_once() {
        let policy = RespawnPolicy::default();
        assert!(delays(&policy, Some(policy.healthy)).iter().all(|a| *a == Response::After(Duration::ZERO)));
    }

    #[test]
    fn a_fork_that_fails_is_tried_for_ever() {
        let (policy, mut respawn, mut dice) = (RespawnPolicy::default(), Respawn::default(), Dice::new(7));
        for _ in 0..1000 {
            let delay = respawn.fork_failed(Time::ZERO, &policy, &mut dice);
            assert!(delay >= policy.base && delay <= policy.cap.mul_f64(1.25));
            assert_eq!(respawn.given_up(), None);
        }
    }
}
