//! One child's row of the scoreboard: 64 words that the child alone writes and everybody may read.
//!
//! Nothing here waits and nothing here locks, so a child that dies in the middle of a write harms nobody. A write is
//! a few plain stores: a counter has one writer, so it needs no locked addition.
//!
//! ```ignore
//! let row = Row::detached();
//! row.ready();
//! row.accepted();
//! row.begin(b"GET /index.html");
//! assert_eq!(row.read().state, State::Busy);
//! row.end();
//! row.closed();
//! assert_eq!((row.read().state, row.read().requests), (State::Idle, 1));
//! ```

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Relaxed, Release},
            fence,
        },
    },
    time::Duration,
};

use crate::{process::clock::Time, sys::memory::SharedMemory};

/// How many words a row has: 512 bytes, eight cache lines that no other row touches.
pub(super) const WORDS: usize = 64;

/// The longest request that a row shows, in bytes; what is longer is cut.
pub const CURRENT: usize = 96;

/// The words of a row, by their place in it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word {
    /// One of [`Phase`].
    Phase,
    /// Connections taken, since the child's birth.
    Accepted,
    /// Those of them that are gone.
    Closed,
    /// Requests answered.
    Requests,
    /// Bytes that came in.
    BytesIn,
    /// Bytes that went out.
    BytesOut,
    /// When the child last showed life: milliseconds of the monotonic clock.
    Beat,
    /// When it must have shown life again; 0 while it waits, which it may do for ever.
    Due,
    /// When what it works at must be over; 0 while it waits.
    RequestDue,
    /// Odd while the three below are being written.
    Sequence,
    /// When the request began: milliseconds of the monotonic clock.
    Since,
    /// The length of the request's text in bytes, plus one; 0 when there is none.
    Length,
    /// The first of the words that hold the text.
    Text,
}

/// How far a child is in its life, as it says itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phase {
    /// The value of a fresh row: not ready yet.
    Booting,
    /// It accepts.
    Ready,
    /// It finishes what it has.
    Draining,
    /// It is gone: written by the master, who has reaped it.
    Gone,
}

impl Phase {
    /// Whether a word is one of them.
    pub(super) const fn is_one(word: u64) -> bool {
        word <= Self::Gone as u64
    }
}

/// A child's row, as that child writes it: a handle that is cheap to clone.
///
/// There must be one writer at a time; with two, counts may be lost, and nothing worse happens.
#[derive(Debug, Clone)]
pub struct Row {
    pub(super) words: Words,
    index: usize,
    /// How many milliseconds it may work without a sign of life, and on one request; 0 is for ever.
    liveness: u64,
    request: u64,
}

/// Where the words lie.
#[derive(Debug, Clone)]
pub(super) enum Words {
    /// In memory that the master sees.
    Shared(Arc<SharedMemory>),
    /// In this process alone.
    Private(Arc<[AtomicU64; WORDS]>),
}

impl Row {
    /// How many rows a child looks at to learn how the others are doing.
    const OTHERS: usize = 64;

    /// A row that nobody else reads: for tests, and for a process that serves one connection.
    pub fn detached() -> Self {
        Self {
            words: Words::Private(Arc::new([const { AtomicU64::new(0) }; WORDS])),
            index: 0,
            liveness: 0,
            request: 0,
        }
    }

    /// The row at this place of a scoreboard's memory.
    pub(super) fn at(words: Words, index: usize) -> Self {
        Self { words, index, liveness: 0, request: 0 }
    }

    /// The same row under these limits: its deadlines stand in it from now on, for the master to see.
    #[must_use]
    pub fn under(mut self, liveness: Option<Duration>, request: Option<Duration>) -> Self {
        let millis = |limit: Option<Duration>| limit.map_or(0, |limit| limit.as_millis().max(1) as u64);
        (self.liveness, self.request) = (millis(liveness), millis(request));
        self
    }

    /// The child accepts from now on.
    pub fn ready(&self) {
        self.cells().set(Word::Phase, Phase::Ready as u64);
    }

    /// The child takes no more.
    pub fn draining(&self) {
        self.cells().set(Word::Phase, Phase::Draining as u64);
    }

