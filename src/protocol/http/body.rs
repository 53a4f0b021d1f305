//! The body of a request, as it comes in: by length or in chunks (RFC 9112, section 6).

use super::{Body, Refusal, Status, chunked::ChunkedDecoder, fields::Field};

/// What a look at the input finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyPart<'a> {
    /// Some bytes of the body, one at least.
    Data(&'a [u8]),
    /// The body goes on beyond the input.
    More,
    /// The body has ended; what is left of the input belongs to the next request.
    End,
}

/// Takes a body off the input, however the bytes are cut.
///
/// ```
/// use forkd::protocol::http::{Body, BodyDecoder, BodyPart};
///
/// let mut decoder = BodyDecoder::new(Body::Length(3), 100)?;
/// let mut input = &b"teaGET /"[..];
/// assert_eq!(decoder.decode(&mut input)?, BodyPart::Data(b"tea"));
/// assert_eq!(decoder.decode(&mut input)?, BodyPart::End);
/// assert_eq!(input, b"GET /");
/// # Ok::<(), forkd::protocol::http::Refusal>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyDecoder {
    /// So many bytes are left.
    Length(u64),
    /// The chunks go on.
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    /// A decoder in front of a body that may have `limit` bytes.
    ///
    /// # Errors
    /// 413 for a body that announces more than that.
    pub fn new(body: Body, limit: u64) -> Result<Self, Refusal> {
        match body {
            Body::Empty => Ok(Self::Length(0)),
            Body::Length(length) if length > limit => {
                Err(Refusal::with(Status::CONTENT_TOO_LARGE, "the body is too large"))
            }
            Body::Length(length) => Ok(Self::Length(length)),
            Body::Chunked => Ok(Self::Chunked(ChunkedDecoder::new(limit))),
        }
    }

    /// The fields that came behind the body, once it has ended; only one in chunks can have some.
    pub(crate) fn trailers(&self) -> Vec<Field<'_>> {
        match self {
            Self::Length(_) => Vec::new(),
            Self::Chunked(decoder) => decoder.trailers(),
        }
    }

    /// The next part of the body; takes what it reads off the front of `input`.
    ///
    /// # Errors
    /// A [`Refusal`] is final: the rest of the input has no meaning.
    pub fn decode<'a>(&mut self, input: &mut &'a [u8]) -> Result<BodyPart<'a>, Refusal> {
        let left = match self {
            Self::Chunked(decoder) => return decoder.decode(input),
            Self::Length(0) => return Ok(BodyPart::End),
            Self::Length(_) if input.is_empty() => return Ok(BodyPart::More),
            Self::Length(left) => left,
        };
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at(count);
        *input = rest;
        *left -= count as u64;
        Ok(BodyPart::Data(data))
    }
}
