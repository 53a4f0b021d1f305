//! The first remedy for messages that stick together: a mark behind each of them.
//!
//! The mark must never stand within a message: whoever sends must escape it, or refuse, as [`Delimiter::write`] does.

use super::framing::{Found, FrameError, Framing};

/// Messages that end with a mark.
///
/// ```
/// use forkd::protocol::{delimiter::Delimiter, framing::Framing};
///
/// let found = Delimiter::lines(80).find(b"L zhang\nC zh")?.expect("a whole line");
/// assert_eq!((found.message, found.end), (0..7, 8));
/// # Ok::<(), forkd::protocol::framing::FrameError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiter {
    mark: Vec<u8>,
    limit: usize,
}

impl Delimiter {
    /// Messages of at most `limit` bytes, each with this mark behind it.
    ///
    /// # Panics
    /// When the mark is empty: it would end every message before it has begun.
    pub fn new(mark: &[u8], limit: usize) -> Self {
        assert!(!mark.is_empty(), "an end mark has at least one byte");
        Self { mark: mark.to_vec(), limit }
    }

    /// Lines of at most `limit` bytes.
    pub fn lines(limit: usize) -> Self {
        Self::new(b"\n", limit)
    }

    fn position(&self, bytes: &[u8]) -> Option<usize> {
        match self.mark.as_slice() {
            [byte] => bytes.iter().position(|other| other == byte),
            mark => bytes.windows(mark.len()).position(|window| window == mark),
        }
    }
}

impl Framing for Delimiter {
    fn find(&self, bytes: &[u8]) -> Result<Option<Found>, FrameError> {
        // A mark that begins at the limit is the last one that can count, so no more is ever searched.
        let within = &bytes[..bytes.len().min(self.limit + self.mark.len())];
        match self.position(within) {
            Some(at) => Ok(Some(Found { message: 0..at, end: at + self.mark.len() })),
            None if within.len() == self.limit + self.mark.len() => Err(FrameError::TooLong(self.limit)),
            None => Ok(None),
        }
    }

    fn write(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if message.len() > self.limit {
            return Err(FrameError::TooLong(self.limit));
        }
        let begin = out.len();
        out.extend_from_slice(message);
        out.extend_from_slice(&self.mark);
        // Looking for it in the whole also finds a mark that the end of the message begins.
        if self.position(&out[begin..]) != Some(message.len()) {
            out.truncate(begin);
            return Err(FrameError::MarkWithin);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_an_end_is_refused_at_the_limit() {
        let lines = Delimiter::lines(4);
        assert_eq!(lines.find(b"abcd"), Ok(None));
        assert_eq!(lines.find(b"abcd\n").unwrap().unwrap().message, 0..4);
        assert_eq!(lines.find(b"abcde"), Err(FrameError::TooLong(4)));
        assert_eq!(lines.find(b"abcde\n"), Err(FrameError::TooLong(4)));
    }

    #[test]
    fn a_message_with_the_mark_in_it_is_not_sent() {
        let (marks, mut out) = (Delimiter::new(b"--", 9), b"x".to_vec());
        assert_eq!(marks.write(b"a--b", &mut out), Err(FrameError::MarkWithin));
        assert_eq!(marks.write(b"a-", &mut out), Err(FrameError::MarkWithin));
        assert_eq!(marks.write(b"0123456789", &mut out), Err(FrameError::TooLong(9)));
        assert_eq!(out, b"x");
    }
}
