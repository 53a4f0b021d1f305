//! An answer whose body is being made and sent.

use std::{cell::RefCell, io::Write, rc::Rc, time::Duration};

use super::{
    Next, Sink,
    stream::{Kind, Source, Stream},
};
use crate::{
    protocol::http::{Head, Persistence, Version, chunked},
    worker::session::{Exchange, Flow, Wake},
};

/// A body on its way.
pub(super) struct Outgoing {
    source: Rc<RefCell<Source>>,
    kind: Kind,
    coding: Coding,
    /// Whether another request may follow.
    persistence: Persistence,
    trailers: Vec<(String, String)>,
    /// Whether news are none of its business: it asked for time.
    sleeps: bool,
}

/// How the end of an answer's body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// By its length, which is known.
    Length,
    /// By a last chunk.
    Chunked(Trailers),
    /// By the connection's end: to a client of HTTP/1.0.
    UntilClose,
}

/// Whether the client wants fields behind the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailers {
    Wanted,
    Unwanted,
}

impl Coding {
    /// What this request's client can read, of a body whose length nobody knows.
    pub fn of(head: &Head<'_>) -> Self {
        match head.version {
            Version::Http10 => Self::UntilClose,
            Version::Http11 if head.fields.lists("te", "trailers") => Self::Chunked(Trailers::Wanted),
            Version::Http11 => Self::Chunked(Trailers::Unwanted),
        }
    }
}

/// What comes after some of a body.
pub(super) enum Poured {
    /// More of it, when this has come.
    Some(Flow),
    /// Nothing: another request may follow, or not.
    All(Persistence),
}

/// How much is made at once before others have their turn.
const TURN: usize = 64 << 10;

impl Outgoing {
    /// The body of an answer whose head has been written.
    pub fn new(stream: &Stream, coding: Coding, persistence: Persistence) -> Self {
        let Stream { source, kind } = stream.clone();
        Self { source, kind, coding, persistence, trailers: Vec::new(), sleeps: false }
    }

    /// Has more of it made, in `page`, and writes that.
    pub fn pour(&mut self, page: &mut Vec<u8>, io: &mut Exchange<'_>) -> Poured {
        let mut poured = 0;
        loop {
            page.clear();
            let mut sink = Sink { page, trailers: &mut self.trailers, draining: io.draining() };
            let next = (self.source.borrow_mut())(&mut sink);
            self.write(page, io);
            poured += page.len();
            self.sleeps = matches!(next, Next::After(_));
            let time = match next {
                Next::End => return self.end(io),
                // Who wants to hear more connects anew, to a worker that stays.
                Next::Now | Next::After(_) | Next::News(_) if self.ends_early(io) => return self.end(io),
                Next::Now if !page.is_empty() && poured < TURN => continue,
                Next::Now => Some(Duration::ZERO),
                Next::After(time) => Some(time),
                Next::News(time) => time,
            };
            return Poured::Some(Flow::Wait(time));
        }
    }

    /// Whether to be called for this.
    pub fn hears(&self, wake: Wake) -> bool {
        wake == Wake::Time || !self.sleeps
    }

    /// Ends what has no end of its own, for the worker drains.
    pub fn drain(&mut self, io: &mut Exchange<'_>) -> Poured {
        if self.ends_early(io) { self.end(io) } else { Poured::Some(Flow::Stay) }
    }

    /// What comes after the client's end.
    pub fn after_end(&self) -> Flow {
        match self.kind {
            Kind::Body => Flow::Stay,
            Kind::Events => Flow::Close,
        }
    }

    fn ends_early(&self, io: &Exchange<'_>) -> bool {
        self.kind == Kind::Events && io.draining()
    }

    fn write(&self, page: &[u8], io: &mut Exchange<'_>) {
        let chunked = matches!(self.coding, Coding::Chunked(_)) && !page.is_empty();
        if chunked {
            // To write into memory cannot fail.
            let _ = write!(io.output(), "{:x}\r\n", page.len());
        }
        io.output().write(page);
        if chunked {
            io.output().write(b"\r\n");
        }
    }

    fn end(&mut self, io: &mut Exchange<'_>) -> Poured {
        let trailers = match self.coding {
            Coding::Length | Coding::UntilClose => return Poured::All(Persistence::Close),
            Coding::Chunked(Trailers::Wanted) => self.trailers.as_slice(),
            Coding::Chunked(Trailers::Unwanted) => &[],
        };
        let mut end = Vec::new();
        if let Err(unsendable) = chunked::encode_trailers(trailers, &mut end) {
            log::error!("the trailers of an answer cannot be sent: {unsendable}");
            chunked::encode_end(&mut end);
        }
        io.output().write(&end);
        // The worker may have begun to drain since the head said that the connection is kept.
        let last = io.draining() && io.input().is_empty();
        Poured::All(if last { Persistence::Close } else { self.persistence })
    }
}
