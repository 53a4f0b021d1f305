//! One connection that speaks HTTP/1.1.

use std::rc::Rc;

use super::{
    Handler, Intake, Request, Response,
    answer::{Part, Written, unsendable},
    engine::Engine,
    incoming::{Destination, Incoming, Progress},
};
use crate::{
    protocol::http::{
        Body, BodyDecoder, FieldStorage, Head, HeadParser, Parsed, Persistence, Refusal, Status,
        response::CONTINUE,
    },
    worker::session::{Exchange, Flow, Limit, Peer, Session},
};

/// The state of one connection: almost none between requests, so that an idle one costs next to nothing.
#[derive(Debug)]
pub struct HttpSession<H> {
    engine: Rc<Engine<H>>,
    peer: Peer,
    parser: HeadParser,
    /// The request whose body is still coming.
    incoming: Option<Box<Incoming>>,
}

/// What comes after a look at the input.
enum Turn {
    /// Another look: a request was answered, another may stand behind it.
    Again,
    /// Nothing more for now.
    Over(Flow),
}

impl<H: Handler> Session for HttpSession<H> {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.engine.look_at_the_clock();
        loop {
            let turn = match self.incoming.take() {
                Some(incoming) => self.resume(incoming, io),
                None => self.begin(io),
            };
            match turn {
                Turn::Again => {}
                Turn::Over(flow) => return flow,
            }
        }
    }

    /// What came before the end is still answered.
    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.on_bytes(io)
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, limit: Limit) -> Flow {
        match limit {
            Limit::Idle => Flow::Close,
            Limit::Header | Limit::Body => {
                self.engine.look_at_the_clock();
                self.refuse(Refusal::with(Status::REQUEST_TIMEOUT, "the request took too long to come"), io)
            }
        }
    }
}

impl<H: Handler> HttpSession<H> {
    pub(super) fn new(engine: Rc<Engine<H>>, peer: Peer) -> Self {
        Self { engine, peer, parser: HeadParser::new(), incoming: None }
    }

    /// Looks for a request at the start of the input.
    fn begin(&mut self, io: &mut Exchange<'_>) -> Turn {
        let input = io.input();
        if input.is_empty() {
            return Turn::Over(Flow::Read(Limit::Idle));
        }
        if io.full() {
            // Whoever asks and asks and does not read waits: the driver calls again when the answers are sent.
            return Turn::Over(Flow::Read(Limit::Header));
        }
        let mut storage = FieldStorage::new();
        let head = match self.parser.parse(input, &mut storage, &self.engine.heads) {
            Ok(Parsed::Head(head)) => head,
            Ok(Parsed::Incomplete) => return Turn::Over(Flow::Read(Limit::Header)),
            Err(refusal) => return Turn::Over(self.refuse(refusal, io)),
        };
        if head.body != Body::Empty {
            return self.take_in(&head, io);
        }
        io.consume(head.length);
        self.serve(&head, &input[..head.length], &[], io)
    }

    /// Asks where the body goes, and takes what has come of it. From here on the input is consumed as it comes.
    fn take_in(&mut self, head: &Head<'_>, io: &mut Exchange<'_>) -> Turn {
        let bytes = &io.input()[..head.length];
        let engine = Rc::clone(&self.engine);
        let request = Request::new(head, &[], &self.peer, io.now());
        let intake = engine.contain(bytes, || engine.handler.intake(&request)).unwrap_or_else(Intake::Refuse);
        let (into, limit) = match intake {
            Intake::Gather => (Destination::Memory(Vec::new()), engine.body),
            Intake::Stream { receiver, limit } => (Destination::Receiver(receiver), limit),
            Intake::Refuse(response) => return self.decline(head, bytes, response, io),
        };
        let decoder = match BodyDecoder::new(head.body, limit) {
            Ok(decoder) => decoder,
            Err(refusal) => return Turn::Over(self.refuse(refusal, io)),
        };
        let whole = whole_body(head, io.input());
        match (&into, whole) {
            // All of it is there: nothing need be copied.
            (Destination::Memory(_), Some(body)) => {
                io.consume(head.length + body.len());
                self.serve(head, bytes, body, io)
            }
            _ => {
                io.consume(head.length);
                if head.expects_continue && io.input().is_empty() {
                    io.output().write(CONTINUE);
                }
                self.resume(Incoming::new(bytes, decoder, into), io)
            }
        }
    }

