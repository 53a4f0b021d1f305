//! What all connections of one worker share: the handler, the limits, the date, and room to write a head in.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    io,
    os::fd::BorrowedFd,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    Handler, HttpSession, Request, Response,
    answer::{Desk, Part, broken},
    journal::{AccessLog, Answered, Journal},
};
use crate::{
    protocol::http::{Head, HeadLimits, Refusal},
    worker::session::{Application, Exchange, Flow, Peer, Time, Wakes},
};

/// HTTP/1.1 over a handler, as an [`Application`] for any worker model.
///
/// The handler runs within the worker and holds up whatever else that worker serves: under the event model it should
/// be quick, under the others it may take its time.
///
/// ```
/// use forkd::http::{Http, Response};
///
/// let app = Http::new(|request| Response::text(format!("you asked for {}\n", request.path()))).body_limit(64 << 10);
/// ```
#[derive(Debug)]
pub struct Http<H> {
    engine: Rc<Engine<H>>,
}

const SECOND: Duration = Duration::from_secs(1);

/// The shared part of all sessions. A worker has one thread, so counting references needs no atomics.
#[derive(Debug)]
pub(super) struct Engine<H> {
    pub handler: H,
    pub heads: HeadLimits,
    pub body: u64,
    pub desk: RefCell<Desk>,
    /// Whether it is measured how long answers take.
    pub measured: bool,
    /// Where answers are noted.
    pub journal: Option<Journal>,
    /// Room in which parts of bodies are made, for one after the other.
    pub page: RefCell<Vec<u8>>,
    /// When the second is over that the date shows.
    second_ends: Cell<Time>,
}

impl<H: Fn(&Request<'_>) -> Response> Http<H> {
    /// An application that takes requests with heads of up to 32 KiB and bodies of up to 1 MiB.
    pub fn new(handler: H) -> Self {
        Self::serving(handler)
    }
}

impl<H: Handler> Http<H> {
    /// The same over any handler, such as a [`Router`](super::Router).
    pub fn serving(handler: H) -> Self {
        let (heads, body) = (HeadLimits::default(), 1 << 20);
        Self {
            engine: Rc::new(Engine {
                handler,
                heads,
                body,
                desk: RefCell::default(),
                measured: false,
                journal: None,
                page: RefCell::default(),
                second_ends: Cell::new(Time::ZERO),
            }),
        }
    }

    /// The same with this limit on the body of a request, in bytes. A larger one is answered with 413.
    ///
    /// # Panics
    /// When a connection is open already.
    #[must_use]
    pub fn body_limit(self, bytes: u64) -> Self {
        self.change(|engine| engine.body = bytes)
    }

    /// The same with these limits on the head of a request.
    ///
    /// # Panics
    /// When a connection is open already.
    #[must_use]
    pub fn head_limits(self, limits: HeadLimits) -> Self {
        self.change(|engine| engine.heads = limits)
    }

    /// The same with a line in this log for each answer. It is opened here, and so belongs into the worker, after the
    /// fork.
    ///
    /// # Errors
    /// Those of open(2).
    ///
    /// # Panics
    /// When a connection is open already.
    pub fn access_log(self, log: &AccessLog) -> io::Result<Self> {
        let journal = log.open()?;
        Ok(self.change(|engine| engine.journal = Some(journal)))
    }

    /// The same, measuring how long each answer takes: it costs a look at the clock.
    ///
    /// # Panics
    /// When a connection is open already.
    #[must_use]
    pub fn measured(self) -> Self {
        self.change(|engine| engine.measured = true)
    }

    fn change(mut self, change: impl FnOnce(&mut Engine<H>)) -> Self {
        change(Rc::get_mut(&mut self.engine).expect("limits are set before the first connection"));
        self
    }
}

impl<H: Handler> Application for Http<H> {
    type Session = HttpSession<H>;

    fn open(&self, peer: &Peer) -> HttpSession<H> {
        HttpSession::new(Rc::clone(&self.engine), peer.clone())
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.engine.handler.descriptor()
    }

    fn on_news(&self) -> io::Result<Wakes> {
        self.engine.handler.on_news()
    }
}

impl<H: Handler> Engine<H> {
    /// The handler's answer; a panic is a 500, a line in the log, and nothing more: the next request is served.
    pub fn call(&self, request: &Request<'_>) -> Response {
        // The handler is shared: what it breaks halfway is behind its own locks and cells, which poison or not by their
        // own rules. Nothing of ours is touched while it runs.
        catch_unwind(AssertUnwindSafe(|| self.handler.handle(request)))
            .unwrap_or_else(|panic| panicked(&format!("{} {}", request.method(), request.target()), &*panic))
    }

    /// Calls other code of the handler's, for the request with this head; a panic is the same answer.
    pub fn contain<T>(&self, head: &[u8], call: impl FnOnce() -> T) -> Result<T, Response> {
        catch_unwind(AssertUnwindSafe(call)).map_err(|panic| {
            let line = head.trim_ascii_start().split(|byte| *byte == b'\r').next().unwrap_or_default();
            panicked(&String::from_utf8_lossy(line), &*panic)
        })
    }

    /// Counts and notes an answer that was written; `head` is missing where the request was not understood.
    pub fn note(
        &self,
        peer: &Peer,
        head: Option<&Head<'_>>,
        answered: Answered<impl FnOnce() -> u64>,
        io: &mut Exchange<'_>,
    ) {
        let took = self.measured.then(|| Time::now().since(answered.began));
        io.answered(answered.status.code(), took);
        if let Some(journal) = &self.journal {
            journal.note(peer, head, self.desk.borrow().date.text(), answered);
        }
    }

    /// An answer of the server's own, with what the handler wants it to have.
    pub fn dress(&self, response: Response) -> Response {
        self.contain(b"", || self.handler.dress(response)).unwrap_or_else(|response| response)
    }

    /// Answers what is not served, and hears no more.
    pub fn refuse(
        &self,
        peer: &Peer,
        head: Option<&Head<'_>>,
        refusal: Refusal,
        io: &mut Exchange<'_>,
    ) -> Flow {
        io.consume(io.input().len());
        let page = Response::text(format!("{}: {}\n", refusal.status, refusal.why)).status(refusal.status);
        let part = head.map_or(Part::All, Part::asked_by);
        let Response { status, body, .. } = self.desk.borrow().refuse(self.dress(page), part, io.output());
        io.end();
        let bytes = || if part == Part::All { body.len() } else { 0 };
        self.note(peer, head, Answered { status, bytes, began: io.now() }, io);
        Flow::CloseLingering
    }

    /// All that came together is answered.
    pub fn settle(&self) {
        if let Some(journal) = &self.journal {
            journal.flush();
        }
    }

    /// Looks at the clock of the wall, once in each of its seconds: a clock that is set shows in the next one.
    pub fn look_at_the_clock(&self, round: Time) {
        if self.second_ends.get() <= round {
            let now = SystemTime::now();
            self.desk.borrow_mut().date.at(now);
            let begun = now.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
            self.second_ends.set(round + (SECOND - Duration::from_nanos(begun.into())));
        }
    }
}

/// Says in the log what happened, and in the answer that something did.
fn panicked(asked: &str, panic: &(dyn Any + Send)) -> Response {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    // Quoted, because a target may hold what a terminal would obey.
    log::error!("the handler of {asked:?} panicked: {:?}", words.unwrap_or("no words"));
    broken()
}
