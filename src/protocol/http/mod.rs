//! HTTP/1.1 (RFC 9112) as a server reads and writes it: bytes to values and back, with no I/O at all.
//!
//! The reading side is strict where being lenient would let two parties read one stream differently (request
//! smuggling): any doubt about where a message ends is a [`Refusal`], an answer after which the connection closes.
//! That more bytes are needed is not an error but a result: [`Parsed::Incomplete`], [`BodyPart::More`].
//!
//! ```
//! use forkd::protocol::http::{Body, FieldStorage, HeadLimits, HeadParser, Parsed};
//!
//! let mut storage = FieldStorage::new();
//! let bytes = b"GET /tea?hot=1 HTTP/1.1\r\nHost: localhost\r\n\r\n";
//! let parsed = HeadParser::new().parse(bytes, &mut storage, &HeadLimits::default());
//! let Ok(Parsed::Head(head)) = parsed else { panic!("a whole and lawful head") };
//! assert_eq!((head.method, head.target.path, head.target.query), ("GET", "/tea", Some("hot=1")));
//! assert_eq!(head.body, Body::Empty);
//! ```

pub mod accept;
pub mod access;
pub mod authority;
pub mod body;
mod bytes;
pub mod chunked;
pub mod conditional;
pub mod date;
pub mod event;
mod extension;
pub mod fields;
mod framing;
#[doc(hidden)]
pub mod fuzzing;
pub mod path;
pub mod percent;
pub mod range;
pub mod request;
pub mod response;
pub mod status;
pub mod target;

pub use body::{BodyDecoder, BodyPart};
pub use conditional::{Precondition, Validators};
pub use date::DateCache;
pub use event::Event;
pub use fields::{FieldStorage, Fields, MAX_FIELDS};
pub use framing::{Body, Persistence};
pub use path::RelativePath;
pub use request::{Head, HeadLimits, HeadParser, Parsed, Version};
pub use response::{HeadEncoder, Unsendable};
pub use status::Status;
pub use target::Target;

/// Why a request is not served: the status of the answer, after which the connection is closed, because nobody can
/// tell where the next message would begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status of the answer, 4xx or 5xx.
    pub status: Status,
    /// The reason in words, for the answer's body: `two Host fields`.
    pub why: &'static str,
}

impl Refusal {
    /// A refusal with 400 Bad Request.
    pub const fn bad(why: &'static str) -> Self {
        Self { status: Status::BAD_REQUEST, why }
    }

    /// A refusal with another status.
    pub const fn with(status: Status, why: &'static str) -> Self {
        Self { status, why }
    }
}

#[cfg(test)]
mod tests;
