//! The head of an answer (RFC 9112, section 4), written straight into a buffer.

use std::fmt;

use super::{
    Persistence, Status,
    bytes::{TOKEN, all, is_field_text},
};

/// The interim answer by which a server asks for the body that a client holds back.
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Fields that say where the message ends, or that the engine writes itself: a handler may not set them.
const RESERVED: [&str; 7] =
    ["connection", "content-length", "date", "keep-alive", "te", "transfer-encoding", "upgrade"];

/// Why a head cannot be sent: it would not be read as it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsendable {
    /// The status is not that of a final answer, 200 to 599.
    Status(Status),
    /// A field's name is not a token.
    Name,
    /// A field's value has a line end, a NUL or another control character.
    Value,
    /// The field is written by the engine.
    Reserved(&'static str),
}

/// Writes one head: status line, fields, and what ends it.
///
/// ```
/// use forkd::protocol::http::{HeadEncoder, Persistence, Status};
///
/// let mut out = Vec::new();
/// let mut head = HeadEncoder::begin(&mut out, Status::OK, b"Sun, 06 Nov 1994 08:49:37 GMT")?;
/// head.field("Content-Type", "text/plain")?;
/// assert!(head.field("X-Note", "a\r\nSet-Cookie: b").is_err());
/// head.end(Some(13), Persistence::Keep);
/// assert!(out.starts_with(b"HTTP/1.1 200 OK\r\nDate: Sun, 06"));
/// assert!(out.ends_with(b"Content-Length: 13\r\n\r\n"));
/// # Ok::<(), forkd::protocol::http::Unsendable>(())
/// ```
#[derive(Debug)]
pub struct HeadEncoder<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> HeadEncoder<'a> {
    /// Begins a head at the end of `out`.
    ///
    /// # Errors
    /// A status that is not final; `out` is as it was.
    pub fn begin(out: &'a mut Vec<u8>, status: Status, date: &[u8; 29]) -> Result<Self, Unsendable> {
        if status == Status::OK {
            // By far the commonest, as a piece of a known length.
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\nDate: ");
        } else {
            Self::open(out, status)?;
        }
        Ok(Self::dated(out, date))
    }

    #[inline(never)]
    fn open(out: &mut Vec<u8>, status: Status) -> Result<(), Unsendable> {
        match status.opening() {
            _ if !status.is_final() => return Err(Unsendable::Status(status)),
            Some(opening) => out.extend_from_slice(opening.as_bytes()),
            // The space behind the number stays where there are no words (RFC 9112, section 4).
            None => out.extend_from_slice(format!("HTTP/1.1 {} \r\nDate: ", status.code()).as_bytes()),
        }
        Ok(())
    }

    /// Begins the head of an answer `101 Switching Protocols`, for [`HeadEncoder::end_upgrade`].
    pub fn begin_upgrade(out: &'a mut Vec<u8>, date: &[u8; 29]) -> Self {
        out.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nDate: ");
        Self::dated(out, date)
    }

    fn dated(out: &'a mut Vec<u8>, date: &[u8; 29]) -> Self {
        // Pieces of known lengths, straight to where they belong: put together elsewhere first, they would be read back
        // before they are written, which made up a fifth of the whole head.
        out.extend_from_slice(date);
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// Writes one field.
    ///
    /// # Errors
    /// A name or value that would be read as something else, or a field of the engine's; nothing is written then.
    pub fn field(&mut self, name: &str, value: &str) -> Result<(), Unsendable> {
        check_field(name, value)?;
        write_field(self.out, name, value);
        Ok(())
    }

    /// Writes the Content-Type field.
    ///
    /// # Errors
    /// A value that would be read as something else; nothing is written then.
    pub fn content_type(&mut self, value: &str) -> Result<(), Unsendable> {
        check_value(value)?;
        // Pieces of a known length are stores; each of another length is a call.
        self.out.extend_from_slice(b"Content-Type: ");
        self.out.extend_from_slice(value.as_bytes());
        self.out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// Writes whole lines that were made before, of fields that are lawful.
    pub(crate) fn rendered(&mut self, lines: &[u8]) {
        debug_assert!(lines.ends_with(b"\r\n"), "a line is not whole");
        self.out.extend_from_slice(lines);
    }

    /// Ends the head. `length` is the body's; `None` for an answer that has no body by its status, or whose body ends
    /// with the connection.
    pub fn end(mut self, length: Option<u64>, persistence: Persistence) {
        self.persistence(persistence);
        if let Some(length) = length {
            self.out.extend_from_slice(b"Content-Length: ");
            write_last_number(self.out, length);
        } else {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Ends the head of a body that comes in chunks; only a client of HTTP/1.1 can read those.
    pub fn end_chunked(mut self, persistence: Persistence) {
        self.persistence(persistence);
        write_field(self.out, "Transfer-Encoding", "chunked");
        self.out.extend_from_slice(b"\r\n");
    }

    /// Ends the head of an answer 101, or of a 426 that says how it could have been had: the connection's next protocol
    /// (RFC 9110, section 7.8).
    ///
    /// # Errors
    /// The protocol's name cannot stand in a field.
    pub fn end_upgrade(self, protocol: &str, length: Option<u64>) -> Result<(), Unsendable> {
        check_field("X-Upgrade", protocol)?;
        write_field(self.out, "Connection", "upgrade");
        write_field(self.out, "Upgrade", protocol);
        self.end(length, Persistence::Keep);
        Ok(())
    }

    fn persistence(&mut self, persistence: Persistence) {
        match persistence {
            Persistence::Keep => {}
            Persistence::KeepAnnounced => write_field(self.out, "Connection", "keep-alive"),
            // A piece of a known length is a few stores; each of another length is a call.
            Persistence::Close => self.out.extend_from_slice(b"Connection: close\r\n"),
        }
    }
}

/// Refuses a field that would be read as something else, or that is the engine's.
pub(super) fn check_field(name: &str, value: &str) -> Result<(), Unsendable> {
    if name.is_empty() || !TOKEN.has_all(name.as_bytes()) {
        return Err(Unsendable::Name);
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(Unsendable::Reserved(reserved));
    }
    check_value(value)
}

/// Writes a field that was checked, or is of our own making.
pub(super) fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Refuses what would end the line, or the message.
fn check_value(value: &str) -> Result<(), Unsendable> {
    if all(value.as_bytes(), is_field_text) { Ok(()) } else { Err(Unsendable::Value) }
}

/// Appends `number` in digits, and the end of the head. Most bodies have fewer than a hundred bytes or a few thousand: the
/// formatting machinery costs more than the digits.
fn write_last_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = *b"01234567890123456789\r\n\r\n";
    let mut start = digits.len() - b"\r\n\r\n".len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status} is not the status of a final answer"),
            Self::Name => f.write_str("a field name is not a token"),
            Self::Value => f.write_str("a field value has a line end or another control character"),
            Self::Reserved(name) => write!(f, "the field {name} is written by the server itself"),
        }
    }
}

