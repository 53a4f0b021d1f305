//! How long a worker waits for a client, and how long for the end of its own life.

use std::time::Duration;

use super::session::Limit;
use crate::process::clock::Time;

/// How long to wait from `now` until `due`, in the milliseconds of poll(2) and epoll_wait(2); for ever without one.
///
/// It is rounded up: to wake too early would be to spin until it is time.
pub fn timeout<T: TryFrom<Duration>>(now: Time, due: Option<Time>, for_ever: T, longest: T) -> T {
    let Some(due) = due else { return for_ever };
    T::try_from(due.since(now).saturating_add(Duration::from_micros(999))).unwrap_or(longest)
}

/// The limits on a client's connection and on a drain; `None` is "for ever".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Between messages: anew with any byte.
    pub idle: Option<Duration>,
    /// For a message's head, from its first byte on.
    pub header: Option<Duration>,
    /// For a message's body: anew with each 16 KiB.
    pub body: Option<Duration>,
    /// For an answer: anew with each 16 KiB that the client takes.
    pub write: Option<Duration>,
    /// How long a draining worker lets a silent kept connection live.
    pub linger: Duration,
    /// How long a drain may last; what is not finished then is cut.
    pub drain: Option<Duration>,
    /// How long the worker may work without a sign of life.
    pub liveness: Option<Duration>,
    /// How long it may work at one request without waiting for anybody.
    pub request: Option<Duration>,
}

impl Limits {
    /// How much of a body, or of an answer, counts as progress.
    pub const PROGRESS: u64 = 16 * 1024;

    /// How long an orphan may drain: its port must be free for the next master.
    pub const ORPHAN: Duration = Duration::from_secs(1);

    /// How long a connection that we have ended is still read, so that what its client was sending does not make
    /// the kernel destroy the answer.
    pub const FAREWELL: Duration = Duration::from_secs(2);

    /// The limit behind that name; between messages a draining worker has less patience.
    pub fn of(&self, limit: Limit, draining: bool) -> Option<Duration> {
        match limit {
            Limit::Idle if draining => Some(self.idle.map_or(self.linger, |idle| idle.min(self.linger))),
            Limit::Idle => self.idle,
            Limit::Header => self.header,
            Limit::Body => self.body,
        }
    }

    /// How long a drain may last, for a worker with a master and for one without.
    pub fn drain_of(&self, orphaned: bool) -> Option<Duration> {
        if orphaned {
            Some(self.drain.map_or(Self::ORPHAN, |drain| drain.min(Self::ORPHAN)))
        } else {
            self.drain
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Self {
            idle: seconds(60),
            header: seconds(10),
            body: seconds(30),
            write: seconds(30),
            linger: Duration::from_secs(1),
            drain: seconds(30),
            liveness: seconds(60),
            request: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_shortens_patience_and_never_lengthens_it() {
        let mut limits = Limits::default();
        assert_eq!(limits.of(Limit::Idle, true), Some(Duration::from_secs(1)));
        assert_eq!(limits.of(Limit::Header, true), limits.header);
        limits.idle = Some(Duration::from_millis(200));
        assert_eq!(limits.of(Limit::Idle, true), limits.idle);
        limits.idle = None;
        assert_eq!(limits.of(Limit::Idle, true), Some(limits.linger));
    }

    #[test]
    fn an_orphan_has_a_second_at_most() {
        let limits = Limits { drain: None, ..Limits::default() };
        assert_eq!((limits.drain_of(false), limits.drain_of(true)), (None, Some(Limits::ORPHAN)));
        let brief = Limits { drain: Some(Duration::from_millis(10)), ..limits };
        assert_eq!(brief.drain_of(true), brief.drain);
    }
}
