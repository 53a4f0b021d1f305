//! A worker's share of the work: when it is to be replaced although nothing is wrong with it.
//!
//! Each child draws its own at its birth, so that those who were born together do not go together.

use std::time::Duration;

use super::{action::Quota, respawn::Dice};
use crate::{
    config::{Recycling, Spread},
    process::clock::Time,
};

/// How far a child is with its share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Share {
    /// How many requests it may answer.
    pub requests: Option<u64>,
    /// How much memory it may have in use, in bytes.
    pub memory: Option<u64>,
    /// Whether it had more when it was weighed last.
    pub heavy: bool,
    /// From when on it may be replaced, and why.
    pub over: Option<(Time, Quota)>,
    /// Whether that has begun: its successor is wanted, or on its way.
    pub begun: bool,
}

impl Share {
    /// That of a child that is born now.
    pub fn draw(recycling: &Recycling, now: Time, dice: &mut Dice) -> Self {
        let requests = recycling
            .requests
            .map(|Spread { least, jitter }| least.saturating_add((jitter as f64 * dice.fraction()) as u64));
        let age = recycling.age.map(|Spread { least, jitter }| least + jitter.mul_f64(dice.fraction()));
        let over = age.map(|age| (now + age, Quota::Age));
        Self { requests, memory: recycling.memory, over, ..Self::default() }
    }

    /// It is over from this moment on, unless it was before.
    pub fn end(&mut self, from: Time, quota: Quota) {
        if self.over.is_none_or(|(time, _)| from < time) {
            self.over = Some((from, quota));
        }
    }

    /// Its successor could not be had: it goes on for a while.
    pub fn go_on(&mut self, now: Time, time: Duration) {
        self.begun = false;
        self.over = self.over.map(|(_, quota)| (now + time, quota));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_draws_its_own_share_within_the_jitter() {
        let recycling = Recycling {
            requests: Some(Spread { least: 1000, jitter: 100 }),
            memory: Some(1 << 20),
            age: Some(Spread { least: Duration::from_secs(60), jitter: Duration::from_secs(6) }),
        };
        let mut dice = Dice::new(7);
        let shares: Vec<_> = (0..100).map(|_| Share::draw(&recycling, Time::ZERO, &mut dice)).collect();
        let requests: std::collections::BTreeSet<_> =
            shares.iter().filter_map(|share| share.requests).collect();
        assert!(
            requests.len() > 30 && requests.iter().all(|count| (1000..1100).contains(count)),
            "{requests:?}"
        );
        for share in shares {
            let (at, why) = share.over.expect("an end");
            assert_eq!(why, Quota::Age);
            assert!((60..66).contains(&(at.as_millis() / 1000)), "{at:?}");
        }
        assert_eq!(Share::draw(&Recycling::default(), Time::ZERO, &mut dice), Share::default());
    }

    #[test]
    fn a_share_ends_at_its_first_end() {
        let (early, late) = (Time::from_millis(1), Time::from_millis(2));
        let mut share = Share::default();
        share.end(late, Quota::Requests);
        share.end(early, Quota::Memory);
        share.end(late, Quota::Age);
        assert_eq!(share.over, Some((early, Quota::Memory)));
    }
}