impl std::error::Error for Unsendable {}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn a_head_is_written_as_it_is_read() {
        let mut out = Vec::new();
        let mut head = HeadEncoder::begin(&mut out, Status::from(299), DATE).unwrap();
        head.field("ETag", "\"1\"").unwrap();
        head.end(None, Persistence::Close);
        let text = "HTTP/1.1 299 \r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: \"1\"\r\nConnection: close\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), text);
    }

    #[test]
    fn what_would_be_read_otherwise_is_not_written() {
        let mut out = Vec::new();
        let mut head = HeadEncoder::begin(&mut out, Status::OK, DATE).unwrap();
        for value in ["a\rb", "a\nb", "a\0b", "\x1b[1m", "\x7f"] {
            assert_eq!(head.field("A", value), Err(Unsendable::Value), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\n", "ä"] {
            assert_eq!(head.field(name, "x"), Err(Unsendable::Name), "{name:?}");
        }
        assert_eq!(head.field("Content-length", "1"), Err(Unsendable::Reserved("content-length")));
        for status in [0, 100, 101, 199, 600, 999] {
            assert!(HeadEncoder::begin(&mut Vec::new(), Status::from(status), DATE).is_err());
        }
    }

    #[test]
    fn an_upgrade_names_its_protocol_and_nothing_else() {
        let mut out = Vec::new();
        let head = HeadEncoder::begin_upgrade(&mut out, DATE);
        head.end_upgrade("websocket", None).unwrap();
        assert!(out.ends_with(b"\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"));
        let head = HeadEncoder::begin_upgrade(&mut out, DATE);
        assert_eq!(head.end_upgrade("a\r\nb", None), Err(Unsendable::Value));
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, 13, 4_294_967_296, u64::MAX] {
            let mut out = Vec::new();
            write_last_number(&mut out, number);
            assert_eq!(out, format!("{number}\r\n\r\n").as_bytes());
        }
    }
}
