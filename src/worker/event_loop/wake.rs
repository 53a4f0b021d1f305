//! Sessions that wait for news or for a moment of their own.
//!
//! News are for everyone who waits: each session looks whether there is something for it. So nobody keeps lists of who
//! is to be told what, and none of them can go stale.

use std::{collections::BTreeSet, mem, time::Duration};

use super::{
    engine::Engine,
    table::{Key, Wait},
};
use crate::{
    process::clock::Time,
    worker::{
        session::{Application, Wake},
        step::Step,
    },
};

/// The moments at which sessions want to be woken, one for each at most.
#[derive(Debug, Default)]
pub struct Alarms(BTreeSet<(Time, u64)>);

impl Alarms {
    /// When the first is due.
    pub fn first(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Sets the alarm of a session, which had this one before.
    pub fn set(&mut self, key: Key, before: Option<Time>, after: Option<Time>) {
        if let Some(at) = before {
            self.0.remove(&(at, key.bits()));
        }
        if let Some(at) = after {
            self.0.insert((at, key.bits()));
        }
    }

    /// Takes out all that are due. What is set from now on is for another round, be it due as well.
    fn take_due(&mut self, now: Time) -> impl Iterator<Item = Key> + use<> {
        let rest = self.0.split_off(&(now, u64::MAX));
        mem::replace(&mut self.0, rest).into_iter().map(|(_, bits)| Key::from_bits(bits))
    }
}

impl<A: Application> Engine<'_, A> {
    /// A session waits for news, for this long at most.
    pub(super) fn sleep(&mut self, key: Key, time: Option<Duration>) {
        let Some(conn) = self.table.get_mut(key) else { return };
        let at = time.map(|time| self.now + time);
        self.alarms.set(key, conn.alarm, at);
        conn.alarm = at;
        self.table.begin(key, Wait::News, self.now);
    }

    /// Calls those whose moment has come, and everyone who waits if there are news.
    pub(super) fn wake_sleepers(&mut self) {
        if self.alarms.first().is_some_and(|first| first <= self.now) {
            for key in self.alarms.take_due(self.now) {
                // One whose peer is slow is called when all is sent.
                if self.table.wait(key) == Some(Wait::News) {
                    self.wake(key, Wake::Time);
                }
            }
        }
        if mem::take(&mut self.announced) {
            for key in self.table.waiting(Wait::News) {
                if self.table.wait(key) == Some(Wait::News) {
                    self.wake(key, Wake::News);
                }
            }
        }
    }

    /// Calls one whose peer has taken everything at last: its moment, or news, may have come meanwhile.
    pub(super) fn wake_late(&mut self, key: Key) {
        let Some(conn) = self.table.get_mut(key) else { return };
        let due = conn.alarm.is_some_and(|at| at <= self.now);
        self.table.begin(key, Wait::News, self.now);
        self.wake(key, if due { Wake::Time } else { Wake::News });
    }

    fn wake(&mut self, key: Key, wake: Wake) {
        if let Some(conn) = self.table.get_mut(key) {
            if wake == Wake::Time {
                conn.alarm = None;
            }
            self.step(key, Step::Wake(wake), 0..0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_alarm_and_those_that_are_due_come_in_order() {
        let (mut alarms, at) = (Alarms::default(), Time::from_millis);
        let keys = [1, 2, 3].map(Key::from_bits);
        alarms.set(keys[0], None, Some(at(30)));
        alarms.set(keys[1], None, Some(at(10)));
        alarms.set(keys[2], None, Some(at(20)));
        alarms.set(keys[0], Some(at(30)), Some(at(5)));
        assert_eq!(alarms.first(), Some(at(5)));
        assert_eq!(alarms.take_due(at(10)).collect::<Vec<_>>(), [keys[0], keys[1]]);
        alarms.set(keys[2], Some(at(20)), None);
        assert_eq!((alarms.first(), alarms.take_due(at(99)).count()), (None, 0));
    }
}