    /// The child shows life.
    ///
    /// The time also stands for the beginning of the requests that follow, so that [`Row::begin`] needs no look at
    /// the clock: a driver beats once per round of its loop.
    pub fn beat(&self, now: Time) {
        let (cells, now) = (self.cells(), now.as_millis());
        cells.set(Word::Beat, now);
        if self.liveness != 0 {
            cells.set(Word::Due, now + self.liveness);
        }
        if self.request != 0 && cells.get(Word::RequestDue) == 0 {
            cells.set(Word::RequestDue, now + self.request);
        }
    }

    /// The child waits from now on, for a client or for whatever comes: no limit runs until its next beat.
    pub fn rest(&self) {
        let cells = self.cells();
        cells.set(Word::Due, 0);
        if self.request != 0 {
            cells.set(Word::RequestDue, 0);
        }
    }

    /// What the child works at may take so much longer, from now on.
    pub fn extend(&self, now: Time, time: Duration) {
        let (cells, due) = (self.cells(), (now + time).as_millis());
        if self.liveness != 0 {
            cells.set(Word::Due, due);
        }
        if self.request != 0 {
            cells.set(Word::RequestDue, due);
        }
    }

    /// The child took a connection.
    pub fn accepted(&self) {
        self.cells().add(Word::Accepted, 1);
    }

    /// One of its connections is gone, and the request that it may have been at, too.
    pub fn closed(&self) {
        let cells = self.cells();
        cells.set(Word::Length, 0);
        cells.add(Word::Closed, 1);
    }

    /// How many of its connections are open.
    pub fn active(&self) -> u64 {
        let cells = self.cells();
        cells.get(Word::Accepted).saturating_sub(cells.get(Word::Closed))
    }

    /// The fewest open connections of another child that is ready; `None` if there is none among the first rows.
    ///
    /// A hint, for sharing newcomers fairly: any of the numbers may be wrong, or that of a child that died just now.
    pub fn least_active_of_others(&self) -> Option<u64> {
        let Words::Shared(memory) = &self.words else { return None };
        let rows = memory.words().as_chunks().0.iter().enumerate();
        let others = rows.take(Self::OTHERS).filter(|(index, _)| *index != self.index);
        let others = others.map(|(_, words)| Cells(words));
        // Rows are taken from the front: behind one that never was, there is nobody.
        let taken = others.take_while(|cells| cells.get(Word::Phase) != Phase::Booting as u64);
        let ready = taken.filter(|cells| cells.get(Word::Phase) == Phase::Ready as u64);
        ready.map(|cells| cells.get(Word::Accepted).saturating_sub(cells.get(Word::Closed))).min()
    }

    /// This many bytes came in.
    pub fn bytes_in(&self, count: u64) {
        self.cells().add(Word::BytesIn, count);
    }

    /// This many bytes went out.
    pub fn bytes_out(&self, count: u64) {
        self.cells().add(Word::BytesOut, count);
    }

    /// A request is being served since the last [`Row::beat`]; of several at once the row shows the youngest.
    pub fn begin(&self, request: &[u8]) {
        let cells = self.cells();
        let text = &request[..request.len().min(CURRENT)];
        let sequence = cells.get(Word::Sequence) | 1;
        cells.set(Word::Sequence, sequence);
        // Whoever sees one of the stores below also sees the odd number above.
        fence(Release);
        let (words, rest) = text.as_chunks();
        for (cell, word) in cells.text().iter().zip(words) {
            cell.store(u64::from_le_bytes(*word), Relaxed);
        }
        if !rest.is_empty() {
            cells.text()[words.len()].store(last_word(rest), Relaxed);
        }
        cells.set(Word::Since, cells.get(Word::Beat));
        if self.request != 0 {
            cells.set(Word::RequestDue, cells.get(Word::Beat) + self.request);
        }
        cells.set(Word::Length, text.len() as u64 + 1);
        // Whoever sees the even number also sees the stores above.
        fence(Release);
        cells.set(Word::Sequence, sequence.wrapping_add(1));
    }

    /// It was answered: it counts, and the row shows no request until the next one begins.
    pub fn end(&self) {
        let cells = self.cells();
        cells.set(Word::Length, 0);
        cells.add(Word::Requests, 1);
    }

    /// Makes it the row of a child that is to be born.
    pub(super) fn clear(&self) {
        for word in self.cells().0 {
            word.store(0, Relaxed);
        }
    }

