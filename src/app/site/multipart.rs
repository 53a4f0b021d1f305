//! Several parts of one file in one answer (RFC 9110, section 14.6).
//!
//! ```text
//! --BOUNDARY
//! Content-Type: text/plain; charset=utf-8
//! Content-Range: bytes 0-4/12
//!
//! hello
//! --BOUNDARY--
//! ```

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    ops::Range,
};

use crate::app::http::{Body, Response, Status};

/// These parts of a file of this type and length; `content` gives the bytes of one.
pub fn answer(
    media_type: &str,
    length: u64,
    parts: Vec<Range<u64>>,
    content: impl Fn(Range<u64>) -> Body,
) -> Response {
    let boundary = boundary();
    let mut pieces = Vec::with_capacity(2 * parts.len() + 1);
    let mut before = "";
    for part in parts {
        let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
        let head =
            format!("{before}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {place}\r\n\r\n");
        pieces.extend([head.into(), content(part)]);
        before = "\r\n";
    }
    pieces.push(format!("\r\n--{boundary}--\r\n").into());
    Response::typed(format!("multipart/byteranges; boundary={boundary}"), Body::Pieces(pieces))
        .status(Status::PARTIAL_CONTENT)
}

/// A line that stands in no file, because nobody could know it beforehand: fresh keys are drawn for each state.
fn boundary() -> String {
    let draw = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", draw(), draw())
}
