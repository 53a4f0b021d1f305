//! The one clock for limits and delays.

use std::{ops::Add, time::Duration};

use nix::time::{ClockId, clock_gettime};

/// A moment on the monotonic clock, which no operator and no leap second can set, and which all processes share.
///
/// It stands still while the machine sleeps. clock_gettime(2), `CLOCK_MONOTONIC`.
///
/// ```ignore
/// let deadline = Time::now() + Duration::from_secs(30);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Time(Duration);

impl Time {
    /// The moment that the clock counts from.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// This moment.
    pub fn now() -> Self {
        // The clock has been there since Linux 2.6 and the call has no way to fail.
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Self::ZERO, |now| Self(now.into()))
    }

    /// The moment that many milliseconds after [`Time::ZERO`].
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Milliseconds since [`Time::ZERO`]: half a billion years of them fit.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// Microseconds of the monotonic clock, as other programs count them.
    pub fn as_micros(self) -> u64 {
        u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX)
    }

    /// How long it is since `earlier`: nothing if that is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// The moment that much later; one that is too far away for the clock is as far as it goes.
    fn add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(delay))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_only_goes_on() {
        let earlier = Time::now();
        let later = Time::now();
        assert!(earlier <= later && earlier > Time::ZERO);
        assert_eq!(earlier.since(later + Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn milliseconds_come_back_as_they_were_given() {
        let time = Time::from_millis(1500) + Duration::from_millis(250);
        assert_eq!((time.as_millis(), time.since(Time::from_millis(750))), (1750, Duration::from_secs(1)));
    }

    #[test]
    fn a_limit_of_for_ever_does_not_overflow() {
        assert!(Time::now() + Duration::MAX > Time::now());
    }
}
