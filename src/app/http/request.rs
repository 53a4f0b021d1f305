//! A request as a handler sees it.

use std::{borrow::Cow, fmt};

use super::{Fields, pattern::Pattern};
use crate::{
    protocol::http::{self, Head, percent},
    worker::session::{Peer, Time},
};

/// One request with its whole body, borrowed from the bytes that it came in.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    head: &'a Head<'a>,
    body: &'a [u8],
    trailers: Fields<'a>,
    peer: &'a Peer,
    received: Time,
    route: Option<&'a Pattern>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(head: &'a Head<'a>, body: &'a [u8], peer: &'a Peer, received: Time) -> Self {
        Self { head, body, trailers: Fields::default(), peer, received, route: None }
    }

    /// The same request with these fields behind its body.
    pub(super) fn trailed_by(self, trailers: Fields<'a>) -> Self {
        Self { trailers, ..self }
    }

    /// The same request on its way to the handler of this route.
    pub(super) fn at<'b>(&self, route: &'b Pattern) -> Request<'b>
    where
        'a: 'b,
    {
        Request { route: Some(route), ..*self }
    }

    /// When the worker's round began in which it was complete.
    pub(crate) fn received(&self) -> Time {
        self.received
    }

    /// Its method, in the case in which it came: `GET`.
    pub fn method(&self) -> &'a str {
        self.head.method
    }

    /// Its target as it came: `/tea?hot=1`, or a whole URL, or `*`.
    pub fn target(&self) -> &'a str {
        self.head.target.whole
    }

    /// Its path as it came, neither decoded nor normalized: `/tea`; `*` for `OPTIONS *`.
    ///
    /// Do not open files by it; [`Site`](crate::app::site::Site) knows how.
    pub fn path(&self) -> &'a str {
        self.head.target.path
    }

    /// What stands behind the first `?`, as it came: `hot=1`.
    pub fn query(&self) -> Option<&'a str> {
        self.head.target.query
    }

    /// What stands in its path in the place of this name in its route: `7` for `id` of `/users/{id}` in `/users/7`. It
    /// is decoded, so it may have any characters in it, a slash as well: do not open files by it.
    pub fn param(&self, name: &str) -> Option<Cow<'a, str>> {
        self.route?.value(name, self.path())
    }

    /// The value of this name in the query, decoded as the fields of a form are: `one` for `hot` of `hot=one&sweet=2`.
    pub fn query_value(&self, name: &str) -> Option<Cow<'a, str>> {
        percent::form_value(self.query()?, name)
    }

    /// The `host[:port]` that is asked, from the target if it is a URL, else from the Host field. Only HTTP/1.0 may
    /// do without (RFC 9112, section 3.2).
    pub fn host(&self) -> Option<&'a str> {
        self.head.host()
    }

    /// The value of the first header field of this name that is text; names are compared without regard to case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.fields.all(name).find_map(|value| str::from_utf8(value).ok())
    }

    /// All header fields, in the order in which they came. A trailer is not among them.
    pub fn headers(&self) -> Fields<'a> {
        self.head.fields
    }

    /// The fields that came behind its body, which only one in chunks can have (RFC 9110, section 6.5).
    ///
    /// They are the client's afterthought, such as a digest of what it sent: nothing of what headers decide may be
    /// decided by them, so neither length nor host nor credentials are looked for here.
    pub fn trailers(&self) -> Fields<'a> {
        self.trailers
    }

    /// Its body; empty if it has none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// How many bytes its body has; `None` if it comes in chunks and nobody has said.
    pub fn content_length(&self) -> Option<u64> {
        match self.head.body {
            http::Body::Empty => Some(0),
            http::Body::Length(length) => Some(length),
            http::Body::Chunked => None,
        }
    }

    /// Who asks, and by which listener.
    pub fn peer(&self) -> &'a Peer {
        self.peer
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method())
            .field("target", &self.target())
            .field("headers", &self.headers())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}
