//! The connections of a worker, and which of their limits ends first.
//!
//! All connections that wait for the same thing have the same limit, so the one that began to wait first is the first
//! whose time is up. Each such wait is therefore a queue, linked through the table itself: to begin a wait, to begin
//! it anew and to end it are a few stores, and the next deadline of ten thousand connections is at the head of one
//! of six queues.
//!
//! ```text
//! Idle     head -> 7 -> 2 -> 9 <- tail      begin(2) at its next byte:  7 -> 9 -> 2
//! Write    head -> 4 <- tail
//! ```

use std::time::Duration;

use crate::{process::clock::Time, worker::session::Limit};

/// What a connection waits for; each has its own queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Bytes of its peer, within that limit.
    Read(Limit),
    /// News, or a moment of its own: never late by a limit.
    News,
    /// Its peer's taking of an answer.
    Write,
    /// The end of a connection that was ended from here.
    Farewell,
}

impl Wait {
    const COUNT: usize = 6;

    /// Every wait, in the order of the queues.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Read(Limit::Idle),
        Self::Read(Limit::Header),
        Self::Read(Limit::Body),
        Self::News,
        Self::Write,
        Self::Farewell,
    ];

    const fn queue(self) -> usize {
        match self {
            Self::Read(limit) => limit as usize,
            Self::News => 3,
            Self::Write => 4,
            Self::Farewell => 5,
        }
    }
}

/// One connection's place, as an event names it. A place is used again; a key is not, so that an event that was
/// meant for its former holder finds nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    place: u32,
    serial: u32,
}

impl Key {
    /// As it fits into an event: less than 2^62.
    pub fn bits(self) -> u64 {
        u64::from(self.serial) << 32 | u64::from(self.place)
    }

    /// The key with these bits.
    pub fn from_bits(bits: u64) -> Self {
        Self { place: bits as u32, serial: (bits >> 32) as u32 }
    }
}

/// Values in places, each in one queue.
#[derive(Debug)]
pub struct Table<T> {
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    queues: [Queue; Wait::COUNT],
}

#[derive(Debug)]
struct Entry<T> {
    value: Option<T>,
    since: Time,
    serial: u32,
    before: u32,
    behind: u32,
    wait: Wait,
}

#[derive(Debug, Clone, Copy)]
struct Queue {
    head: u32,
    tail: u32,
}

/// No place.
const NONE: u32 = u32::MAX;

impl<T> Table<T> {
    /// How many empty places are kept when the table is empty.
    const KEPT: usize = 1024;
    /// How exact a wait is: no more than the timeouts of epoll_wait(2). A busy connection's clock begins anew a thousand
    /// times a second, and not with each of its requests.
    const GRAIN: Duration = Duration::from_millis(1);
    /// Serials have 30 bits: two of an event's 64 are not ours.
    const SERIALS: u32 = (1 << 30) - 1;

