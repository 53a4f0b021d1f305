//! The chunked transfer coding (RFC 9112, section 7.1), both ways.
//!
//! Each chunk has a line with its size in hexadecimal digits, its bytes, and a line's end; a chunk of size 0 and the
//! trailer section end the body. Extensions are held against their grammar, within bounds, and forgotten. Trailers are
//! kept, within bounds, for whoever asks for them by that name; nothing here does.

use super::{
    BodyPart, Refusal, Status, Unsendable,
    bytes::{TOKEN, is_field_text},
    extension::Extension,
    fields::Field,
    response::{check_field, write_field},
};

/// How many bytes of size lines' extensions a whole body may have.
const MOST_EXTENSION_BYTES: usize = 4 << 10;
/// How many bytes the trailer section may have.
const MOST_TRAILER_BYTES: usize = 8 << 10;

/// Fields that say where a message ends or where it goes, too late (RFC 9110, section 6.5.1). Whoever reads them behind the
/// body reads another message than who does not.
const OF_HEADS: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];

const NOT_CHUNKED: Refusal = Refusal::bad("the body is not chunked as it says");

/// Takes the chunks off a body, however the bytes are cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkedDecoder {
    place: Place,
    /// How many more bytes of data may come.
    allowed: u64,
    extension_bytes: usize,
    /// The lines of the trailer section so far, without the empty one at its end.
    trailers: Vec<u8>,
}

/// Where in the body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In a size line's digits, of which so many were read.
    Size { size: u64, digits: u8 },
    /// In a size line's extensions.
    Extension { size: u64, at: Extension },
    /// Before the line feed of a size line.
    SizeEnd { size: u64 },
    /// In the data, of which so much is left.
    Data { left: u64 },
    /// Before the carriage return behind the data.
    DataReturn,
    /// Before the line feed behind the data.
    DataEnd,
    /// At the start of a trailer line, or of the empty line that ends the body.
    TrailerStart,
    /// In a trailer's name.
    TrailerName,
    /// In a trailer's value.
    TrailerValue,
    /// Before the line feed of a trailer line.
    TrailerEnd,
    /// Before the last line feed.
    LastEnd,
    /// Behind the body.
    Done,
}

impl ChunkedDecoder {
    /// A decoder in front of the first chunk of a body that may have `limit` bytes of data.
    pub const fn new(limit: u64) -> Self {
        let place = Place::Size { size: 0, digits: 0 };
        Self { place, allowed: limit, extension_bytes: 0, trailers: Vec::new() }
    }