    /// Answers without the body. The next request can be told from its rest only if that is here already.
    fn decline(&self, head: &Head<'_>, bytes: &[u8], response: Response, io: &mut Exchange<'_>) -> Turn {
        let whole = whole_body(head, io.input()).map(<[u8]>::len);
        io.consume(whole.map_or(io.input().len(), |length| head.length + length));
        io.begin(first_line(head, bytes));
        match whole {
            Some(_) => self.answer(head, first_line(head, bytes), &response, io),
            None => {
                self.answer(head, first_line(head, bytes), &response.close(), io);
                Turn::Over(Flow::CloseLingering)
            }
        }
    }

    /// Takes what has come of a body, and serves the request if that was all.
    fn resume(&mut self, incoming: Box<Incoming>, io: &mut Exchange<'_>) -> Turn {
        let engine = Rc::clone(&self.engine);
        match incoming.take(&engine, io) {
            Progress::More(incoming) => {
                self.incoming = Some(incoming);
                Turn::Over(Flow::Read(Limit::Body))
            }
            Progress::Whole(incoming) => incoming.finish(&engine.heads, |head, line, into| {
                io.begin(line);
                let response = match into {
                    Destination::Memory(body) => {
                        engine.call(&Request::new(head, &body, &self.peer, io.now()))
                    }
                    Destination::Receiver(receiver) => {
                        let request = Request::new(head, &[], &self.peer, io.now());
                        engine.contain(line, || receiver.finish(&request)).unwrap_or_else(|response| response)
                    }
                };
                self.answer(head, line, &response, io)
            }),
            Progress::Bad(refusal) => Turn::Over(self.refuse(refusal, io)),
            Progress::Unwanted(incoming, response) => {
                io.consume(io.input().len());
                let response = response.close();
                incoming.finish(&engine.heads, |head, line, _| self.answer(head, line, &response, io));
                Turn::Over(Flow::CloseLingering)
            }
        }
    }

    /// Serves a whole request, whose bytes were consumed.
    fn serve(&self, head: &Head<'_>, bytes: &[u8], body: &[u8], io: &mut Exchange<'_>) -> Turn {
        let line = first_line(head, bytes);
        io.begin(line);
        let response = self.engine.call(&Request::new(head, body, &self.peer, io.now()));
        self.answer(head, line, &response, io)
    }

    /// Writes the answer to a request.
    fn answer(&self, head: &Head<'_>, line: &[u8], response: &Response, io: &mut Exchange<'_>) -> Turn {
        let persistence = persistence(head, response, io);
        let part = if head.method == "HEAD" { Part::Head } else { Part::All };
        let desk = self.engine.desk.borrow();
        let written = desk.answer(response, part, persistence, io.output()).or_else(|reason| {
            let asked = String::from_utf8_lossy(line);
            desk.answer(&unsendable(reason, &asked), part, persistence, io.output())
        });
        io.end();
        match (written, persistence) {
            (Ok(Written::Whole), Persistence::Keep | Persistence::KeepAnnounced) => Turn::Again,
            // A client that asked for the end sends nothing more; others may, and must be let finish.
            (Ok(Written::Whole), Persistence::Close) if head.persistence == Persistence::Close => {
                Turn::Over(Flow::Close)
            }
            (Ok(Written::Whole), Persistence::Close) => Turn::Over(Flow::CloseLingering),
            (Ok(Written::FileShrank) | Err(_), _) => Turn::Over(Flow::Close),
        }
    }

    /// Answers what is not served, and hears no more.
    fn refuse(&self, refusal: Refusal, io: &mut Exchange<'_>) -> Flow {
        io.consume(io.input().len());
        self.engine.desk.borrow().refuse(refusal, io.output());
        Flow::CloseLingering
    }
}

/// The body, if the whole of it stands in the input behind its head: then nothing is copied.
fn whole_body<'a>(head: &Head<'_>, input: &'a [u8]) -> Option<&'a [u8]> {
    let behind = &input[head.length..];
    match head.body {
        Body::Empty => Some(&[]),
        Body::Length(length) => behind.get(..usize::try_from(length).ok()?),
        Body::Chunked => None,
    }
}

/// `GET /tea`, as it stands at the start of a head.
pub(super) fn first_line<'a>(head: &Head<'_>, bytes: &'a [u8]) -> &'a [u8] {
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    &line[..line.len().min(head.method.len() + 1 + head.target.whole.len())]
}

/// Whether another request may follow this one.
fn persistence(head: &Head<'_>, response: &Response, io: &Exchange<'_>) -> Persistence {
    // While the worker drains, an answer is the last one, unless more of the client's requests have come already:
    // those are answered too, and the last of them closes.
    if response.closes || io.draining() && io.input().is_empty() {
        return Persistence::Close;
    }
    head.persistence
}
