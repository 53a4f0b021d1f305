//! An answer as a handler makes it.

use std::{borrow::Cow, fs::File, io, sync::Arc};

use super::{Events, Next, Sink, Status, outgoing::Coding, stream::Stream, upgrade::Upgrade};
use crate::{
    protocol::http::Head,
    worker::session::{FileRange, Session},
};

/// An answer: a status, header fields, a body.
///
/// The server itself writes the fields Date, Content-Length, Connection and what else says where the message ends.
///
/// ```
/// use forkd::http::Response;
///
/// let tea = Response::html("<h1>Tea</h1>").header("Cache-Control", "no-store");
/// let none = Response::text("no such page\n").status(404);
/// let moved = Response::empty(308).header("Location", "/tea");
/// ```
#[derive(Debug, Clone)]
pub struct Response {
    pub(super) status: Status,
    pub(super) content_type: Option<ContentType>,
    pub(super) fields: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// Fields of our own making, as they are sent.
    pub(super) rendered: Option<Arc<[u8]>>,
    pub(super) body: Body,
    pub(super) closes: bool,
    pub(super) announces: bool,
}

/// The media type of an answer.
#[derive(Debug, Clone)]
pub(super) enum ContentType {
    /// One of ours: the whole line, which need not be looked at again.
    Known(&'static str),
    /// The handler's.
    Given(Cow<'static, str>),
}

/// What an answer carries. Strings and bytes become one by `into`.
#[derive(Debug, Clone)]
pub enum Body {
    /// Bytes that live as long as the program: nothing is allocated for them.
    Static(&'static [u8]),
    /// Bytes of this answer alone.
    Owned(Vec<u8>),
    /// Bytes that others hold too.
    Shared(Arc<[u8]>),
    /// A part of a file. It is sent from the descriptor, and if the file has become shorter by then, the connection
    /// is closed instead of sending fewer bytes than announced.
    File(FileRange),
    /// Several, one behind the other.
    Pieces(Vec<Body>),
    /// Bytes that are made while they are sent; not as a piece of others.
    Stream(Stream),
    /// None: the connection's next protocol begins here.
    Upgrade(Upgrade),
}

impl Response {
    /// Plain text in UTF-8.
    pub fn text(body: impl Into<Body>) -> Self {
        Self::known("Content-Type: text/plain; charset=utf-8\r\n", body)
    }

    /// A page of HTML in UTF-8. What it takes from a request must be escaped before.
    pub fn html(body: impl Into<Body>) -> Self {
        Self::known("Content-Type: text/html; charset=utf-8\r\n", body)
    }

    /// A JSON document, already written.
    pub fn json(body: impl Into<Body>) -> Self {
        Self::known("Content-Type: application/json\r\n", body)
    }

    /// Bytes of no particular type.
    pub fn bytes(body: impl Into<Body>) -> Self {
        Self::known("Content-Type: application/octet-stream\r\n", body)
    }

    /// A whole file, in its length of now, as bytes of no particular type.
    ///
    /// # Errors
    /// Those of fstat(2).
    ///
    /// ```no_run
    /// # fn page() -> std::io::Result<forkd::http::Response> {
    /// let file = std::fs::File::open("tea.png")?;
    /// # Ok(
    /// forkd::http::Response::file(file)?.header("Content-Type", "image/png")
    /// # )
    /// # }
    /// ```
    pub fn file(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self::bytes(FileRange { file: Arc::new(file), range: 0..length }))
    }

    /// A body that is made while it is sent: the function is called when there is room for more, and says when it wants to
    /// be called again. It comes in chunks; to a client of HTTP/1.0 until the connection ends.
    ///
    /// The worker serves others meanwhile, unless its model is to serve one connection at a time. A panic of the function
    /// closes the connection: the head has been sent.
    ///
    /// ```
    /// use forkd::http::{Next, Response};
    ///
    /// let mut left = 1_000_000;
    /// let numbers = Response::stream("text/plain", move |out| {
    ///     for number in (left - 1000..left).rev() {
    ///         out.write(format!("{number}\n"));
    ///     }
    ///     left -= 1000;
    ///     if left > 0 { Next::Now } else { Next::End }
    /// });
    /// ```
    pub fn stream(
        content_type: impl Into<Cow<'static, str>>,
        source: impl FnMut(&mut Sink<'_>) -> Next + 'static,
    ) -> Self {
        Self::typed(content_type, Body::Stream(Stream::new(source)))
    }

    /// A stream of server-sent events, for a page's `EventSource`. It ends when its client leaves and when the worker
    /// drains, be it for a reload: the page then connects anew by itself, and says by `Last-Event-ID` what it knows.
    ///
    /// What the function holds is dropped when the stream ends, however it ends.
    ///
    /// ```
    /// use std::time::Duration;
    /// use forkd::http::{Event, Next, Response};
    ///
    /// let mut seconds = 0;
    /// let clock = Response::events(move |events| {
    ///     events.send(Event::new(&format!("{seconds} s")).name("clock"));
    ///     seconds += 1;
    ///     Next::After(Duration::from_secs(1))
    /// });
    /// ```
    pub fn events(source: impl FnMut(&mut Events<'_, '_>) -> Next + 'static) -> Self {
        let body = Body::Stream(Stream::events(source));
        Self::typed("text/event-stream", body).header("Cache-Control", "no-store")
    }

    /// `101 Switching Protocols`: from here on the connection is the session's, beginning with its
    /// [`on_open`](Session::on_open). A request that did not ask for this protocol is answered with `426 Upgrade Required`,
    /// so a handler need not look. Fields of the answer are added by [`Response::header`].
    ///
    /// ```
    /// use forkd::http::Response;
    /// # use forkd::session::{Exchange, Flow, Limit, Session};
    /// # struct Chess;
    /// # impl Session for Chess { fn on_bytes(&mut self, _: &mut Exchange<'_>) -> Flow { Flow::Close } }
    ///
    /// let play = Response::upgrade("chess/1.0", Chess).header("X-Side", "white");
    /// ```
    pub fn upgrade(protocol: impl Into<Cow<'static, str>>, session: impl Session + 'static) -> Self {
        let body = Body::Upgrade(Upgrade::new(protocol.into(), Box::new(session)));
        Self { body, ..Self::empty(Status::SWITCHING_PROTOCOLS) }
    }

    /// An answer with this status and no body.
    pub fn empty(status: impl Into<Status>) -> Self {
        Self::new(status.into(), None, Body::Static(b""))
    }

    /// An answer 200 with this media type, such as `image/png`.
    pub fn typed(content_type: impl Into<Cow<'static, str>>, body: impl Into<Body>) -> Self {
        Self::new(Status::OK, Some(ContentType::Given(content_type.into())), body.into())
    }

    fn known(line: &'static str, body: impl Into<Body>) -> Self {
        Self::new(Status::OK, Some(ContentType::Known(line)), body.into())
    }

    /// All at once: what is made to be replaced has to be dropped.
    fn new(status: Status, content_type: Option<ContentType>, body: Body) -> Self {
        let (fields, rendered, closes, announces) = (Vec::new(), None, false, false);
        Self { status, content_type, fields, rendered, body, closes, announces }
    }

    /// The same answer with another status, 200 to 599.
    #[must_use]
    pub fn status(mut self, status: impl Into<Status>) -> Self {
        self.status = status.into();
        self
    }

    /// The same answer with one more field. `Content-Type` replaces the one there is.
    ///
    /// A name that is no token, a value with a line end or another control character, and a field that the server
    /// writes itself make the answer a 500, with the reason in the log: such a value would split the answer in two.
    #[must_use]
    pub fn header(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Cow<'static, str>>) -> Self {
        let (name, value) = (name.into(), value.into());
        if name.eq_ignore_ascii_case("content-type") {
            self.content_type = Some(ContentType::Given(value));
        } else {
            self.fields.push((name, value));
        }
        self
    }

    /// The same answer with these lines behind its other fields. They must be whole and lawful.
    #[must_use]
    pub(crate) fn rendered(mut self, fields: Arc<[u8]>) -> Self {
        self.rendered = Some(fields);
        self
    }

    /// The same answer with this field in place of all of that name that it has.
    #[must_use]
    pub fn replace_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        let name = name.into();
        self.fields.retain(|(other, _)| !other.eq_ignore_ascii_case(&name));
        self.header(name, value)
    }

    /// Its status.
    pub fn code(&self) -> Status {
        self.status
    }

    /// The same answer as news: the streams of this worker that wait by [`Next::News`] are called when it is written.
    #[must_use]
    pub fn announce(mut self) -> Self {
        self.announces = true;
        self
    }

    /// The same answer as the last one on its connection.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.closes = true;
        self
    }
}

impl Body {
    /// How many bytes it has; none for a stream, whose length nobody knows.
    pub fn len(&self) -> u64 {
        self.bytes().map_or_else(|| self.length_elsewhere(), |bytes| bytes.len() as u64)
    }