    /// Looks up where the words lie: once per call, for the compiler cannot know that it stays the same.
    pub(super) fn cells(&self) -> Cells<'_> {
        Cells(match &self.words {
            Words::Shared(memory) => &memory.words().as_chunks().0[self.index],
            Words::Private(words) => words,
        })
    }
}

/// A word of fewer than eight bytes. In a register: bytes that are written one by one are not yet there when they are read
/// as a word.
fn last_word(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk()) {
        // Two halves, which may overlap.
        (Some(first), Some(last)) => {
            let [first, last] = [first, last].map(|half| u64::from(u32::from_le_bytes(*half)));
            first | last << (8 * (bytes.len() - size_of::<u32>()))
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// The words of one row.
#[derive(Clone, Copy)]
pub(super) struct Cells<'a>(pub(super) &'a [AtomicU64; WORDS]);

impl<'a> Cells<'a> {
    pub(super) fn get(self, word: Word) -> u64 {
        self.0[word as usize].load(Relaxed)
    }

    pub(super) fn set(self, word: Word, value: u64) {
        self.0[word as usize].store(value, Relaxed);
    }

    /// Adds without a locked instruction, for nobody else writes here; it wraps, for the count may be anybody's.
    pub(super) fn add(self, word: Word, count: u64) {
        self.set(word, self.get(word).wrapping_add(count));
    }

    /// The words that hold the text of the request.
    pub(super) fn text(self) -> &'a [AtomicU64] {
        &self.0[Word::Text as usize..][..CURRENT / 8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::reading::State;

    #[test]
    fn a_row_tells_its_childs_life() {
        let row = Row::detached();
        assert_eq!(row.read().state, State::Booting);
        row.ready();
        assert_eq!(row.read().state, State::Idle);
        row.accepted();
        row.accepted();
        row.bytes_in(10);
        row.bytes_out(300);
        assert_eq!((row.read().state, row.active()), (State::Busy, 2));
        row.closed();
        row.closed();
        assert_eq!((row.read().state, row.active()), (State::Idle, 0));
        row.draining();
        let reading = row.read();
        assert_eq!((reading.state, reading.accepted), (State::Draining, 2));
        assert_eq!((reading.bytes_in, reading.bytes_out), (10, 300));
    }

    #[test]
    fn the_last_word_holds_what_is_left() {
        for length in 1..8 {
            let bytes = &b"abcdefg"[..length];
            assert_eq!(&last_word(bytes).to_le_bytes()[..length], bytes);
            assert_eq!(last_word(bytes) >> (8 * length), 0);
        }
    }

    #[test]
    fn a_request_is_seen_from_its_beginning_to_its_end() {
        let row = Row::detached();
        row.ready();
        row.beat(Time::from_millis(1234));
        row.begin(b"GET /index.html");
        let reading = row.read();
        assert_eq!(reading.current.as_deref(), Some("GET /index.html"));
        assert_eq!(reading.current_since, Some(Time::from_millis(1234)));
        assert_eq!((reading.state, reading.requests), (State::Busy, 0));
        row.begin(b"");
        assert_eq!(row.read().current.as_deref(), Some(""));
        row.end();
        let reading = row.read();
        assert_eq!((reading.current, reading.current_since, reading.requests), (None, None, 1));
    }

    #[test]
    fn deadlines_stand_in_the_row_while_it_works_and_not_while_it_waits() {
        let (second, at) = (Duration::from_secs(1), Time::from_millis);
        let row = Row::detached().under(Some(second), Some(second * 2));
        assert_eq!((row.read().due, row.read().request_due), (None, None));
        row.beat(at(100));
        assert_eq!((row.read().due, row.read().request_due), (Some(at(1100)), Some(at(2100))));
        row.beat(at(600));
        assert_eq!((row.read().due, row.read().request_due), (Some(at(1600)), Some(at(2100))));
        row.begin(b"GET /");
        assert_eq!(row.read().request_due, Some(at(2600)));
        row.extend(at(700), second * 9);
        assert_eq!((row.read().due, row.read().request_due), (Some(at(9700)), Some(at(9700))));
        row.rest();
        assert_eq!((row.read().due, row.read().request_due), (None, None));
    }

    #[test]
    fn a_connection_that_is_gone_takes_its_request_with_it() {
        let row = Row::detached();
        row.ready();
        row.accepted();
        row.begin(b"GET /");
        row.closed();
        assert_eq!((row.read().current, row.read().requests), (None, 0));
    }
}
