//! The watchdog of a service manager: as long as it is told in time that all is well, it lets the server live.
//!
//! `$WATCHDOG_USEC` says how often it wants to hear `WATCHDOG=1`, and it is told twice as often, but only while at least one worker
//! serves that is not late (or the server starts or stops, for which the manager has limits of its own). A master that
//! stands still says nothing, and neither does one whose workers all hang or crash: so the manager starts it anew.
//! sd_watchdog_enabled(3).

use std::{env, time::Duration};

use super::supervisor::{Phase, Supervisor};
use crate::{ipc::notify, process::clock::Time};

/// When the manager is told next.
#[derive(Debug)]
pub struct Watchdog {
    every: Duration,
    next: Time,
}

impl Watchdog {
    /// What the environment says to this process; it stays there, for an upgrade.
    pub fn of_this_process() -> Option<Self> {
        let variable = |name| env::var(name).ok();
        let every = interval(variable("WATCHDOG_USEC"), variable("WATCHDOG_PID"), std::process::id())?;
        Some(Self { every, next: Time::now() })
    }

    /// The moment by which [`Watchdog::look`] must be called again.
    pub fn deadline(&self) -> Time {
        self.next
    }

    /// Tells the manager, if it is time and all is well.
    pub fn look(&mut self, supervisor: &Supervisor, now: Time) {
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        if supervisor.is_healthy() {
            let serving = supervisor.children().filter(|child| child.is_serving()).count();
            let status = match supervisor.phase() {
                Phase::Running => format!(
                    "\nSTATUS={serving} of {} workers serve, generation {}",
                    supervisor.target(),
                    supervisor.generation()
                ),
                Phase::Starting | Phase::Stopping { .. } | Phase::Finished => String::new(),
            };
            notify::tell(&format!("WATCHDOG=1{status}"));
        }
    }
}

/// Half of what the manager allows.
fn interval(usec: Option<String>, for_whom: Option<String>, pid: u32) -> Option<Duration> {
    if for_whom.is_some_and(|text| text.parse() != Ok(pid)) {
        return None;
    }
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 1)?;
    Some(Duration::from_micros(usec / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_are_for_the_process_that_they_name() {
        let read = |usec: &str, pid: Option<&str>| interval(Some(usec.into()), pid.map(Into::into), 42);
        assert_eq!(read("3000000", Some("42")), Some(Duration::from_millis(1500)));
        assert_eq!(read("3000000", None), Some(Duration::from_millis(1500)));
        for (usec, pid) in
            [("3000000", Some("43")), ("3000000", Some("x")), ("0", None), ("-1", None), ("", None)]
        {
            assert_eq!(read(usec, pid), None, "{usec} {pid:?}");
        }
        assert_eq!(interval(None, None, 42), None);
    }
}
