//! When a slot whose child died is filled again: now, after a delay, or no more.
//!
//! The first death is answered at once. Deaths count as consecutive while no child of the slot stays ready for a
//! second; from the second on the delay doubles, up to a cap, and is spread by up to a quarter so that slots that
//! fell together do not rise together. Past a number of them the slot is given up. Where nobody could even be born, it is
//! tried on for ever; past the same number of failures whoever waits for the slot is told why it is empty.

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
    /// This many consecutive deaths are answered; the next one gives the slot up. For so many failed forks somebody who
    /// waits is left to wait.
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
    /// Why nobody can be born here, once that has failed more often than patience allows.
    #[cfg_attr(feature = "control", serde(default))]
    refused: Option<String>,
    /// The last lines of the child with which it was given up.
    #[cfg_attr(feature = "control", serde(default))]
    lines: Vec<String>,
}

/// How a child died that nobody had asked to end.
#[derive(Debug, Clone, Copy)]
pub struct Death<'a> {
    /// How long it had been ready, if it ever was.
    pub ready_for: Option<Duration>,
    /// Why it died.
    pub why: &'a str,
    /// The last lines that it wrote.
    pub lines: &'a [String],
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
    /// A child died that nobody had asked to end.
    pub fn died(&mut self, death: Death<'_>, now: Time, policy: &RespawnPolicy, dice: &mut Dice) -> Response {
        if death.ready_for.is_some_and(|time| time >= policy.healthy) {
            self.deaths = 0;
        } else {
            self.deaths += 1;
        }
        if self.deaths > policy.patience {
            self.gave_up = Some(death.why.to_owned());
            self.lines = death.lines.to_vec();
            return Response::GiveUp;
        }
        Response::After(self.wait(now, self.deaths, policy, dice))
    }

    /// A fork failed. The machine is short of something, which is no fault of the slot's: it is tried for ever, ever
    /// more slowly.
    pub fn fork_failed(
        &mut self,
        cause: &str,
        now: Time,
        policy: &RespawnPolicy,
        dice: &mut Dice,
    ) -> Duration {
        self.refusals += 1;
        self.refused = (self.refusals > policy.patience).then(|| cause.to_owned());
        self.wait(now, self.refusals + 1, policy, dice)
    }

    /// A fork went well.
    pub fn forked(&mut self) {
        self.refusals = 0;
        self.refused = None;
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

    /// Why nobody should wait for a child here: the slot was given up, or nobody could be born so often in a row that this
    /// will hardly change by itself.
    pub fn is_hopeless(&self) -> bool {
        self.gave_up.is_some() || self.refused.is_some()
    }

    /// The same in words, which end in what can be done about it.
    pub fn despair(&self) -> Option<String> {
        let (deaths, refusals) = (self.deaths, self.refusals);
        let gave_up = self.gave_up.as_ref().map(|why| {
            format!("was given up after {deaths} deaths in a row: {why} (mend that and scale again)")
        });
        let refused =
            || self.refused.as_ref().map(|why| format!("is tried on after {refusals} failures: {why}"));
        gave_up.or_else(refused)
    }

    /// The last lines of the child with which it was given up.
    pub fn lines(&self) -> &[String] {
        &self.lines
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
        let death = Death { ready_for, why: "crashed", lines: &[] };
        (0..policy.patience + 1).map(|_| respawn.died(death, Time::ZERO, policy, &mut dice)).collect()
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
        for failures in 1..1000 {
            let delay = respawn.fork_failed("no room", Time::ZERO, &policy, &mut dice);
            assert!(delay >= policy.base && delay <= policy.cap.mul_f64(1.25));
            assert_eq!(respawn.given_up(), None);
            assert_eq!(respawn.is_hopeless(), failures > policy.patience);
        }
        assert!(respawn.despair().is_some_and(|words| words.ends_with("after 999 failures: no room")));
        respawn.forked();
        assert!(!respawn.is_hopeless());
    }
}
