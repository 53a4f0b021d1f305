//! One connection that speaks HTTP/1.1.

use std::{fmt, rc::Rc};

use super::{
    Body, Handler, Intake, Request, Response,
    answer::{Part, Written, shrinking, unsendable},
    engine::Engine,
    incoming::{Arrived, Destination, Incoming, Progress},
    journal::Answered,
    outgoing::{Coding, Outgoing, Poured},
    turn::{Turn, behind, is_last, persistence},
};
use crate::{
    protocol::http::{
        Body as Framed, BodyDecoder, FieldStorage, Head, HeadParser, Parsed, Persistence, Refusal, Status,
        response::CONTINUE,
    },
    worker::session::{Exchange, Flow, Limit, Peer, Session, Time, Wake},
};

/// The state of one connection: almost none between requests, so that an idle one costs next to nothing.
pub struct HttpSession<H> {
    engine: Rc<Engine<H>>,
    peer: Peer,
    parser: HeadParser,
    /// What it is at, beyond one call.
    task: Option<Box<Task>>,
}

/// What takes longer than a call.
enum Task {
    /// A request's body is coming.
    Incoming(Incoming),
    /// An answer's body is being made.
    Outgoing(Outgoing),
    /// The connection speaks another protocol now.
    Upgraded(Box<dyn Session>),
}

/// How often an answer is made anew whose file became shorter while it was made.
const TRIES: usize = 3;

impl<H: Handler> Session for HttpSession<H> {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        match self.task.as_deref_mut() {
            Some(Task::Upgraded(session)) => session.on_bytes(io),
            // What comes meanwhile waits for its turn.
            Some(Task::Outgoing(_)) => Flow::Stay,
            Some(Task::Incoming(_)) | None => self.go_on(io),
        }
    }

    /// What came before the end is still answered.
    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        match self.task.as_deref_mut() {
            Some(Task::Upgraded(session)) => session.on_end(io),
            Some(Task::Outgoing(outgoing)) => outgoing.after_end(),
            Some(Task::Incoming(_)) | None => self.go_on(io),
        }
    }

    fn on_wake(&mut self, io: &mut Exchange<'_>, wake: Wake) -> Flow {
        match self.task.as_deref_mut() {
            Some(Task::Upgraded(session)) => session.on_wake(io, wake),
            Some(Task::Outgoing(outgoing)) if !outgoing.hears(wake) => Flow::Stay,
            Some(Task::Outgoing(_) | Task::Incoming(_)) | None => self.go_on(io),
        }
    }

    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        let poured = match self.task.as_deref_mut() {
            Some(Task::Upgraded(session)) => return session.on_drain(io),
            Some(Task::Outgoing(outgoing)) => outgoing.drain(io),
            Some(Task::Incoming(_)) | None => Poured::Some(Flow::Stay),
        };
        match poured {
            Poured::Some(flow) => flow,
            Poured::All(persistence) => {
                self.task = None;
                match behind(persistence, io) {
                    Turn::Again => self.go_on(io),
                    Turn::Over(flow) => flow,
                }
            }
        }
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, limit: Limit) -> Flow {
        match (self.task.as_deref_mut(), limit) {
            (Some(Task::Upgraded(session)), _) => session.on_timeout(io, limit),
            (_, Limit::Idle) => Flow::Close,
            (_, Limit::Header | Limit::Body) => {
                self.engine.look_at_the_clock(io.now());
                let refusal = Refusal::with(Status::REQUEST_TIMEOUT, "the request took too long to come");
                let flow = match self.task.take().map(|task| *task) {
                    Some(Task::Incoming(incoming)) => self.give_up(incoming, refusal, io),
                    Some(Task::Outgoing(_) | Task::Upgraded(_)) | None => {
                        self.engine.refuse(&self.peer, None, refusal, io)
                    }
                };
                self.engine.settle();
                flow
            }
        }
    }
}

impl<H: Handler> HttpSession<H> {
    pub(super) fn new(engine: Rc<Engine<H>>, peer: Peer) -> Self {
        Self { engine, peer, parser: HeadParser::new(), task: None }
    }

    /// Does what there is to do, until something has to be waited for.
    fn go_on(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.engine.look_at_the_clock(io.now());
        let flow = self.work(io);
        self.engine.settle();
        flow
    }

    fn work(&mut self, io: &mut Exchange<'_>) -> Flow {
        loop {
            let turn = match self.task.take().map(|task| *task) {
                None => self.begin(io),
                Some(Task::Incoming(incoming)) => self.resume(incoming, io),
                Some(Task::Outgoing(outgoing)) => self.pour(outgoing, io),
                Some(Task::Upgraded(session)) => return self.hand_over(session, io),
            };
            match turn {
                Turn::Again => {}
                Turn::Over(flow) => return flow,
            }
        }
    }

