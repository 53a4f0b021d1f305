//! The one clock for limits and delays.

use std::{ops::Add, time::Duration};

use nix::time::{ClockId, clock_gettime};

/// A moment on the monotonic clock, which no operator and no leap second can set, and which all processes share.
///
/// It is a number of nanoseconds: one word, which is compared with each request, and six centuries fit into it.
///
/// It stands still while the machine sleeps. clock_gettime(2), `CLOCK_MONOTONIC`.
///
/// ```ignore
/// let deadline = Time::now() + Duration::from_secs(30);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "control", serde(from = "Duration", into = "Duration"))]
pub struct Time(u64);

impl Time {
    /// The moment that the clock counts from.
    pub const ZERO: Self = Self(0);

    /// This moment.
    pub fn now() -> Self {
        // The clock has been there since Linux 2.6 and the call has no way to fail.
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Self::ZERO, |now| Duration::from(now).into())
    }

    /// The moment that many milliseconds after [`Time::ZERO`].
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Milliseconds since [`Time::ZERO`].
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Microseconds of the monotonic clock, as other programs count them.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// How long it is since `earlier`: nothing if that is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// The moment that much later; one that is too far away for the clock is as far as it goes.
    fn add(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(Self::from(delay).0))
    }
}

impl From<Duration> for Time {
    /// The moment so long after [`Time::ZERO`].
    fn from(since: Duration) -> Self {
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.since(Time::ZERO)
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
