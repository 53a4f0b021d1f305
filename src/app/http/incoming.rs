//! A request whose body is still coming: into memory, or through the hands of a receiver.

use std::fmt;

use super::{Handler, Receiver, Response, engine::Engine, session::first_line};
use crate::{
    protocol::http::{
        BodyDecoder, BodyPart, FieldStorage, Fields, Head, HeadLimits, HeadParser, Parsed, Refusal,
    },
    worker::session::{Exchange, Time},
};

/// A request that waits for its body.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The bytes of its head. It is parsed again when the body is complete, which costs less than to own its parts.
    head: Vec<u8>,
    decoder: BodyDecoder,
    into: Destination,
    /// When its head was there.
    began: Time,
}

/// A request whose body is there.
pub(super) struct Arrived<'a> {
    pub head: &'a Head<'a>,
    /// Its first line, as a row shows it.
    pub line: &'a [u8],
    /// What came behind its body.
    pub trailers: Fields<'a>,
    /// When its head was there.
    pub began: Time,
}

/// Where the body goes.
pub(super) enum Destination {
    /// It is kept.
    Memory(Vec<u8>),
    /// It is handed on.
    Receiver(Box<dyn Receiver>),
}

/// How far a body has come.
pub(super) enum Progress {
    /// More of it is awaited.
    More(Incoming),
    /// All of it is there.
    Whole(Incoming),
    /// What came is no body.
    Bad(Incoming, Refusal),
    /// The receiver wants no more of it.
    Unwanted(Incoming, Response),
}

impl Incoming {
    /// A request with these bytes as its head, before its body.
    pub fn new(head: &[u8], decoder: BodyDecoder, into: Destination, began: Time) -> Self {
        Self { head: head.to_vec(), decoder, into, began }
    }

    /// Takes what has come of the body.
    pub fn take<H: Handler>(mut self, engine: &Engine<H>, io: &mut Exchange<'_>) -> Progress {
        loop {
            let mut input = io.input();
            let before = input.len();
            let part = self.decoder.decode(&mut input);
            io.consume(before - input.len());
            let bytes = match part {
                Ok(BodyPart::Data(bytes)) => bytes,
                Ok(BodyPart::More) => return Progress::More(self),
                Ok(BodyPart::End) => return Progress::Whole(self),
                Err(refusal) => return Progress::Bad(self, refusal),
            };
            match &mut self.into {
                Destination::Memory(body) => body.extend_from_slice(bytes),
                Destination::Receiver(receiver) => {
                    let taken = engine.contain(&self.head, || receiver.write(bytes)).unwrap_or_else(Err);
                    if let Err(response) = taken {
                        return Progress::Unwanted(self, response);
                    }
                }
            }
        }
    }

    /// Nothing more is awaited: shows the request, with what is borrowed from it, and where its body went.
    pub fn finish<T>(self, limits: &HeadLimits, see: impl FnOnce(&Arrived<'_>, Destination) -> T) -> T {
        let mut storage = FieldStorage::new();
        match HeadParser::new().parse(&self.head, &mut storage, limits) {
            Ok(Parsed::Head(head)) => {
                let (line, trailers) = (first_line(&head, &self.head), self.decoder.trailers());
                let trailers = Fields::new(&trailers);
                see(&Arrived { head: &head, line, trailers, began: self.began }, self.into)
            }
            Ok(Parsed::Incomplete) | Err(_) => unreachable!("the same bytes were a head before"),
        }
    }
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(body) => write!(f, "memory, {} bytes", body.len()),
            Self::Receiver(_) => f.write_str("receiver"),
        }
    }
}
