//! The head of a request: its first line and its fields (RFC 9112, sections 2 to 5).
//!
//! The grammar is httparse's. What httparse lets pass in kindness, and what makes two parsers disagree, is refused
//! here: a line feed without its carriage return, more than one empty line in front, a head without an end.

use super::{Body, FieldStorage, Fields, Persistence, Refusal, Status, Target, framing::Framing};

/// The two versions that are spoken here. HTTP/0.9 had no version and gets 400; others get 505.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    Http11,
}

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// The longest first line, in bytes without its end; a longer one is answered with 414. Default: 8 KiB.
    pub line: usize,
    /// The longest head, in bytes with its empty line; a longer one is answered with 431. Default: 32 KiB.
    pub head: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { line: 8 << 10, head: 32 << 10 }
    }
}

/// The head of a request, borrowed from the bytes that it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head<'a> {
    /// Its method, a token in the case in which it came: `GET`.
    pub method: &'a str,
    /// What it asks for.
    pub target: Target<'a>,
    /// Its version.
    pub version: Version,
    /// Its fields.
    pub fields: Fields<'a>,
    /// How the end of its body is told.
    pub body: Body,
    /// Whether another request may follow.
    pub persistence: Persistence,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// How many bytes of the input it took, its empty line included.
    pub length: usize,
}

impl<'a> Head<'a> {
    /// Which host is asked: of the target if that is a URL, of the Host field otherwise.
    pub fn host(&self) -> Option<&'a str> {
        // Both were held against the grammar of an authority, which is ASCII.
        self.target.authority.or_else(|| str::from_utf8(self.fields.get("host")?).ok())
    }
}

/// What a look at the input finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// The head goes on beyond the input.
    Incomplete,
    /// A whole head.
    Head(Head<'a>),
}

/// Reads heads from an input that grows. It remembers how far it has looked, so that a client that sends byte by
/// byte costs no more than one that sends all at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeadParser {
    /// No head ends within these bytes of the input; 0 for an input that was never looked at.
    scanned: usize,
}

impl HeadParser {
    /// A parser in front of a request's first byte.
    pub const fn new() -> Self {
        Self { scanned: 0 }
    }

    /// Looks for a head at the start of `input`: all bytes since the last request ended, those of the last call
    /// included.
    ///
    /// # Errors
    /// A [`Refusal`] is final: the rest of the input has no meaning.
    pub fn parse<'a>(
        &mut self,
        input: &'a [u8],
        storage: &'a mut FieldStorage<'a>,
        limits: &HeadLimits,
    ) -> Result<Parsed<'a>, Refusal> {
        // The first look goes straight to the parser: most heads come whole. Later looks search for the end first.
        if self.scanned > 0 && !self.may_be_whole(input) {
            return self.wait(input, limits);
        }
        let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
        if input == b"\r" {
            return self.wait(input, limits);
        }
        match parse_whole(&input[skipped..], storage)? {
            Some((request, length)) => {
                self.scanned = 0;
                check_line_length(&input[..skipped + length], limits)?;
                check_head_length(skipped + length, limits)?;
                Ok(Parsed::Head(interpret(request, skipped + length)?))
            }
            None => {
                // What ends a line without a carriage return ends nothing: the whole head need not be awaited.
                check_line_ends(input)?;
                self.wait(input, limits)
            }
        }
    }

    /// Whether what came since the last look may end the head, or breaks the rule of line ends.
    fn may_be_whole(&self, input: &[u8]) -> bool {
        let from = self.scanned.saturating_sub(3).min(input.len());
        let fresh = &input[from..];
        fresh.windows(4).any(|end| end == b"\r\n\r\n") || check_line_ends(fresh).is_err()
    }

    /// There is no whole head yet: says so, unless it would be too large anyway.
    fn wait<'a>(&mut self, input: &[u8], limits: &HeadLimits) -> Result<Parsed<'a>, Refusal> {
        if self.scanned <= limits.line {
            check_line_length(input, limits)?;
        }
        check_head_length(input.len(), limits)?;
        self.scanned = input.len();
        Ok(Parsed::Incomplete)
    }
}