    /// What lies in memory, in one piece.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        // Three tests: a match of all kinds is a jump by table, which costs each answer more.
        if let Self::Static(bytes) = self {
            Some(bytes)
        } else if let Self::Owned(bytes) = self {
            Some(bytes)
        } else if let Self::Shared(bytes) = self {
            Some(bytes)
        } else {
            None
        }
    }

    #[inline(never)]
    fn length_elsewhere(&self) -> u64 {
        match self {
            Self::File(part) => part.range.end.saturating_sub(part.range.start),
            Self::Pieces(pieces) => pieces.iter().map(Self::len).sum(),
            Self::Static(_) | Self::Owned(_) | Self::Shared(_) | Self::Stream(_) | Self::Upgrade(_) => 0,
        }
    }

    /// How its end is told to who asked with this head.
    pub(super) fn coding(&self, head: &Head<'_>) -> Coding {
        if let Self::Stream(_) = self { Coding::of(head) } else { Coding::Length }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self::Static(text.as_bytes())
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Static(bytes)
    }
}

impl<const N: usize> From<&'static [u8; N]> for Body {
    fn from(bytes: &'static [u8; N]) -> Self {
        Self::Static(bytes)
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Owned(text.into_bytes())
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<Arc<[u8]>> for Body {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Shared(bytes)
    }
}

impl From<FileRange> for Body {
    fn from(part: FileRange) -> Self {
        Self::File(part)
    }
}
