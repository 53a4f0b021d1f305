//! What a process that serves one connection has counted, on its way to the row of its worker, who alone writes there.
//!
//! It comes by a pipe, whole: a write of so few bytes is never cut, see pipe(7).

use super::{
    row::{Row, Word},
    tally,
};

/// Counts since the last bill: requests, bytes both ways, answers by status, and the time that they took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill([u64; WORDS]);

/// Where a row has its counts of what a connection did.
const FIRST: [usize; 3] = [Word::Requests as usize, Word::BytesIn as usize, Word::BytesOut as usize];
const WORDS: usize = FIRST.len() + tally::END - tally::STATUS;

fn places() -> impl Iterator<Item = usize> {
    FIRST.into_iter().chain(tally::STATUS..tally::END)
}

impl Bill {
    /// How many bytes it has on its way.
    pub const BYTES: usize = WORDS * 8;

    /// What stands in a row of this process alone; `None` where there is nothing.
    pub fn of(row: &Row) -> Option<Self> {
        let (cells, mut counts) = (row.cells(), [0; WORDS]);
        for (count, place) in counts.iter_mut().zip(places()) {
            *count = cells.at(place);
        }
        (counts != [0; WORDS]).then_some(Self(counts))
    }

    /// Takes it off the row that it is of: it was told.
    pub fn settle(&self, row: &Row) {
        for (count, place) in self.0.iter().zip(places()) {
            row.cells().count(place, count.wrapping_neg());
        }
    }

    /// Adds it to the row of the worker.
    pub fn enter(&self, row: &Row) {
        for (count, place) in self.0.iter().zip(places()) {
            row.cells().count(place, *count);
        }
    }

    /// As it goes through the pipe: both ends are the same program.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (place, count) in bytes.as_chunks_mut().0.iter_mut().zip(self.0) {
            *place = count.to_ne_bytes();
        }
        bytes
    }

    /// As it came out of the pipe.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut counts = [0; WORDS];
        for (count, bytes) in counts.iter_mut().zip(bytes.as_chunks().0) {
            *count = u64::from_ne_bytes(*bytes);
        }
        Self(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_counted_in_one_row_arrives_in_another_once() {
        let (ours, theirs) = (Row::detached(), Row::detached());
        assert_eq!(Bill::of(&theirs), None);
        theirs.begin(b"GET /");
        theirs.end();
        theirs.bytes_out(300);
        theirs.answered(404, Some(Duration::from_micros(7)));
        let bill = Bill::of(&theirs).unwrap();
        theirs.bytes_in(20);
        bill.settle(&theirs);
        Bill::from_bytes(&bill.to_bytes()).enter(&ours);
        Bill::of(&theirs).unwrap().enter(&ours);
        let reading = ours.read();
        assert_eq!((reading.requests, reading.bytes_in, reading.bytes_out), (1, 20, 300));
        assert_eq!(ours.cells().at(tally::STATUS + 2), 1, "one answer of the class 4xx");
        assert_eq!(ours.cells().at(tally::END - 1), 7, "it took so long");
    }
}