    /// The fields of the trailer section, once the body has ended.
    pub(super) fn trailers(&self) -> Vec<Field<'_>> {
        // Each line was held against the grammar as it came.
        let lines = self.trailers.split(|byte| *byte == b'\n');
        lines.filter_map(field).collect()
    }

    /// The next part of the body; takes what it reads off the front of `input`.
    ///
    /// # Errors
    /// 400 for what is not chunked, 413 for more data, extensions or trailers than are allowed.
    pub fn decode<'a>(&mut self, input: &mut &'a [u8]) -> Result<BodyPart<'a>, Refusal> {
        loop {
            if self.place == Place::Done {
                return Ok(BodyPart::End);
            }
            let Some((byte, rest)) = input.split_first() else { return Ok(BodyPart::More) };
            if let Place::Data { left } = self.place {
                return Ok(self.take_data(input, left));
            }
            self.place = self.step(*byte)?;
            *input = rest;
        }
    }

    /// Hands out as much of the chunk's data as there is.
    fn take_data<'a>(&mut self, input: &mut &'a [u8], left: u64) -> BodyPart<'a> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at(count);
        *input = rest;
        let left = left - count as u64;
        self.place = if left == 0 { Place::DataReturn } else { Place::Data { left } };
        BodyPart::Data(data)
    }

    /// The place behind `byte`, which is not data.
    fn step(&mut self, byte: u8) -> Result<Place, Refusal> {
        match (self.place, byte) {
            (Place::Size { digits: 1.., size }, b'\r') => Ok(Place::SizeEnd { size }),
            (Place::Size { digits: 1.., size }, b';' | b' ' | b'\t') => {
                self.extension(size, Extension::begin(byte))
            }
            (Place::Size { size, digits }, _) => digit(size, digits, byte),
            (Place::Extension { size, at }, b'\r') if at.may_end() => Ok(Place::SizeEnd { size }),
            (Place::Extension { size, at }, _) => self.extension(size, at.step(byte)),
            (Place::SizeEnd { size }, b'\n') => self.begin_chunk(size),
            (Place::DataReturn, b'\r') => Ok(Place::DataEnd),
            (Place::DataEnd, b'\n') => Ok(Place::Size { size: 0, digits: 0 }),
            (Place::LastEnd, b'\n') => Ok(Place::Done),
            (Place::TrailerStart | Place::TrailerName | Place::TrailerValue | Place::TrailerEnd, _) => {
                self.trailer(byte)
            }
            _ => Err(NOT_CHUNKED),
        }
    }

    fn begin_chunk(&mut self, size: u64) -> Result<Place, Refusal> {
        if size == 0 {
            return Ok(Place::TrailerStart);
        }
        match self.allowed.checked_sub(size) {
            Some(allowed) => {
                self.allowed = allowed;
                Ok(Place::Data { left: size })
            }
            None => Err(Refusal::with(Status::CONTENT_TOO_LARGE, "the body is too large")),
        }
    }

    /// Counts a byte of an extension, behind which `at` is.
    fn extension(&mut self, size: u64, at: Option<Extension>) -> Result<Place, Refusal> {
        let at = at.ok_or(NOT_CHUNKED)?;
        self.extension_bytes += 1;
        if self.extension_bytes > MOST_EXTENSION_BYTES {
            return Err(Refusal::with(Status::CONTENT_TOO_LARGE, "the chunk extensions are too large"));
        }
        Ok(Place::Extension { size, at })
    }

    /// Whether the name of the last trailer, behind which a colon stands, may not stand there.
    fn is_of_heads(&self) -> bool {
        let line = self.trailers.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        OF_HEADS.iter().any(|name| line.strip_suffix(b":").is_some_and(|own| own.eq_ignore_ascii_case(name)))
    }

    fn trailer(&mut self, byte: u8) -> Result<Place, Refusal> {
        if (self.place, byte) == (Place::TrailerStart, b'\r') {
            return Ok(Place::LastEnd);
        }
        if self.trailers.len() == MOST_TRAILER_BYTES {
            return Err(Refusal::with(Status::FIELDS_TOO_LARGE, "the trailer section is too large"));
        }
        self.trailers.push(byte);
        match (self.place, byte) {
            (Place::TrailerStart | Place::TrailerName, _) if TOKEN.has(byte) => Ok(Place::TrailerName),
            (Place::TrailerName, b':') if self.is_of_heads() => {
                Err(Refusal::bad("a trailer that belongs in the head"))
            }
            (Place::TrailerName, b':') => Ok(Place::TrailerValue),
            (Place::TrailerValue, b'\r') => Ok(Place::TrailerEnd),
            (Place::TrailerValue, _) if is_field_text(byte) => Ok(Place::TrailerValue),
            (Place::TrailerEnd, b'\n') => Ok(Place::TrailerStart),
            _ => Err(Refusal::bad("a trailer line is no field")),
        }
    }
}

/// The field of one line of the trailer section.
fn field(line: &[u8]) -> Option<Field<'_>> {
    let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':')?);
    Some(Field { name: str::from_utf8(name).ok()?, value: value[1..].trim_ascii() })
}

/// One more hexadecimal digit of a size. At most 16 of them, so that no size is too large for its type.
fn digit(size: u64, digits: u8, byte: u8) -> Result<Place, Refusal> {
    match (byte as char).to_digit(16) {
        Some(value) if digits < 16 => {
            Ok(Place::Size { size: size << 4 | u64::from(value), digits: digits + 1 })
        }
        Some(_) => Err(Refusal::bad("a chunk size has too many digits")),
        None => Err(Refusal::bad("a chunk size is no hexadecimal number")),
    }
}

