//! Numbered datagrams: UDP loses, doubles and reorders without a word, and a number on each makes that seen.
//!
//! ```
//! use forkd::protocol::datagram::{Arrival, Ledger, Numbered};
//!
//! let mut bytes = Vec::new();
//! Numbered { number: 2, payload: b"tick" }.write(&mut bytes);
//! let came = Numbered::read(&bytes).expect("a number in front");
//! let mut ledger = Ledger::new();
//! assert_eq!(ledger.note(0), Arrival::New);
//! assert_eq!(ledger.note(came.number), Arrival::New);
//! assert_eq!(ledger.note(came.number), Arrival::Doubled);
//! assert_eq!(ledger.missing(), 1);
//! ```

/// A datagram's number, and what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered<'a> {
    /// Counted from 0 by the sender.
    pub number: u64,
    /// The rest of the datagram.
    pub payload: &'a [u8],
}

const HEAD: usize = 8;

impl<'a> Numbered<'a> {
    /// How many bytes the number takes.
    pub const HEAD: usize = HEAD;

    /// The longest payload that fits into one datagram over IPv4: 65,535 bytes less the heads of IP and UDP and ours.
    pub const LONGEST: usize = 65_507 - Self::HEAD;

    /// Reads a datagram; `None` when it is too short for a number.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let (number, payload) = datagram.split_first_chunk::<HEAD>()?;
        Some(Self { number: u64::from_be_bytes(*number), payload })
    }

    /// Appends the datagram.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

/// What a datagram's number says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// It comes after all that came before.
    New,
    /// It was missing until now: others overtook it.
    Late,
    /// It has come before.
    Doubled,
    /// It is so old that nobody knows any more whether it has come before.
    Ancient,
}

/// Which numbers have come from one sender. It remembers the last [`Ledger::WINDOW`] of them.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The number after the highest that has come.
    next: u64,
    /// Bit n is set when the number `next - 1 - n` has come.
    recent: u64,
    came: u64,
}

impl Ledger {
    /// How many numbers back it can tell a late datagram from a doubled one.
    pub const WINDOW: u64 = u64::BITS as u64;

    /// A ledger of a sender from which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// A datagram with this number has come. The highest number of all, 2^64 - 1, is never new: none comes after it.
    pub fn note(&mut self, number: u64) -> Arrival {
        if number >= self.next && number < u64::MAX {
            let ahead = number + 1 - self.next;
            self.recent =
                u32::try_from(ahead).ok().and_then(|by| self.recent.checked_shl(by)).unwrap_or(0) | 1;
            self.next = number + 1;
            self.came += 1;
            return Arrival::New;
        }
        let back = self.next.wrapping_sub(1).wrapping_sub(number);
        if back >= Self::WINDOW {
            return Arrival::Ancient;
        }
        let bit = 1 << back;
        if self.recent & bit != 0 {
            return Arrival::Doubled;
        }
        self.recent |= bit;
        self.came += 1;
        Arrival::Late
    }

    /// How many numbers up to the highest have not come, or were too old when they came.
    pub fn missing(&self) -> u64 {
        self.next - self.came
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loss_and_disorder_are_seen() {
        let mut ledger = Ledger::new();
        let arrivals: Vec<_> =
            [0, 1, 3, 2, 3, 200, 4].into_iter().map(|number| ledger.note(number)).collect();
        use Arrival::{Ancient, Doubled, Late, New};
        assert_eq!(arrivals, [New, New, New, Late, Doubled, New, Ancient]);
        assert_eq!(ledger.missing(), 201 - 5);
        assert_eq!(ledger.note(u64::MAX), Arrival::Ancient);
    }

    #[test]
    fn a_datagram_that_is_too_short_has_no_number() {
        assert_eq!(Numbered::read(b"1234567"), None);
        assert_eq!(Numbered::read(b"\0\0\0\0\0\0\0\x07"), Some(Numbered { number: 7, payload: b"" }));
    }

    proptest! {
        #[test]
        fn the_ledger_agrees_with_a_set(numbers in proptest::collection::vec(0_u64..60, 0..80)) {
            let (mut ledger, mut set) = (Ledger::new(), HashSet::new());
            for number in numbers {
                let highest = set.iter().max().copied();
                let expected = match set.insert(number) {
                    false => Arrival::Doubled,
                    true if highest.is_none_or(|highest| number > highest) => Arrival::New,
                    true => Arrival::Late,
                };
                prop_assert_eq!(ledger.note(number), expected);
                let highest = set.iter().max().copied().unwrap_or(0);
                prop_assert_eq!(ledger.missing(), highest + 1 - set.len() as u64);
            }
        }
    }
}