    /// A table with nobody in it.
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            queues: [Queue { head: NONE, tail: NONE }; Wait::COUNT],
        }
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Gives a value a place; it waits from `now` on.
    pub fn insert(&mut self, value: T, wait: Wait, now: Time) -> Key {
        let place = self.free.pop().unwrap_or_else(|| {
            let entry = Entry { value: None, since: now, serial: 0, before: NONE, behind: NONE, wait };
            self.entries.push(entry);
            self.entries.len() as u32 - 1
        });
        let entry = &mut self.entries[place as usize];
        (entry.value, entry.since, entry.wait) = (Some(value), now, wait);
        let key = Key { place, serial: entry.serial };
        self.append(place);
        key
    }

    /// The value with this key, if it is still there.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        self.look(key).map(|(value, _)| value)
    }

    /// The value with this key, and what it waits for.
    pub fn look(&mut self, key: Key) -> Option<(&mut T, Wait)> {
        let entry = self.entries.get_mut(key.place as usize)?;
        let value = entry.value.as_mut().filter(|_| entry.serial == key.serial)?;
        Some((value, entry.wait))
    }

    /// What the one with this key waits for.
    pub fn wait(&self, key: Key) -> Option<Wait> {
        let entry = self.entries.get(key.place as usize)?;
        (entry.serial == key.serial && entry.value.is_some()).then_some(entry.wait)
    }

    /// It waits for this from `now` on; or since less than a grain before, if it has waited for the same.
    pub fn begin(&mut self, key: Key, wait: Wait, now: Time) {
        let Some(before) = self.wait(key) else { return };
        if before == wait && now.since(self.entries[key.place as usize].since) < Self::GRAIN {
            return;
        }
        // Whoever is the last of its queue already stays so.
        let moves = self.queues[wait.queue()].tail != key.place;
        if moves {
            self.unlink(key.place);
        }
        let entry = &mut self.entries[key.place as usize];
        (entry.wait, entry.since) = (wait, now);
        if moves {
            self.append(key.place);
        }
    }

    /// Takes it out.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.wait(key)?;
        self.unlink(key.place);
        let entry = &mut self.entries[key.place as usize];
        entry.serial = (entry.serial + 1) & Self::SERIALS;
        let value = entry.value.take();
        self.free.push(key.place);
        if self.len() == 0 && self.entries.len() > Self::KEPT {
            // The memory of a burst is given back. Later keys may repeat only what nobody holds any more.
            *self = Self::new();
        }
        value
    }

    /// The one that has waited for this the longest, if that is `limit` or longer.
    pub fn late(&self, wait: Wait, limit: Duration, now: Time) -> Option<Key> {
        let entry = self.entries.get(self.queues[wait.queue()].head as usize)?;
        let key = Key { place: self.queues[wait.queue()].head, serial: entry.serial };
        (entry.since + limit <= now).then_some(key)
    }

    /// When the next one will be late, by these limits.
    pub fn deadline(&self, limit: impl Fn(Wait) -> Option<Duration>) -> Option<Time> {
        let first = |wait: &Wait| {
            let entry = self.entries.get(self.queues[wait.queue()].head as usize)?;
            Some(entry.since + limit(*wait)?)
        };
        Wait::ALL.iter().filter_map(first).min()
    }

    /// All who wait for this begin to wait now.
    pub fn restart(&mut self, wait: Wait, now: Time) {
        for entry in self.entries.iter_mut().filter(|entry| entry.wait == wait) {
            entry.since = now;
        }
    }

    /// The keys of all.
    pub fn keys(&self) -> Vec<Key> {
        let used = self.entries.iter().enumerate().filter(|(_, entry)| entry.value.is_some());
        used.map(|(place, entry)| Key { place: place as u32, serial: entry.serial }).collect()
    }

    /// The keys of all who wait for this, the longest first.
    pub fn waiting(&self, wait: Wait) -> Vec<Key> {
        let at = |place: u32| self.entries.get(place as usize).map(|entry| (place, entry));
        let first = at(self.queues[wait.queue()].head);
        let queue = std::iter::successors(first, |(_, entry)| at(entry.behind));
        queue.map(|(place, entry)| Key { place, serial: entry.serial }).collect()
    }

    fn append(&mut self, place: u32) {
        let queue = &mut self.queues[self.entries[place as usize].wait.queue()];
        let last = std::mem::replace(&mut queue.tail, place);
        if last == NONE {
            queue.head = place;
        } else {
            self.entries[last as usize].behind = place;
        }
        let entry = &mut self.entries[place as usize];
        (entry.before, entry.behind) = (last, NONE);
    }

    fn unlink(&mut self, place: u32) {
        let entry = &self.entries[place as usize];
        let (before, behind, queue) = (entry.before, entry.behind, entry.wait.queue());
        match before {
            NONE => self.queues[queue].head = behind,
            _ => self.entries[before as usize].behind = behind,
        }
        match behind {
            NONE => self.queues[queue].tail = before,
            _ => self.entries[behind as usize].before = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Wait = Wait::Read(Limit::Idle);
    const HEADER: Wait = Wait::Read(Limit::Header);
    const LIMIT: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Takes out everyone who is late, in order.
    fn late(table: &mut Table<u32>, wait: Wait, now: Time) -> Vec<u32> {
        std::iter::from_fn(|| table.late(wait, LIMIT, now).and_then(|key| table.remove(key))).collect()
    }

    #[test]
    fn the_first_to_wait_is_the_first_to_be_late() {
        let mut table = Table::new();
        let keys: Vec<_> = (0..4).map(|n| table.insert(n, IDLE, at(n.into()))).collect();
        table.begin(keys[0], IDLE, at(50));
        table.begin(keys[2], HEADER, at(60));
        assert_eq!(table.waiting(IDLE), [keys[1], keys[3], keys[0]]);
        assert_eq!((table.waiting(HEADER), table.waiting(Wait::News)), (vec![keys[2]], vec![]));
        assert_eq!(table.deadline(|_| Some(LIMIT)), Some(at(101)));
        assert_eq!(late(&mut table, IDLE, at(150)), [1, 3, 0]);
        assert_eq!(late(&mut table, HEADER, at(159)), [0; 0]);
        assert_eq!(late(&mut table, HEADER, at(160)), [2]);
        assert_eq!((table.len(), table.deadline(|_| Some(LIMIT))), (0, None));
    }

    #[test]
    fn a_wait_is_begun_anew_no_more_than_once_in_a_grain() {
        let mut table = Table::new();
        let keys = [table.insert(0, IDLE, at(0)), table.insert(1, IDLE, at(0))];
        let nearly = at(0) + Duration::from_micros(999);
        table.begin(keys[0], IDLE, nearly);
        assert_eq!((table.waiting(IDLE), table.deadline(|_| Some(LIMIT))), (keys.to_vec(), Some(at(100))));
        table.begin(keys[0], IDLE, at(1));
        assert_eq!(table.waiting(IDLE), [keys[1], keys[0]]);
        // Another wait is another clock, however soon.
        table.begin(keys[1], HEADER, nearly);
        assert_eq!(late(&mut table, HEADER, nearly + LIMIT), [1]);
    }

    #[test]
    fn what_has_no_limit_is_never_late() {
        let mut table = Table::new();
        table.insert(1, Wait::Write, at(0));
        table.insert(2, IDLE, at(5));
        assert_eq!(table.deadline(|wait| (wait == IDLE).then_some(LIMIT)), Some(at(105)));
    }

    #[test]
    fn a_key_of_a_former_holder_finds_nobody() {
        let mut table = Table::new();
        let old = table.insert("old", IDLE, at(0));
        assert_eq!(table.remove(old), Some("old"));
        let new = table.insert("new", IDLE, at(0));
        assert_eq!((table.get_mut(old).is_some(), table.wait(old), table.remove(old)), (false, None, None));
        table.begin(old, HEADER, at(9));
        assert_eq!(table.wait(new), Some(IDLE));
        assert_eq!(table.get_mut(Key::from_bits(new.bits())), Some(&mut "new"));
    }

    #[test]
    fn a_restart_gives_all_of_one_kind_the_same_time() {
        let mut table = Table::new();
        for n in 0..3 {
            table.insert(n, IDLE, at(u64::from(n) * 10));
        }
        table.restart(IDLE, at(1000));
        assert_eq!(late(&mut table, IDLE, at(1099)), [0; 0]);
        assert_eq!(late(&mut table, IDLE, at(1100)), [0, 1, 2]);
    }

    #[test]
    fn a_thousand_random_steps_agree_with_a_plain_list() {
        let (mut table, mut list) = (Table::new(), Vec::<(Key, Wait, u64)>::new());
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for now in 0..20_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let wait = Wait::ALL[(random >> 8) as usize % Wait::COUNT];
            let chosen = (random >> 16) as usize % list.len().max(1);
            match random % 4 {
                0 => list.push((table.insert(0, wait, at(now)), wait, now)),
                1 | 2 if !list.is_empty() => {
                    table.begin(list[chosen].0, wait, at(now));
                    list[chosen] = (list[chosen].0, wait, now);
                }
                3 if list.len() > 20 => {
                    assert_eq!(table.remove(list.swap_remove(chosen).0), Some(0));
                }
                _ => {}
            }
            let expected = list.iter().map(|(_, _, since)| at(*since) + LIMIT).min();
            assert_eq!(table.deadline(|_| Some(LIMIT)), expected);
            assert_eq!(table.len(), list.len());
        }
    }
}
