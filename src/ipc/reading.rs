//! What others see of a row: whatever bytes stand there, there is an answer, and it harms nobody who prints it.

use std::sync::atomic::{
    Ordering::{Acquire, Relaxed},
    fence,
};

use super::row::{CURRENT, Phase, Row, Word};
use crate::process::clock::Time;

/// How often a reader looks again at a request that changes under its eyes.
const LOOKS: usize = 4;

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
    /// When it must have shown life again; none while it waits.
    pub due: Option<Time>,
    /// When what it works at must be over; none while it waits.
    pub request_due: Option<Time>,
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

impl State {
    /// All of them, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Booting, Self::Idle, Self::Busy, Self::Draining];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Booting => "booting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Draining => "draining",
        }
    }
}

impl Reading {
    /// What is taken from a row whose first word no child of ours has written: the rest is not its either.
    const fn unwritten() -> Self {
        Self {
            state: State::Booting,
            accepted: 0,
            active: 0,
            requests: 0,
            bytes_in: 0,
            bytes_out: 0,
            beat: Time::ZERO,
            due: None,
            request_due: None,
            current: None,
            current_since: None,
        }
    }
}

impl Row {
    /// What stands in the row; whatever stands there, there is an answer.
    pub fn read(&self) -> Reading {
        let cells = self.cells();
        if !Phase::is_one(cells.get(Word::Phase)) {
            return Reading::unwritten();
        }
        let (current, current_since) = self.current().unzip();
        let active = self.active();
        Reading {
            state: state(cells.get(Word::Phase), active > 0 || current.is_some()),
            accepted: cells.get(Word::Accepted),
            active,
            requests: cells.get(Word::Requests),
            bytes_in: cells.get(Word::BytesIn),
            bytes_out: cells.get(Word::BytesOut),
            beat: Time::from_millis(cells.get(Word::Beat)),
            due: moment(cells.get(Word::Due)),
            request_due: moment(cells.get(Word::RequestDue)),
            current,
            current_since,
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
        let cells = self.cells();
        let before = cells.get(Word::Sequence);
        fence(Acquire);
        let length = cells.get(Word::Length);
        let since = Time::from_millis(cells.get(Word::Since));
        let mut text = [0; CURRENT];
        for (cell, bytes) in cells.text().iter().zip(text.chunks_mut(8)) {
            bytes.copy_from_slice(&cell.load(Relaxed).to_le_bytes());
        }
        fence(Acquire);
        if before % 2 == 1 || cells.get(Word::Sequence) != before {
            return None;
        }
        // The length may be any number at all: one that no writer of ours wrote is no request.
        let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(1));
        Some(length.and_then(|length| text.get(..length)).map(|text| (printable(text), since)))
    }
}

fn moment(millis: u64) -> Option<Time> {
    (millis != 0).then(|| Time::from_millis(millis))
}

/// What a child in this phase does; a number that is no phase is as good as the first.
pub(super) fn state(phase: u64, has_work: bool) -> State {
    if phase == Phase::Draining as u64 {
        State::Draining
    } else if phase != Phase::Ready as u64 {
        State::Booting
    } else if has_work {
        State::Busy
    } else {
        State::Idle
    }
}

/// What a client wrote, as text that cannot harm a terminal or a log: everything but printable ASCII is escaped.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            // They harm neither; who puts the text between quotes escapes them himself.
            b'"' | b'\'' => text.push(char::from(*byte)),
            _ => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_long_or_hostile_request_is_cut_and_escaped() {
        let row = Row::detached();
        row.begin(&[b'a'; 1000]);
        assert_eq!(row.read().current, Some("a".repeat(CURRENT)));
        row.begin(b"GET /\"\x1b[2J\r\n\\ \xff");
        assert_eq!(row.read().current.as_deref(), Some("GET /\"\\x1b[2J\\r\\n\\\\ \\xff"));
    }

    #[test]
    fn a_request_is_never_seen_half_written() {
        let row = Row::detached();
        let writer = row.clone();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for round in 0..20_000_u32 {
                    let letter = b'a' + (round % 26) as u8;
                    writer.begin(&[letter; CURRENT][..1 + round as usize % CURRENT]);
                }
                writer.draining();
            });
            while row.read().state != State::Draining {
                if let Some(current) = row.read().current {
                    let first = current.chars().next();
                    assert!(current.chars().all(|letter| Some(letter) == first), "torn: {current}");
                }
            }
        });
    }

    #[test]
    fn a_row_that_was_written_over_says_nothing() {
        let row = Row::detached();
        row.cells().0.iter().for_each(|word| word.store(u64::MAX, Relaxed));
        assert_eq!(row.read(), Row::detached().read());
    }

    #[test]
    fn a_child_that_died_while_it_wrote_shows_no_request() {
        let row = Row::detached();
        row.begin(b"GET /");
        row.cells().add(Word::Sequence, 1);
        assert_eq!(row.read().current, None);
    }

    proptest! {
        #[test]
        fn any_words_can_be_read(words in proptest::array::uniform32(any::<u64>()), length in 0..200_u64) {
            let row = Row::detached();
            for (word, value) in row.cells().0.iter().zip(words) {
                word.store(value, Relaxed);
            }
            row.read();
            // And with a text that looks readable.
            row.cells().set(Word::Phase, Phase::Ready as u64);
            row.cells().set(Word::Sequence, 2);
            row.cells().set(Word::Length, length);
            let current = row.read().current;
            prop_assert_eq!(current.is_some(), (1..=CURRENT as u64 + 1).contains(&length));
            prop_assert!(current.is_none_or(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
        }
    }
}
