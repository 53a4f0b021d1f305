//! Waiting for what will happen, without guessing how long it takes.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before the test calls it lost. It is long because the machine may be busy with
/// other tests; nothing here waits longer than what it waits for.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Looks every few milliseconds until `probe` finds something. For what only /proc or a file shows: whatever has an
/// event of its own (a log line, a byte, an exit) is waited for by that event.
#[track_caller]
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, probe).unwrap_or_else(|| panic!("still not so after {DEADLINE:?}: {what}"))
}

/// The same with its own limit, and `None` when that passes.
pub fn within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if begin.elapsed() > limit {
            return None;
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// Counts from 0, once each period: for an experiment whose pace is part of it, and no event's.
pub fn beats(period: Duration) -> impl Iterator<Item = usize> {
    let begin = Instant::now();
    (0..).inspect(move |beat| thread::sleep((period * (*beat as u32 + 1)).saturating_sub(begin.elapsed())))
}
