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
    fmt::Write,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
            fence,
        },
    },
};

use crate::{process::clock::Time, sys::memory::SharedMemory};

/// How many words a row has: 512 bytes, eight cache lines that no other row touches.
pub(super) const WORDS: usize = 64;

/// The longest request that a row shows, in bytes; what is longer is cut.
pub const CURRENT: usize = 96;

/// How often a reader looks again at a request that changes under its eyes.
const LOOKS: usize = 4;

/// The words of a row, by their place in it.
#[derive(Debug, Clone, Copy)]
enum Word {
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
enum Phase {
    /// The value of a fresh row: not ready yet.
    Booting,
    /// It accepts.
    Ready,
    /// It finishes what it has.
    Draining,
}

/// A child's row, as that child writes it: a handle that is cheap to clone.
///
/// There must be one writer at a time; with two, counts may be lost, and nothing worse happens.
#[derive(Debug, Clone)]
pub struct Row {
    words: Words,
    first: usize,
}

/// Where the words lie.
#[derive(Debug, Clone)]
pub(super) enum Words {
    /// In memory that the master sees.
    Shared(Arc<SharedMemory>),
    /// In this process alone.
    Private(Arc<[AtomicU64; WORDS]>),
}

/// What stood in a row at a moment. Any of it may be wrong: it is for eyes, and for sharing work by hints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What the child is doing.
    pub state: State,
    /// Connections taken.
    pub accepted: u64,
    /// Those of them that are open.
    pub active: u64,
    /// Requests answered.
    pub requests: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// When the child last showed life.
    pub beat: Time,
    /// The request that it serves: printable ASCII, whatever the client wrote.
    pub current: Option<String>,
    /// When that began; there is one exactly when there is the other.
    pub current_since: Option<Time>,
}

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "control",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum State {
    /// It has not said yet that it is ready.
    Booting,
    /// It is ready and has no connection.
    Idle,
    /// It has a connection, or a request.
    Busy,
    /// It finishes what it has and takes no more.
    Draining,
}

impl Row {
    /// A row that nobody else reads: for tests, and for a process that serves one connection.
    pub fn detached() -> Self {
        Self { words: Words::Private(Arc::new([const { AtomicU64::new(0) }; WORDS])), first: 0 }
    }

    /// The row at this place of a scoreboard's memory.
    pub(super) fn at(words: Words, index: usize) -> Self {
        Self { words, first: index * WORDS }
    }

    /// The child accepts from now on.
    pub fn ready(&self) {
        self.set(Word::Phase, Phase::Ready as u64);
    }

    /// The child takes no more.
    pub fn draining(&self) {
        self.set(Word::Phase, Phase::Draining as u64);
    }

    /// The child shows life.
    ///
    /// The time also stands for the beginning of the requests that follow, so that [`Row::begin`] needs no look at
    /// the clock: a driver beats once per round of its loop.
    pub fn beat(&self, now: Time) {
        self.set(Word::Beat, now.as_millis());
    }

    /// The child took a connection.
    pub fn accepted(&self) {
        self.add(Word::Accepted, 1);
    }

    /// One of its connections is gone, and the request that it may have been at, too.
    pub fn closed(&self) {
        self.set(Word::Length, 0);
        self.add(Word::Closed, 1);
    }

    /// How many of its connections are open.
    pub fn active(&self) -> u64 {
        self.get(Word::Accepted).saturating_sub(self.get(Word::Closed))
    }

    /// This many bytes came in.
    pub fn bytes_in(&self, count: u64) {
        self.add(Word::BytesIn, count);
    }

    /// This many bytes went out.
    pub fn bytes_out(&self, count: u64) {
        self.add(Word::BytesOut, count);
    }

    /// A request is being served since the last [`Row::beat`]; of several at once the row shows the youngest.
    pub fn begin(&self, request: &[u8]) {
        let text = &request[..request.len().min(CURRENT)];
        let sequence = self.get(Word::Sequence) | 1;
        self.set(Word::Sequence, sequence);
        // Whoever sees one of the stores below also sees the odd number above.
        fence(Release);
        for (word, bytes) in self.text().iter().zip(text.chunks(8)) {
            let mut padded = [0; 8];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(padded), Relaxed);
        }
        self.set(Word::Since, self.get(Word::Beat));
        self.set(Word::Length, text.len() as u64 + 1);
        // Whoever sees the even number also sees the stores above.
        self.word(Word::Sequence).store(sequence.wrapping_add(1), Release);
    }

    /// It was answered: it counts, and the row shows no request until the next one begins.
    pub fn end(&self) {
        self.set(Word::Length, 0);
        self.add(Word::Requests, 1);
    }

    /// What stands in the row; whatever stands there, there is an answer.
    pub fn read(&self) -> Reading {
        let (current, current_since) = self.current().unzip();
        let active = self.active();
        let phase = self.get(Word::Phase);
        let state = if phase == Phase::Draining as u64 {
            State::Draining
        } else if phase != Phase::Ready as u64 {
            State::Booting
        } else if active > 0 || current.is_some() {
            State::Busy
        } else {
            State::Idle
        };
        Reading {
            state,
            accepted: self.get(Word::Accepted),
            active,
            requests: self.get(Word::Requests),
            bytes_in: self.get(Word::BytesIn),
            bytes_out: self.get(Word::BytesOut),
            beat: Time::from_millis(self.get(Word::Beat)),
            current,
            current_since,
        }
    }

    /// Makes it the row of a child that is to be born.
    pub(super) fn clear(&self) {
        for word in self.words() {
            word.store(0, Relaxed);
        }
    }

    /// The request and when it began, if it stands still for long enough to be read.
    fn current(&self) -> Option<(String, Time)> {
        (0..LOOKS).find_map(|_| self.look()).flatten()
    }

    /// One look at the request: `None` if it changed meanwhile, `Some(None)` if there is none.
    ///
    /// A child that died while it wrote leaves an odd number for ever, which reads as no request.
    fn look(&self) -> Option<Option<(String, Time)>> {
        let before = self.word(Word::Sequence).load(Acquire);
        let length = self.get(Word::Length);
        let since = Time::from_millis(self.get(Word::Since));
        let mut text = [0; CURRENT];
        for (word, bytes) in self.text().iter().zip(text.chunks_mut(8)) {
            bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        fence(Acquire);
        if before % 2 == 1 || self.get(Word::Sequence) != before {
            return None;
        }
        // The length may be any number at all: one that no writer of ours wrote is no request.
        let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(1));
        Some(length.and_then(|length| text.get(..length)).map(|text| (printable(text), since)))
    }

    fn words(&self) -> &[AtomicU64] {
        match &self.words {
            Words::Shared(memory) => &memory.words()[self.first..self.first + WORDS],
            Words::Private(words) => &words[..],
        }
    }

    fn text(&self) -> &[AtomicU64] {
        &self.words()[Word::Text as usize..][..CURRENT / 8]
    }

    fn word(&self, word: Word) -> &AtomicU64 {
        &self.words()[word as usize]
    }

    fn get(&self, word: Word) -> u64 {
        self.word(word).load(Relaxed)
    }

    fn set(&self, word: Word, value: u64) {
        self.word(word).store(value, Relaxed);
    }

    /// Adds without a locked instruction, for nobody else writes here; it wraps, for the count may be anybody's.
    fn add(&self, word: Word, count: u64) {
        self.set(word, self.get(word).wrapping_add(count));
    }
}

/// What a client wrote, as text that cannot harm a terminal or a log: everything but printable ASCII is escaped.
fn printable(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap_or_default(),
        }
        text
    })
}

#[cfg(test)]
mod tests;
