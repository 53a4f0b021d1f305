//! Messages in a stream of bytes: TCP keeps the order of bytes and forgets where one message ends.
//!
//! A [`Framing`] says where the next message lies in the bytes that have come so far. It reads nothing itself and keeps
//! nothing, so a session asks it of the bytes that wait; a client that reads a socket has a [`Splitter`] keep them.
//!
//! ```
//! use forkd::protocol::{delimiter::Delimiter, framing::Splitter};
//!
//! let mut lines = Splitter::new(Delimiter::lines(1024));
//! lines.push(b"one\ntw"); // two messages stuck together, the second one cut
//! assert_eq!(lines.take()?, Some(b"one".to_vec()));
//! assert_eq!(lines.take()?, None);
//! lines.push(b"o\n");
//! assert_eq!(lines.take()?, Some(b"two".to_vec()));
//! # Ok::<(), forkd::protocol::framing::FrameError>(())
//! ```

use std::{error, fmt, ops::Range};

/// How messages stand in a stream.
pub trait Framing {
    /// The first message of these bytes; `None` when there is less than one.
    ///
    /// # Errors
    /// When these bytes cannot begin a message, however they go on: the stream is of no use any more.
    fn find(&self, bytes: &[u8]) -> Result<Option<Found>, FrameError>;

    /// Appends a message as it stands in the stream.
    ///
    /// # Errors
    /// When it cannot be told from what follows it: it is too long, or the end mark is in it.
    fn write(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError>;
}

/// Where a message lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The message itself.
    pub message: Range<usize>,
    /// How many bytes it takes with all that frames it: the next one begins there.
    pub end: usize,
}

/// Why bytes are no message, or a message cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// It is longer than this limit.
    TooLong(usize),
    /// The end mark is within the message.
    MarkWithin,
    /// A fixed-length message has another length.
    WrongLength {
        /// The length that every message has.
        expected: usize,
        /// The length of this one.
        found: usize,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "the message is longer than {limit} bytes"),
            Self::MarkWithin => f.write_str("the message contains the mark that ends it"),
            Self::WrongLength { expected, found } => {
                write!(f, "the message has {found} bytes in place of {expected}")
            }
        }
    }
}

impl error::Error for FrameError {}

/// Keeps the bytes of a stream until they are whole messages.
#[derive(Debug, Clone)]
pub struct Splitter<F> {
    framing: F,
    kept: Vec<u8>,
    /// How much of `kept` was taken.
    taken: usize,
}

impl<F: Framing> Splitter<F> {
    /// A stream of which nothing has come.
    pub fn new(framing: F) -> Self {
        Self { framing, kept: Vec::new(), taken: 0 }
    }

    /// More of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.kept.drain(..self.taken);
        self.taken = 0;
        self.kept.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// As [`Framing::find`].
    pub fn take(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let rest = &self.kept[self.taken..];
        let Some(found) = self.framing.find(rest)? else { return Ok(None) };
        let message = rest[found.message].to_vec();
        self.taken += found.end;
        Ok(Some(message))
    }

    /// What has come and is no whole message yet; at the stream's end it is what was cut off.
    pub fn rest(&self) -> &[u8] {
        &self.kept[self.taken..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::{delimiter::Delimiter, length_prefix::LengthPrefix, packed::Format};

    /// Sends the messages as one stream, cut into two at each of its bytes and then into single bytes: as many must
    /// come out as went in.
    fn survives_every_cut<F: Framing + Clone>(framing: F, messages: &[Vec<u8>]) {
        let mut stream = Vec::new();
        messages.iter().for_each(|message| framing.write(message, &mut stream).unwrap());
        for cut in 0..=stream.len() {
            let (front, back) = stream.split_at(cut);
            let mut splitter = Splitter::new(framing.clone());
            let mut found = Vec::new();
            for part in [front, back] {
                splitter.push(part);
                found.extend(std::iter::from_fn(|| splitter.take().unwrap()));
            }
            assert_eq!(found, messages, "cut at {cut}");
            assert!(splitter.rest().is_empty());
        }
        let mut splitter = Splitter::new(framing);
        let mut found = Vec::new();
        for byte in stream {
            splitter.push(&[byte]);
            found.extend(splitter.take().unwrap());
        }
        assert_eq!(found, messages, "byte by byte");
    }

    proptest! {
        #[test]
        fn marks_survive_every_cut(messages in proptest::collection::vec("[^\r\n]{0,9}", 0..6)) {
            let messages: Vec<_> = messages.into_iter().map(String::into_bytes).collect();
            survives_every_cut(Delimiter::new(b"\r\n", 64), &messages);
            survives_every_cut(Delimiter::lines(64), &messages);
        }

        #[test]
        fn lengths_survive_every_cut(messages in proptest::collection::vec(any::<Vec<u8>>(), 0..4)) {
            survives_every_cut(LengthPrefix::four_bytes(128), &messages);
            survives_every_cut(LengthPrefix::two_bytes(128), &messages);
        }

        #[test]
        fn structures_survive_every_cut(messages in proptest::collection::vec(any::<[u8; 12]>(), 0..6)) {
            let messages: Vec<_> = messages.into_iter().map(Vec::from).collect();
            survives_every_cut("i4sf".parse::<Format>().unwrap(), &messages);
        }

        #[test]
        fn no_bytes_make_a_framing_panic(bytes in any::<Vec<u8>>()) {
            let framings: [&dyn Framing; 3] =
                [&Delimiter::new(b"--", 9), &LengthPrefix::four_bytes(9), &"!ci".parse::<Format>().unwrap()];
            for framing in framings {
                if let Ok(Some(found)) = framing.find(&bytes) {
                    prop_assert!(found.message.end <= found.end && found.end <= bytes.len());
                }
            }
        }
    }
}
