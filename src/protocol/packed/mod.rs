//! The third remedy for messages that stick together: a C structure, so that each has the same length.
//!
//! A [`Format`] is written as Python's `struct` module writes it, and means the same bytes:
//!
//! | in front | byte order | alignment |
//! |---|---|---|
//! | `@` or nothing | this machine's | as C does it |
//! | `=` | this machine's | none |
//! | `<` `>` | little, big endian | none |
//! | `!` | the network's, which is big endian | none |
//!
//! | letter | C type | letter | C type |
//! |---|---|---|---|
//! | `x` | padding | `?` | `_Bool` |
//! | `c` | `char`, as a byte | `s` | `char[]`, cut or padded with NULs |
//! | `b` `B` | `signed`, `unsigned char` | `h` `H` | `short` |
//! | `i` `I` | `int` | `l` `L` | `long`: 8 bytes with alignment, else 4 |
//! | `q` `Q` | `long long` | `n` `N` | `ssize_t`, `size_t`: with alignment only |
//! | `f` `d` | `float`, `double` | | |
//!
//! A number in front repeats a letter (`3i` is `iii`), but for `s`, where it is the length.
//!
//! ```
//! use forkd::protocol::packed::{Format, Value};
//!
//! let format: Format = "i4sf".parse()?;
//! let bytes = format.pack(&[Value::Signed(1), Value::Bytes(b"asdd".to_vec()), Value::Float(1.25)])?;
//! assert_eq!(bytes, b"\x01\0\0\0asdd\0\0\xa0?");
//! // `ci` has three bytes of padding on this machine; without alignment it has none.
//! assert_eq!(("ci".parse::<Format>()?.size(), "!ci".parse::<Format>()?.size()), (8, 5));
//! # Ok::<(), forkd::protocol::packed::PackError>(())
//! ```

mod format;
mod value;

pub use format::Format;
pub use value::Value;

use std::{error, fmt};

use super::framing::{Found, FrameError, Framing};

/// Why a format, its values or its bytes are wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackError {
    /// A letter that the format cannot have, at this place.
    Letter(char),
    /// A number with no letter behind it.
    LoneNumber,
    /// More bytes than any message should have.
    TooLong,
    /// Another number of values than the format has.
    Count {
        /// How many the format has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Another number of bytes than the format has.
    Length {
        /// How many the format has.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// A value that does not fit its letter.
    Value {
        /// The letter.
        letter: char,
        /// The value.
        value: Value,
    },
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter(letter) => write!(f, "{letter:?} is no letter of a format"),
            Self::LoneNumber => f.write_str("a number needs a letter behind it"),
            Self::TooLong => write!(f, "it is longer than {} bytes", Format::LONGEST),
            Self::Count { expected, found } => write!(f, "it has {expected} values, not {found}"),
            Self::Length { expected, found } => write!(f, "it has {expected} bytes, not {found}"),
            Self::Value { letter, value } => write!(f, "{value} does not fit into {letter:?}"),
        }
    }
}

impl error::Error for PackError {}

/// Structures behind one another: none needs a mark, as all have one length.
impl Framing for Format {
    fn find(&self, bytes: &[u8]) -> Result<Option<Found>, FrameError> {
        let size = self.size();
        // A structure of no bytes would be found for ever.
        Ok((size > 0 && bytes.len() >= size).then_some(Found { message: 0..size, end: size }))
    }

    fn write(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        if message.len() != self.size() {
            return Err(FrameError::WrongLength { expected: self.size(), found: message.len() });
        }
        out.extend_from_slice(message);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