    /// Lets the next protocol begin.
    fn hand_over(&mut self, mut session: Box<dyn Session>, io: &mut Exchange<'_>) -> Flow {
        let mut flow = session.on_open(io);
        let reads = matches!(flow, Flow::Read(_) | Flow::Stay);
        if reads && !io.input().is_empty() {
            flow = session.on_bytes(io);
        }
        self.task = Some(Box::new(Task::Upgraded(session)));
        flow
    }

    /// Has more of a body made.
    fn pour(&mut self, mut outgoing: Outgoing, io: &mut Exchange<'_>) -> Turn {
        match outgoing.pour(&mut self.engine.page.borrow_mut(), io) {
            Poured::Some(flow) => {
                self.task = Some(Box::new(Task::Outgoing(outgoing)));
                Turn::Over(flow)
            }
            Poured::All(persistence) => behind(persistence, io),
        }
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
        // It stays where it was written: to move it costs more than some of the parsing.
        let parsed = self.parser.parse(input, &mut storage, &self.engine.heads);
        let head = match &parsed {
            Ok(Parsed::Head(head)) => head,
            Ok(Parsed::Incomplete) => return Turn::Over(Flow::Read(Limit::Header)),
            Err(refusal) => return Turn::Over(self.engine.refuse(&self.peer, None, *refusal, io)),
        };
        if head.body != Framed::Empty {
            return self.take_in(head, io);
        }
        io.consume(head.length);
        self.serve(head, &input[..head.length], &[], io)
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
            Err(refusal) => return Turn::Over(engine.refuse(&self.peer, Some(head), refusal, io)),
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
                self.resume(Incoming::new(bytes, decoder, into, io.now()), io)
            }
        }
    }

    /// Answers without the body. The next request can be told from its rest only if that is here already.
    fn decline(&mut self, head: &Head<'_>, bytes: &[u8], response: Response, io: &mut Exchange<'_>) -> Turn {
        let whole = whole_body(head, io.input()).map(<[u8]>::len);
        io.consume(whole.map_or(io.input().len(), |length| head.length + length));
        io.begin(first_line(head, bytes));
        match whole {
            Some(_) => self.answer(head, first_line(head, bytes), &response, io.now(), io),
            None => {
                self.answer(head, first_line(head, bytes), &response.close(), io.now(), io);
                Turn::Over(Flow::CloseLingering)
            }
        }
    }

    /// Takes what has come of a body, and serves the request if that was all.
    fn resume(&mut self, incoming: Incoming, io: &mut Exchange<'_>) -> Turn {
        let engine = Rc::clone(&self.engine);
        match incoming.take(&engine, io) {
            Progress::More(incoming) => {
                self.task = Some(Box::new(Task::Incoming(incoming)));
                Turn::Over(Flow::Read(Limit::Body))
            }
            Progress::Whole(incoming) => incoming.finish(&engine.heads, |arrived, into| {
                let Arrived { head, line, trailers, began } = *arrived;
                io.begin(line);
                let request = |body| Request::new(head, body, &self.peer, io.now()).trailed_by(trailers);
                let response = match into {
                    Destination::Memory(body) => engine.call(&request(&body)),
                    Destination::Receiver(receiver) => engine
                        .contain(line, || receiver.finish(&request(&[])))
                        .unwrap_or_else(|response| response),
                };
                self.answer(head, line, &response, began, io)
            }),
            Progress::Bad(incoming, refusal) => Turn::Over(self.give_up(incoming, refusal, io)),
            Progress::Unwanted(incoming, response) => {
                io.consume(io.input().len());
                let response = response.close();
                incoming.finish(&engine.heads, |arrived, _| {
                    self.answer(arrived.head, arrived.line, &response, arrived.began, io)
                });
                Turn::Over(Flow::CloseLingering)
            }
        }
    }

    /// Serves a whole request, whose bytes were consumed.
    fn serve(&mut self, head: &Head<'_>, bytes: &[u8], body: &[u8], io: &mut Exchange<'_>) -> Turn {
        let line = first_line(head, bytes);
        io.begin(line);
        let response = self.engine.call(&Request::new(head, body, &self.peer, io.now()));
        self.answer(head, line, &response, io.now(), io)
    }

    /// Writes the answer to a request that began then, or begins it.
    fn answer(
        &mut self,
        head: &Head<'_>,
        line: &[u8],
        response: &Response,
        began: Time,
        io: &mut Exchange<'_>,
    ) -> Turn {
        self.try_answer(head, line, response, began, io)
            .unwrap_or_else(|| self.answer_anew(head, line, began, io))
    }

    /// The file of an answer is shorter by now, and nothing was sent: where to ask twice does no harm, that is done.
    #[cold]
    fn answer_anew(&mut self, head: &Head<'_>, line: &[u8], began: Time, io: &mut Exchange<'_>) -> Turn {
        let harmless = head.method == "GET" && head.body == Framed::Empty;
        for _ in (0..TRIES).take_while(|_| harmless) {
            // In a round of its own: what was learned in this one holds no more.
            let response = self.engine.call(&Request::new(head, &[], &self.peer, Time::now()));
            if let Some(turn) = self.try_answer(head, line, &response, began, io) {
                return turn;
            }
        }
        let response = self.engine.dress(shrinking(&String::from_utf8_lossy(line)));
        self.try_answer(head, line, &response, began, io).unwrap_or(Turn::Over(Flow::Close))
    }

    /// Writes an answer, or begins it; `None` if its file has become shorter, so that nothing of it can be sent.
    #[inline]
    fn try_answer(
        &mut self,
        head: &Head<'_>,
        line: &[u8],
        response: &Response,
        began: Time,
        io: &mut Exchange<'_>,
    ) -> Option<Turn> {
        let coding = response.body.coding(head);
        let persistence = persistence(head, response, coding, io);
        let part = Part::asked_by(head);
        let desk = self.engine.desk.borrow();
        let written = if let Body::Upgrade(upgrade) = &response.body
            && !upgrade.is_asked_by(head)
        {
            desk.refuse_upgrade(upgrade, io.output())
        } else {
            desk.answer(response, part, persistence, coding, io.output())
        };
        let mut status = response.status;
        let written = written.or_else(|reason| {
            let instead = unsendable(reason, &String::from_utf8_lossy(line));
            status = instead.status;
            desk.answer(&instead, part, persistence, coding, io.output())
        });
        drop(desk);
        if written == Ok(Written::FileShrank) {
            return None;
        }
        io.end();
        let bytes = || if part == Part::All && status.has_body() { response.body.len() } else { 0 };
        self.engine.note(&self.peer, Some(head), Answered { status, bytes, began }, io);
        if response.announces {
            io.announce();
        }
        Some(match (written, persistence) {
            (Ok(Written::Whole), Persistence::Keep | Persistence::KeepAnnounced) => Turn::Again,
            (Ok(Written::Whole), Persistence::Close) if is_last(head, response, io) => {
                Turn::Over(Flow::Close)
            }
            (Ok(Written::Whole), Persistence::Close) => {
                io.consume(io.input().len());
                Turn::Over(Flow::CloseLingering)
            }
            (Ok(Written::Begun), _) => self.follow(&response.body, coding, persistence),
            (Ok(Written::FileShrank) | Err(_), _) => Turn::Over(Flow::Close),
        })
    }

    /// What comes behind a head that was written alone.
    fn follow(&mut self, body: &Body, coding: Coding, persistence: Persistence) -> Turn {
        let task = match body {
            Body::Stream(stream) => Some(Task::Outgoing(Outgoing::new(stream, coding, persistence))),
            Body::Upgrade(upgrade) => upgrade.take().map(Task::Upgraded),
            Body::Static(_) | Body::Owned(_) | Body::Shared(_) | Body::File(_) | Body::Pieces(_) => None,
        };
        match task {
            Some(task) => {
                self.task = Some(Box::new(task));
                Turn::Again
            }
            // A copy of this answer was sent before, and its session is at work elsewhere.
            None => Turn::Over(Flow::Close),
        }
    }

    /// Answers a request whose body does not come as it should, and hears no more.
    fn give_up(&self, incoming: Incoming, refusal: Refusal, io: &mut Exchange<'_>) -> Flow {
        let engine = &self.engine;
        incoming
            .finish(&engine.heads, |arrived, _| engine.refuse(&self.peer, Some(arrived.head), refusal, io))
    }
}

/// The body, if the whole of it stands in the input behind its head: then nothing is copied.
fn whole_body<'a>(head: &Head<'_>, input: &'a [u8]) -> Option<&'a [u8]> {
    let behind = &input[head.length..];
    match head.body {
        Framed::Empty => Some(&[]),
        Framed::Length(length) => behind.get(..usize::try_from(length).ok()?),
        Framed::Chunked => None,
    }
}

/// `GET /tea`, as it stands at the start of a head.
pub(super) fn first_line<'a>(head: &Head<'_>, bytes: &'a [u8]) -> &'a [u8] {
    let line = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    &line[..line.len().min(head.method.len() + 1 + head.target.whole.len())]
}

impl<H> fmt::Debug for HttpSession<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = self.task.as_deref().map(|task| match task {
            Task::Incoming(_) => "a body is coming",
            Task::Outgoing(_) => "a body is being made",
            Task::Upgraded(_) => "another protocol is spoken",
        });
        f.debug_struct("HttpSession").field("peer", &self.peer).field("task", &task).finish_non_exhaustive()
    }
}
