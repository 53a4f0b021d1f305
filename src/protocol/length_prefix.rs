//! The second remedy for messages that stick together: the length in front of each of them, in network byte order.

use super::framing::{Found, FrameError, Framing};

/// Messages with their length in front.
///
/// ```
/// use forkd::protocol::{framing::Framing, length_prefix::LengthPrefix};
///
/// let mut stream = Vec::new();
/// LengthPrefix::two_bytes(1024).write(b"hello", &mut stream)?;
/// assert_eq!(stream, b"\0\x05hello");
/// # Ok::<(), forkd::protocol::framing::FrameError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LengthPrefix {
    width: usize,
    limit: usize,
}

impl LengthPrefix {
    /// A length of two bytes; messages of at most `limit` bytes, and never more than 65,535.
    pub const fn two_bytes(limit: usize) -> Self {
        Self { width: 2, limit: if limit < 0xFFFF { limit } else { 0xFFFF } }
    }

    /// A length of four bytes; messages of at most `limit` bytes, and never more than 4 GiB.
    pub const fn four_bytes(limit: usize) -> Self {
        Self { width: 4, limit: if limit < 0xFFFF_FFFF { limit } else { 0xFFFF_FFFF } }
    }
}

impl Framing for LengthPrefix {
    fn find(&self, bytes: &[u8]) -> Result<Option<Found>, FrameError> {
        let Some((prefix, rest)) = bytes.split_at_checked(self.width) else { return Ok(None) };
        let length = prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        // Before anything is kept for it: the length is only a claim.
        if length > self.limit {
            return Err(FrameError::TooLong(self.limit));
        }
        let end = self.width + length;
        Ok((rest.len() >= length).then_some(Found { message: self.width..end, end }))
    }

    fn write(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if message.len() > self.limit {
            return Err(FrameError::TooLong(self.limit));
        }
        let length = (message.len() as u64).to_be_bytes();
        out.extend_from_slice(&length[length.len() - self.width..]);
        out.extend_from_slice(message);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_refused_before_its_message_has_come() {
        let frames = LengthPrefix::four_bytes(1000);
        assert_eq!(frames.find(&1000_u32.to_be_bytes()), Ok(None));
        assert_eq!(frames.find(&1001_u32.to_be_bytes()), Err(FrameError::TooLong(1000)));
        assert_eq!(frames.find(b"GET / HTTP/1.1"), Err(FrameError::TooLong(1000)));
        // What is negative to a C program is a long one here.
        assert_eq!(frames.find(&(-1_i32).to_be_bytes()), Err(FrameError::TooLong(1000)));
    }

    #[test]
    fn a_message_of_no_bytes_is_one() {
        let found = LengthPrefix::two_bytes(9).find(&[0, 0, 7]).unwrap().unwrap();
        assert_eq!(found, Found { message: 2..2, end: 2 });
    }

    #[test]
    fn a_limit_is_never_more_than_the_length_can_say() {
        let mut out = Vec::new();
        let frames = LengthPrefix::two_bytes(usize::MAX);
        assert_eq!(frames.write(&[0; 65_536], &mut out), Err(FrameError::TooLong(65_535)));
    }
}
