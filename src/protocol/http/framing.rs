//! What the fields of a head say about the message as a whole: where its body ends, and whether another request
//! may follow (RFC 9112, sections 3.2, 6 and 9.3). Here requests are smuggled, so here no doubt is let through.

use super::{Fields, Refusal, Status, Version, authority::is_authority, bytes::TOKEN, fields::list};

/// How the end of a request's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// It has this many bytes, one at least.
    Length(u64),
    /// It comes in chunks.
    Chunked,
}

/// Whether another request may follow on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// It may, and in HTTP/1.1 that goes without saying.
    Keep,
    /// It may, and a client of HTTP/1.0 waits to be told so.
    KeepAnnounced,
    /// It may not.
    Close,
}

/// What a walk over the fields finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Framing {
    pub body: Body,
    pub persistence: Persistence,
    /// The client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
}

/// The fields that decide, before they are weighed against each other.
#[derive(Default)]
struct Found<'a> {
    host: Option<&'a [u8]>,
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
}

impl Framing {
    /// Reads the fields of a request of this version.
    pub fn of(version: Version, fields: &Fields<'_>) -> Result<Self, Refusal> {
        let mut found = Found::default();
        for (name, value) in fields.iter() {
            found.note(version, name, value)?;
        }
        found.weigh(version)
    }
}

impl<'a> Found<'a> {
    /// Notes one field.
    fn note(&mut self, version: Version, name: &str, value: &'a [u8]) -> Result<(), Refusal> {
        if is(name, "Host") { self.note_host(value) } else { self.note_other(version, name, value) }
    }

    /// Notes a field that not every request has. The length of the name rules most out without a comparison.
    #[inline(never)]
    fn note_other(&mut self, version: Version, name: &str, value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            6 if is(name, "Expect") => self.note_expectation(version, value),
            10 if is(name, "Connection") => {
                self.note_connection(value);
                Ok(())
            }
            14 if is(name, "Content-Length") => self.note_length(value),
            17 if is(name, "Transfer-Encoding") => self.note_coding(version, value),
            _ => Ok(()),
        }
    }

    fn note_host(&mut self, value: &'a [u8]) -> Result<(), Refusal> {
        if self.host.replace(value).is_some() {
            return Err(Refusal::bad("two Host fields"));
        }
        is_authority(value).then_some(()).ok_or(Refusal::bad("the Host field is not a host"))
    }

    fn note_expectation(&mut self, version: Version, value: &[u8]) -> Result<(), Refusal> {
        if !list(value).all(|member| member.eq_ignore_ascii_case(b"100-continue")) {
            return Err(Refusal::with(Status::EXPECTATION_FAILED, "only 100-continue can be expected"));
        }
        // A client of HTTP/1.0 cannot mean it: it would take the interim answer for the final one.
        self.expects_continue |= version == Version::Http11 && list(value).next().is_some();
        Ok(())
    }

    fn note_connection(&mut self, value: &[u8]) {
        match value {
            // Mostly it is one word: to take a list apart costs more than to compare that.
            b"close" => self.close = true,
            b"keep-alive" => self.keep_alive = true,
            _ => {
                for option in list(value) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
        }
    }

    /// Digits and nothing else, once. RFC 9112 would let equal repetitions pass; nobody honest sends them.
    fn note_length(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.length.is_some() {
            return Err(Refusal::bad("two Content-Length fields"));
        }
        let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        self.length = digits.and_then(|digits| digits.parse().ok());
        self.length.map(|_| ()).ok_or(Refusal::bad("Content-Length is not a number"))
    }

    fn note_coding(&mut self, version: Version, value: &[u8]) -> Result<(), Refusal> {
        if version == Version::Http10 {
            return Err(Refusal::bad("Transfer-Encoding in a request of HTTP/1.0"));
        }
        if self.chunked {
            return Err(Refusal::bad("two Transfer-Encoding fields"));
        }
        if value.eq_ignore_ascii_case(b"chunked") {
            self.chunked = true;
            return Ok(());
        }
        Err(unknown_coding(value))
    }

    fn weigh(self, version: Version) -> Result<Framing, Refusal> {
        if self.host.is_none() && version == Version::Http11 {
            return Err(Refusal::bad("no Host field"));
        }
        let body = match (self.chunked, self.length) {
            (true, Some(_)) => return Err(Refusal::bad("both Content-Length and Transfer-Encoding")),
            (true, None) => Body::Chunked,
            (false, None | Some(0)) => Body::Empty,
            (false, Some(length)) => Body::Length(length),
        };
        let persistence = match version {
            _ if self.close => Persistence::Close,
            Version::Http11 => Persistence::Keep,
            Version::Http10 if self.keep_alive => Persistence::KeepAnnounced,
            Version::Http10 => Persistence::Close,
        };
        Ok(Framing { body, persistence, expects_continue: self.expects_continue && body != Body::Empty })
    }
}

/// Whether a field has this name, mostly in the case in which it is written here: that takes one comparison.
fn is(name: &str, usual: &str) -> bool {
    name == usual || name.eq_ignore_ascii_case(usual)
}

/// 501 where the end of the body could be told by one who knew the coding, 400 where nobody could (RFC 9112,
/// section 6.3): `gzip, chunked` against `chunked, gzip`, `chunked, chunked`, `xchunked` or `chunked;a=b`.
fn unknown_coding(value: &[u8]) -> Refusal {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let mut codings = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let last_is_chunked = codings.next_back().is_some_and(is_chunked);
    let others_are_codings =
        codings.all(|coding| !coding.is_empty() && !is_chunked(coding) && TOKEN.has_all(coding));
    if last_is_chunked && others_are_codings {
        Refusal::with(Status::NOT_IMPLEMENTED, "the only transfer coding here is chunked")
    } else {
        Refusal::bad("Transfer-Encoding does not end in one chunked")
    }
}