/// Appends `data` as one chunk; nothing for no data, because an empty chunk would end the body.
///
/// ```
/// use forkd::protocol::http::chunked::{encode_chunk, encode_end};
///
/// let mut body = Vec::new();
/// encode_chunk(b"tea", &mut body);
/// encode_end(&mut body);
/// assert_eq!(body, b"3\r\ntea\r\n0\r\n\r\n");
/// ```
pub fn encode_chunk(data: &[u8], out: &mut Vec<u8>) {
    if !data.is_empty() {
        out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

/// Appends the end of a chunked body, without trailers.
pub fn encode_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends the end of a chunked body, with these fields behind it.
///
/// # Errors
/// A field that would be read as something else; nothing was written.
///
/// ```
/// # use forkd::protocol::http::chunked::encode_trailers;
/// let mut end = Vec::new();
/// encode_trailers(&[("ETag", "\"7\"")], &mut end)?;
/// assert_eq!(end, b"0\r\nETag: \"7\"\r\n\r\n");
/// assert!(encode_trailers(&[("Content-Length", "7")], &mut end).is_err());
/// # Ok::<(), forkd::protocol::http::Unsendable>(())
/// ```
pub fn encode_trailers(
    fields: &[(impl AsRef<str>, impl AsRef<str>)],
    out: &mut Vec<u8>,
) -> Result<(), Unsendable> {
    for (name, value) in fields {
        check_field(name.as_ref(), value.as_ref())?;
    }
    out.extend_from_slice(b"0\r\n");
    for (name, value) in fields {
        write_field(out, name.as_ref(), value.as_ref());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a whole body and what stands behind it, or the status of its refusal.
    fn decode(mut input: &[u8]) -> Result<(Vec<u8>, &[u8]), u16> {
        let (mut decoder, mut data) = (ChunkedDecoder::new(1000), Vec::new());
        loop {
            match decoder.decode(&mut input).map_err(|refusal| refusal.status.code())? {
                BodyPart::Data(part) => data.extend_from_slice(part),
                BodyPart::More => return Err(0),
                BodyPart::End => return Ok((data, input)),
            }
        }
    }

    #[test]
    fn chunks_are_joined_and_the_next_message_is_left_alone() {
        let (data, rest) = decode(b"3\r\nabc\r\n0A;x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\n\r\nGET").unwrap();
        assert_eq!((data.as_slice(), rest), (&b"abc0123456789"[..], &b"GET"[..]));
        assert_eq!(decode(b"1 \t;a\r\nx\r\n000\r\n\r\n").unwrap().0, b"x");
    }

    #[test]
    fn what_is_not_chunked_is_refused() {
        for bad in [
            "\r\n",
            ";a\r\n",
            " 3\r\n",
            "+3\r\n",
            "-1\r\n",
            "0x3\r\n",
            "3 \r\n",
            "3\nabc",
            "3\r\rabc",
            "g\r\n",
            "3\r\nabcd",
            "3\r\nabc\n",
            "3\r\nabc\r\r",
            "3;a\nb\r\n",
            "3;a\0\r\n",
            "3;a\rb",
            "3 4\r\n",
            "11111111111111111\r\n",
            "3;\r\nabc",
            "0;a=\"b\r\n\r\n",
            "0\r\n: x\r\n",
            "0\r\n a: x\r\n",
            "0\r\na : x\r\n",
            "0\r\na\r\n",
            "0\r\na: \0\r\n",
            "0\r\n\n",
            "0\r\na: b\n",
            "0\r\n\rx",
            "0\r\nContent-Length: 1\r\n\r\n",
            "0\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n",
            "0\r\nHOST: a\r\n\r\n",
        ] {
            assert_eq!(decode(bad.as_bytes()), Err(400), "{bad:?}");
        }
    }

    #[test]
    fn trailers_are_fields_whatever_pieces_they_come_in() {
        let (mut decoder, mut data) = (ChunkedDecoder::new(10), 0);
        for byte in b"1\r\nx\r\n0\r\nETag: \"7\" \r\nx-sum:a:b\r\nEmpty:\r\n\r\n" {
            if let BodyPart::Data(_) = decoder.decode(&mut &[*byte][..]).unwrap() {
                data += 1;
            }
        }
        let fields = decoder.trailers();
        let fields: Vec<_> = fields.iter().map(|field| (field.name, field.value)).collect();
        let expected = [("ETag", &b"\"7\""[..]), ("x-sum", b"a:b"), ("Empty", b"")];
        assert_eq!((data, decoder.place, fields.as_slice()), (1, Place::Done, &expected[..]));
    }

    #[test]
    fn everything_has_a_bound() {
        assert_eq!(decode(b"3e9\r\n"), Err(413), "a chunk above the limit");
        assert_eq!(decode(b"ffffffffffffffff\r\n"), Err(413), "the largest size");
        assert_eq!(decode(&[&b"1;"[..], &[b'a'; 5000]].concat()), Err(413), "an extension");
        assert_eq!(decode(&b"1;aaaaaaaaa\r\nx\r\n".repeat(500)), Err(413), "many extensions");
        assert_eq!(decode(&[&b"0\r\na:"[..], &[b'a'; 9000]].concat()), Err(431), "a trailer");
        assert_eq!(decode(&[&b"0\r\n"[..], &b"a: b\r\n".repeat(2000)].concat()), Err(431), "many trailers");
    }
}
