//! Within a range, how many workers: more while all are busy and clients queue, fewer when those that stay will do.
//!
//! It grows fast and shrinks slowly. Two looks in a row, a quarter of a second apart, that find clients waiting and
//! nobody free add half of what there is, and at least one. One worker goes when for ten seconds those that stay would have been
//! busy for at most half of their time. Where that proves to have been one too few, the next such attempts wait
//! twice as long, up to ten minutes, for an hour: so a load that lies between two numbers does not make it swing.

use std::time::Duration;

use super::action::Sizing;
use crate::{config::Range, process::clock::Time};

/// From one look to the next.
pub const LOOK: Duration = Duration::from_millis(250);
/// So many looks in a row with clients waiting are no accident.
const CONVINCING: u32 = 2;
/// How long it is quiet before a worker goes: at first, and at most.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST_PATIENCE: Duration = Duration::from_secs(600);
/// For how long it remembers that it was wrong.
const MEMORY: Duration = Duration::from_secs(3600);

/// What one look has found.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// How many workers there are.
    pub workers: u32,
    /// How many of them are busy.
    pub busy: u32,
    /// Whether clients wait and none is free for them.
    pub pressed: bool,
}

/// What there was to do lately.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Crowd {
    /// How many looks in a row found clients waiting.
    pressed: u32,
    /// Since when nobody waits and the number is the same; how many looks there were, and how many they found busy.
    since: Time,
    looks: u32,
    busy: u64,
    /// When a worker was sent away last.
    shrunk: Option<Time>,
    /// When that proved wrong last, and for how long it must be quiet since.
    wrong: Option<(Time, Duration)>,
}

impl Crowd {
    /// What was seen so far says nothing about what comes.
    pub fn forget(&mut self, now: Time) {
        (self.pressed, self.since, self.looks, self.busy) = (0, now, 0, 0);
    }

    /// Takes in a look; another number of workers, if there should be one.
    pub fn measure(&mut self, sample: Sample, range: Range, now: Time) -> Option<(u32, Sizing)> {
        if sample.pressed {
            let pressed = self.pressed + 1;
            self.forget(now);
            self.pressed = pressed;
            return if pressed >= CONVINCING { self.grow(sample.workers, range, now) } else { None };
        }
        self.pressed = 0;
        self.looks += 1;
        self.busy += u64::from(sample.busy);
        if now.since(self.since) < self.patience(now) {
            return None;
        }
        let stay = sample.workers.saturating_sub(1);
        let enough = self.busy * 2 <= u64::from(stay) * u64::from(self.looks);
        self.forget(now);
        if !enough || stay < range.least {
            return None;
        }
        self.shrunk = Some(now);
        Some((stay, Sizing::Quiet))
    }

    fn grow(&mut self, workers: u32, range: Range, now: Time) -> Option<(u32, Sizing)> {
        self.forget(now);
        let patience = self.patience(now);
        if self.shrunk.take().is_some_and(|shrunk| now.since(shrunk) < patience * 2) {
            self.wrong = Some((now, (patience * 2).min(MOST_PATIENCE)));
        }
        let to = range.nearest(workers + (workers / 2).max(1));
        (to > workers).then_some((to, Sizing::Queue))
    }

    /// For how long it must be quiet before a worker goes.
    fn patience(&self, now: Time) -> Duration {
        let remembered = self.wrong.filter(|(at, _)| now.since(*at) < MEMORY);
        remembered.map_or(PATIENCE, |(_, patience)| patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { least: 2, most: 16 };

    /// Lives for so many seconds with so many clients at each moment, each of whom takes a worker for itself; says the
    /// numbers of workers there were, one after the other.
    fn live(seconds: u32, clients: impl Fn(f64) -> f64) -> Vec<u32> {
        let (mut crowd, mut now, mut workers, mut story) = (Crowd::default(), Time::ZERO, 2, vec![2]);
        for look in 0..seconds * 4 {
            now = now + LOOK;
            let clients = clients(f64::from(look) / 4.0).round() as u32;
            let (busy, pressed) = (clients.min(workers), clients > workers);
            if let Some((to, _)) = crowd.measure(Sample { workers, busy, pressed }, RANGE, now) {
                assert!((2..=16).contains(&to) && to != workers);
                workers = to;
                story.push(to);
            }
        }
        story
    }

    #[test]
    fn a_crowd_is_met_within_seconds_and_never_beyond_the_range() {
        assert_eq!(live(4, |_| 100.0), [2, 3, 4, 6, 9, 13, 16]);
    }

    #[test]
    fn a_moment_of_waiting_changes_nothing() {
        assert_eq!(live(60, |second| if second % 1.0 == 0.0 { 9.0 } else { 0.0 }), [2]);
    }

    #[test]
    fn when_it_is_quiet_they_go_one_at_a_time() {
        let story = live(200, |second| if second < 4.0 { 100.0 } else { 0.0 });
        assert_eq!(story[6..], [16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    }

    #[test]
    fn a_steady_crowd_is_left_alone() {
        for clients in 1..=16 {
            let story = live(3600, |_| f64::from(clients));
            let top = story.iter().max().copied().unwrap_or_default();
            assert!(story.is_sorted() && top >= clients.min(16), "{clients} clients: {story:?}");
        }
    }

    fn wave(period: f64) -> impl Fn(f64) -> f64 {
        move |second| 6.0 + 5.0 * (second / period * std::f64::consts::TAU).sin()
    }

    #[test]
    fn waves_of_any_length_do_not_make_it_swing() {
        for period in [1.0, 3.0, 10.0, 25.0, 60.0] {
            let story = live(4 * 3600, wave(period));
            // Twice the patience each time it was wrong: some changes in an hour, whatever the rhythm.
            assert!(story.len() <= 80, "waves of {period} s: {} changes", story.len());
        }
    }

    #[test]
    fn the_tide_is_followed() {
        let story = live(4 * 3600, wave(3600.0));
        let low = story[8..].iter().min().copied().unwrap_or_default();
        assert!(story.iter().max() >= Some(&11) && low <= 4 && story.len() <= 80, "{story:?}");
    }
}
