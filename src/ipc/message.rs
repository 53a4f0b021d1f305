//! What a worker reports to its master, and what the master orders its worker, as datagrams of a few bytes.
//!
//! A drain is not among the orders: it is the signal TERM, for our own workers and for any program alike.

use super::ident::Slot;

/// What a worker says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It accepts.
    Ready,
    /// It has heeded the last [`Order::Accept`].
    Accepts(Accepts),
    /// Why it is about to end, or why it cannot start: at most [`LAST_WORDS`] bytes.
    LastWords(String),
}

/// What a master asks of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Open the log files again that the worker has opened itself: they were renamed.
    Reopen,
    /// Write to another log file from now on: it comes along. The number says in place of which.
    Log(u64),
    /// Accept, or leave the queue alone, from now on.
    Accept(Accepts),
    /// Take from the queue of another slot too: its socket comes along, and is one more at the listener with this number.
    TakeOver {
        /// Whose queue it is.
        slot: Slot,
        /// Among the worker's own listeners, counted from 0.
        listener: u32,
    },
    /// Take no more from the queues of that slot: it is filled again.
    GiveBack {
        /// Whose queues they are.
        slot: Slot,
    },
}

/// Whether a worker takes connections from the queue. The connections that it has go on either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Accepts {
    /// It does.
    Yes,
    /// The server is paused.
    Paused,
}

/// The longest last words that cross, in bytes; what is longer is cut at a character.
pub const LAST_WORDS: usize = 1024;

/// A message that crosses a channel.
pub trait Message: Sized {
    /// The bytes of one datagram.
    fn encode(&self) -> Vec<u8>;

    /// The message in one datagram; `None` for anything that is none: it came from a process that may be hostile.
    fn decode(datagram: &[u8]) -> Option<Self>;
}

impl Message for Report {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready => vec![b'R'],
            Self::Accepts(Accepts::Yes) => vec![b'Y'],
            Self::Accepts(Accepts::Paused) => vec![b'P'],
            Self::LastWords(words) => {
                [b"W", &words.as_bytes()[..words.floor_char_boundary(LAST_WORDS)]].concat()
            }
        }
    }

    fn decode(datagram: &[u8]) -> Option<Self> {
        match datagram {
            [b'R'] => Some(Self::Ready),
            [b'Y'] => Some(Self::Accepts(Accepts::Yes)),
            [b'P'] => Some(Self::Accepts(Accepts::Paused)),
            [b'W', words @ ..] if words.len() <= LAST_WORDS => {
                Some(Self::LastWords(String::from_utf8_lossy(words).into_owned()))
            }
            _ => None,
        }
    }
}

impl Message for Order {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Reopen => vec![b'O'],
            Self::Log(number) => [b"L", &number.to_ne_bytes()[..]].concat(),
            Self::Accept(Accepts::Yes) => vec![b'Y'],
            Self::Accept(Accepts::Paused) => vec![b'P'],
            Self::TakeOver { slot, listener } => {
                [b"T", &slot.number().to_ne_bytes()[..], &listener.to_ne_bytes()].concat()
            }
            Self::GiveBack { slot } => [b"G", &slot.number().to_ne_bytes()[..]].concat(),
        }
    }

    fn decode(datagram: &[u8]) -> Option<Self> {
        match datagram {
            [b'O'] => Some(Self::Reopen),
            [b'L', number @ ..] => Some(Self::Log(u64::from_ne_bytes(number.try_into().ok()?))),
            [b'Y'] => Some(Self::Accept(Accepts::Yes)),
            [b'P'] => Some(Self::Accept(Accepts::Paused)),
            [b'T', numbers @ ..] => {
                let (slot, listener) = numbers.split_first_chunk()?;
                let slot = Slot::new(u32::from_ne_bytes(*slot));
                Some(Self::TakeOver { slot, listener: u32::from_ne_bytes(listener.try_into().ok()?) })
            }
            [b'G', slot @ ..] => {
                Some(Self::GiveBack { slot: Slot::new(u32::from_ne_bytes(slot.try_into().ok()?)) })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_comes_back_as_it_was_sent() {
        for accepts in [Accepts::Yes, Accepts::Paused] {
            assert_eq!(Report::decode(&Report::Accepts(accepts).encode()), Some(Report::Accepts(accepts)));
            assert_eq!(Order::decode(&Order::Accept(accepts).encode()), Some(Order::Accept(accepts)));
        }
        for report in [Report::Ready, Report::LastWords("panicked: 僵尸".into())] {
            assert_eq!(Report::decode(&report.encode()), Some(report));
        }
        let slot = Slot::new(4096);
        for order in [
            Order::Reopen,
            Order::Log(u64::MAX - 1),
            Order::TakeOver { slot, listener: 258 },
            Order::GiveBack { slot },
        ] {
            assert_eq!(Order::decode(&order.encode()), Some(order));
        }
    }

    #[test]
    fn last_words_are_cut_at_a_character() {
        let long = Report::LastWords("僵".repeat(LAST_WORDS));
        let Some(Report::LastWords(words)) = Report::decode(&long.encode()) else { panic!("not last words") };
        assert!(words.len() <= LAST_WORDS && words.chars().all(|c| c == '僵'));
    }

    #[test]
    fn garbage_is_no_message() {
        for garbage in [&b""[..], b"X", b"RR", b"O!", b"T1234", b"T1234567", b"G", b"G12345", b"L1234567"] {
            assert_eq!(Report::decode(garbage), None);
            assert_eq!(Order::decode(garbage), None);
        }
    }
}
