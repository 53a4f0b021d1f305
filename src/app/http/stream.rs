//! A body that is made while it is sent: by a function that is called when there is room, time, or news.

use std::{cell::RefCell, fmt, io, rc::Rc, time::Duration};

use crate::protocol::http::{Event, event::encode_comment};

/// When the function behind a stream wants to be called again.
///
/// It is never called while its client takes nothing, so that what waits for a slow client is what one call wrote.
/// A client that takes nothing for longer than the limit on writing is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// As soon as there is room for more; other connections are served in between.
    Now,
    /// After so much time.
    After(Duration),
    /// When there may be news, or after so much time if it is given: a handler's
    /// [descriptor](super::Handler::descriptor) became readable, or an answer [announced](super::Response::announce)
    /// something. It is also called when what it wrote was taken slowly, for news may have come meanwhile: it writes
    /// what is new to its client, or nothing.
    News(Option<Duration>),
    /// Never: the body ends here.
    End,
}

/// Where the function behind a stream writes.
pub struct Sink<'a> {
    pub(super) page: &'a mut Vec<u8>,
    pub(super) trailers: &'a mut Vec<(String, String)>,
    pub(super) draining: bool,
}

impl Sink<'_> {
    /// Appends bytes. Some tens of kilobytes in a call are a good measure: all of it is kept until it is sent.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.page.extend_from_slice(bytes.as_ref());
    }

    /// A field for behind the body (RFC 9110, section 6.5), such as a digest of it. Only a client that said `TE: trailers`
    /// gets it.
    pub fn trailer(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.trailers.push((name.into(), value.into()));
    }

    /// Whether the worker drains: what can end early should, for it is cut at the limit of the drain.
    pub fn draining(&self) -> bool {
        self.draining
    }
}

impl io::Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.page.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where the function behind a stream of [server-sent events](Event) writes.
#[derive(Debug)]
pub struct Events<'a, 'b>(pub(super) &'a mut Sink<'b>);

impl Events<'_, '_> {
    /// Sends an event: an [`Event`], or a text that becomes one.
    pub fn send<'e>(&mut self, event: impl Into<Event<'e>>) {
        event.into().encode(self.0.page);
    }

    /// Sends what a page is not told of, but shows everyone between that the connection lives: each 15 seconds or so.
    pub fn comment(&mut self, text: &str) {
        encode_comment(text, self.0.page);
    }

    /// Tells the client how long to wait before it connects anew; browsers wait three seconds without it.
    pub fn retry(&mut self, time: Duration) {
        self.0.write(format!("retry: {}\n\n", time.as_millis()));
    }
}

/// The function behind a body that is made while it is sent. Copies of an answer share it.
#[derive(Clone)]
pub struct Stream {
    pub(super) source: Rc<RefCell<Source>>,
    pub(super) kind: Kind,
}

/// As [`Stream`] calls it.
pub(super) type Source = dyn FnMut(&mut Sink<'_>) -> Next;

/// What a stream is to a worker that drains, and to a client that has ended its own direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An answer like any other: it is sent to its end.
    Body,
    /// Events, which have no end of their own: they end, and who wants to hear more connects anew.
    Events,
}

impl Stream {
    pub(super) fn new(source: impl FnMut(&mut Sink<'_>) -> Next + 'static) -> Self {
        Self { source: Rc::new(RefCell::new(source)), kind: Kind::Body }
    }

    pub(super) fn events(mut source: impl FnMut(&mut Events<'_, '_>) -> Next + 'static) -> Self {
        let source = move |sink: &mut Sink<'_>| source(&mut Events(sink));
        Self { kind: Kind::Events, ..Self::new(source) }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({} bytes)", self.page.len())
    }
}
