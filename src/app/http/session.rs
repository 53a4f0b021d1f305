//! One connection that speaks HTTP/1.1.

use std::rc::Rc;

use super::{
    Request, Response,
    answer::{Part, Written, unsendable},
    engine::Engine,
};
use crate::{
    protocol::http::{
        Body, BodyDecoder, BodyPart, FieldStorage, Head, HeadParser, Parsed, Persistence, Refusal, Status,
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
    pending: Option<Box<Pending>>,
}

/// A request whose body did not come in one piece with its head.
#[derive(Debug)]
struct Pending {
    /// The bytes of its head. It is parsed again when the body is complete, which costs less than to own its parts.
    head: Vec<u8>,
    body: Vec<u8>,
    decoder: BodyDecoder,
}

/// What comes after a look at the input.
enum Turn {
    /// Another look: a request was answered, another may stand behind it.
    Again,
    /// Nothing more for now.
    Over(Flow),
}

impl<H: Fn(&Request<'_>) -> Response> Session for HttpSession<H> {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.engine.look_at_the_clock();
        loop {
            let turn = match self.pending.take() {
                Some(pending) => self.resume(pending, io),
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

impl<H: Fn(&Request<'_>) -> Response> HttpSession<H> {
    pub(super) fn new(engine: Rc<Engine<H>>, peer: Peer) -> Self {
        Self { engine, peer, parser: HeadParser::new(), pending: None }
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
        let decoder = match BodyDecoder::new(head.body, self.engine.body) {
            Ok(decoder) => decoder,
            Err(refusal) => return Turn::Over(self.refuse(refusal, io)),
        };
        match whole_body(&head, input) {
            Some(body) => {
                io.consume(head.length + body.len());
                self.serve(&head, &input[..head.length], body, io)
            }
            None => self.suspend(&head, decoder, io),
        }
    }

    /// Waits for the rest of a body. From here on the input is consumed as it comes.
    fn suspend(&mut self, head: &Head<'_>, decoder: BodyDecoder, io: &mut Exchange<'_>) -> Turn {
        let bytes = &io.input()[..head.length];
        io.consume(head.length);
        if head.expects_continue && io.input().is_empty() {
            io.output().write(CONTINUE);
        }
        self.resume(Box::new(Pending { head: bytes.to_vec(), body: Vec::new(), decoder }), io)
    }

    /// Takes what has come of a body, and serves the request if that was all.
    fn resume(&mut self, mut pending: Box<Pending>, io: &mut Exchange<'_>) -> Turn {
        loop {
            let mut input = io.input();
            let before = input.len();
            let part = pending.decoder.decode(&mut input);
            io.consume(before - input.len());
            match part {
                Ok(BodyPart::Data(bytes)) => pending.body.extend_from_slice(bytes),
                Ok(BodyPart::More) => {
                    self.pending = Some(pending);
                    return Turn::Over(Flow::Read(Limit::Body));
                }
                Ok(BodyPart::End) => break,
                Err(refusal) => return Turn::Over(self.refuse(refusal, io)),
            }
        }
        let mut storage = FieldStorage::new();
        match HeadParser::new().parse(&pending.head, &mut storage, &self.engine.heads) {
            Ok(Parsed::Head(head)) => self.serve(&head, &pending.head, &pending.body, io),
            Ok(Parsed::Incomplete) | Err(_) => unreachable!("the same bytes were a head before"),
        }
    }

    /// Answers a whole request, whose bytes were consumed.
    fn serve(&self, head: &Head<'_>, bytes: &[u8], body: &[u8], io: &mut Exchange<'_>) -> Turn {
        io.begin(first_line(head, bytes));
        let request = Request::new(head, body, &self.peer);
        let response = self.engine.call(&request);
        let persistence = persistence(head, &response, io);
        let part = if head.method == "HEAD" { Part::Head } else { Part::All };
        let mut desk = self.engine.desk.borrow_mut();
        let written = desk.answer(&response, part, persistence, io.output()).or_else(|reason| {
            let asked = String::from_utf8_lossy(first_line(head, bytes));
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
        self.engine.desk.borrow_mut().refuse(refusal, io.output());
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
fn first_line<'a>(head: &Head<'_>, bytes: &'a [u8]) -> &'a [u8] {
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