/// The request that httparse sees at the start of `input`, and how many bytes it has.
#[allow(clippy::type_complexity)]
fn parse_whole<'a>(
    input: &'a [u8],
    storage: &'a mut FieldStorage<'a>,
) -> Result<Option<(httparse::Request<'a, 'a>, usize)>, Refusal> {
    // httparse skips any number of empty lines; RFC 9112, section 2.2, asks for one, and one was skipped.
    if matches!(input.first(), Some(b'\r' | b'\n')) {
        return Err(Refusal::bad("an empty line in place of a request"));
    }
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(input, &mut storage.0) {
        Ok(httparse::Status::Complete(length)) => {
            check_line_ends(&input[..length])?;
            Ok(Some((request, length)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        // Half a version may yet become that of another protocol, which has its own answer.
        Err(httparse::Error::Version) if !input.contains(&b'\r') => Ok(None),
        Err(error) => Err(refusal(error, input)),
    }
}

/// What the parts of a head mean.
fn interpret<'a>(request: httparse::Request<'a, 'a>, length: usize) -> Result<Head<'a>, Refusal> {
    let httparse::Request { method: Some(method), path: Some(path), version: Some(minor), headers } = request
    else {
        return Err(Refusal::bad("the request line lacks a part"));
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let fields = Fields(headers);
    let target = Target::parse(method, path)?;
    let Framing { body, persistence, expects_continue } = Framing::of(version, &fields)?;
    Ok(Head { method, target, version, fields, body, persistence, expects_continue, length })
}

/// Refuses a line feed without its carriage return.
fn check_line_ends(bytes: &[u8]) -> Result<(), Refusal> {
    if has_bare_feed(bytes) { Err(Refusal::bad("a line feed without a carriage return")) } else { Ok(()) }
}

/// Whether a line feed stands there behind anything but a carriage return; the first byte has nothing before it.
///
/// Sixteen bytes at a time and without a branch for each, so that it vectorizes; the last sixteen may be looked at twice.
fn has_bare_feed(bytes: &[u8]) -> bool {
    let ([_, here @ ..], [before @ .., _]) = (bytes, bytes) else { return false };
    match (before.last_chunk::<16>(), here.last_chunk::<16>()) {
        (Some(last_before), Some(last_here)) => {
            let steps = before.as_chunks().0.iter().zip(here.as_chunks().0);
            steps.fold(are_bare(last_before, last_here), |found, (before, here)| {
                found | are_bare::<16>(before, here)
            })
        }
        _ => before.iter().zip(here).any(|(before, here)| is_bare(*before, *here)),
    }
}

fn are_bare<const N: usize>(before: &[u8; N], here: &[u8; N]) -> bool {
    before.iter().zip(here).fold(false, |bare, (before, here)| bare | is_bare(*before, *here))
}

const fn is_bare(before: u8, here: u8) -> bool {
    (here == b'\n') & (before != b'\r')
}

/// Refuses a head, whole or begun, whose first line is too long.
fn check_line_length(head: &[u8], limits: &HeadLimits) -> Result<(), Refusal> {
    let line = head.strip_prefix(b"\r\n").unwrap_or(head);
    if line.len() > limits.line && !line[..=limits.line].contains(&b'\r') {
        return Err(Refusal::with(Status::URI_TOO_LONG, "the request line is too long"));
    }
    Ok(())
}

/// Refuses a head, whole or begun, of so many bytes.
fn check_head_length(length: usize, limits: &HeadLimits) -> Result<(), Refusal> {
    if length > limits.head {
        return Err(Refusal::with(Status::FIELDS_TOO_LARGE, "the header is too large"));
    }
    Ok(())
}

/// The answer to what httparse does not understand.
fn refusal(error: httparse::Error, input: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => Refusal::with(Status::FIELDS_TOO_LARGE, "too many header fields"),
        httparse::Error::Version if names_other_version(input) => {
            Refusal::with(Status::VERSION_NOT_SUPPORTED, "the versions spoken here are HTTP/1.0 and HTTP/1.1")
        }
        httparse::Error::Version => Refusal::bad("no HTTP version"),
        httparse::Error::HeaderName => Refusal::bad("a field name has a byte that no name has"),
        httparse::Error::HeaderValue => Refusal::bad("a field value has a byte that no value has"),
        httparse::Error::NewLine => Refusal::bad("a line does not end as lines do"),
        httparse::Error::Token | httparse::Error::Status => Refusal::bad("the first line is not a request"),
    }
}

/// Whether the third word of the first line is `HTTP/`, a digit, a dot, a digit.
fn names_other_version(input: &[u8]) -> bool {
    let line = input.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    let (Some(version), None) = (words.next(), words.next()) else { return false };
    matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::has_bare_feed;

    #[test]
    fn a_bare_line_feed_is_found_wherever_it_stands() {
        for length in 0..70 {
            let plain = vec![b'x'; length];
            assert!(!has_bare_feed(&plain), "{length}");
            for at in 1..length {
                let mut bytes = plain.clone();
                bytes[at] = b'\n';
                assert!(has_bare_feed(&bytes), "{at} of {length}");
                bytes[at - 1] = b'\r';
                assert!(!has_bare_feed(&bytes), "{at} of {length}");
            }
        }
    }
}
