//! One connection's application state, without a socket: bytes in; bytes, shared buffers or file ranges out.
//!
//! A [`Session`] is driven by whichever worker model the server runs: the event loop, the blocking worker, or a
//! process per connection. It never blocks, never sees a descriptor, and so is the same code in all three.
//!
//! ```
//! use forkd::session::{Exchange, Flow, Limit, Session};
//!
//! /// Answers each line with its length.
//! struct Lengths;
//!
//! impl Session for Lengths {
//!     fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
//!         while let Some(end) = io.input().iter().position(|byte| *byte == b'\n') {
//!             io.output().write(format!("{end}\n").as_bytes());
//!             io.consume(end + 1);
//!         }
//!         Flow::Read(Limit::Idle)
//!     }
//! }
//! ```

use std::{fs::File, io, ops::Range, os::fd::BorrowedFd, sync::Arc, time::Duration};

use super::output::Output;
use crate::ipc::row::Row;
pub use crate::{listener::PeerAddress, process::clock::Time};

/// One connection's conversation.
pub trait Session {
    /// The connection was accepted and nothing was read yet: the place for a greeting, and for the first limit.
    fn on_open(&mut self, io: &mut Exchange<'_>) -> Flow {
        let _ = io;
        Flow::Read(Limit::Idle)
    }

    /// Bytes have come; what an earlier call did not consume stands before them. A session that leaves whole messages
    /// unconsumed because [`Exchange::full`] said so is called again when the output was sent, with no new bytes.
    ///
    /// What stays unconsumed is kept for the connection, at most [`Exchange::MAX_UNCONSUMED`] bytes: a session must
    /// refuse a message that is too long for it before that.
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow;

    /// The peer will send no more; what it sent before stands unconsumed in the input. A session that waits for news, or
    /// still has something to say to a peer that listens on, may wait on by [`Flow::Wait`] or [`Flow::Stay`]; to wait
    /// for bytes is to close.
    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        let _ = io;
        Flow::Close
    }

    /// What it waited for by [`Flow::Wait`] or [`Flow::Talk`] has come: the time is over, or there is news. It may be called for news
    /// without any: the session looks whether there is something for it, writes that, and waits again.
    fn on_wake(&mut self, io: &mut Exchange<'_>, wake: Wake) -> Flow {
        let _ = (io, wake);
        Flow::Close
    }

    /// The worker begins to drain, and this session waits for bytes or news; one whose answer is being sent is not told, and sees
    /// it at its next call. The driver itself lets a connection that is silent at [`Limit::Idle`] live for the
    /// linger and no longer, so most sessions have nothing to do here but to look at [`Exchange::draining`] when
    /// they answer.
    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        let _ = io;
        Flow::Stay
    }

    /// The limit of the last [`Flow::Read`] has passed. Whatever is written here is still sent.
    fn on_timeout(&mut self, io: &mut Exchange<'_>, limit: Limit) -> Flow {
        let _ = (io, limit);
        Flow::Close
    }
}

/// What a session waits for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// More bytes, within this limit.
    Read(Limit),
    /// What it waited for before: nothing has changed.
    Stay,
    /// [`Session::on_wake`]: once everything written is sent and this time is over, or there is news for the sessions
    /// of this worker. `None` is for news alone; no time at all is "as soon as all is sent and others had their turn".
    ///
    /// No limit on reading runs meanwhile and nothing is read, so that a peer cannot pile up what it sends. That it has
    /// left is noticed. While it takes nothing of what was written the limit on writing runs, and the session is not
    /// called: what waits for a slow peer is what one call wrote, and a peer that stands still is cut off.
    Wait(Option<Duration>),
    /// More bytes, or news for the sessions of this worker, whichever comes first and however long it takes: no limit on
    /// reading runs. For conversations in which both sides speak when they like.
    Talk,
    /// Nothing: send what is written, then close.
    Close,
    /// Nothing, but the peer may still be sending: send what is written, end our direction, read and discard for a
    /// moment, then close. A plain close would let the kernel reset the connection and destroy the answer.
    CloseLingering,
}

/// Why a session that waited is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The time of its [`Flow::Wait`] is over.
    Time,
    /// There may be news: something became readable at the application's [descriptor](Application::descriptor), another
    /// session [announced](Exchange::announce) something, or what was written is sent and news may have come meanwhile.
    News,
}

/// Who is to be called after [`Application::on_news`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wakes {
    /// Every session of this worker that waits by [`Flow::Wait`] or [`Flow::Talk`].
    Everyone,
    /// None: it was nothing that they wait for.
    Nobody,
}

/// Which clock runs while a session waits for bytes. Each is absolute: it starts when the session first asks for it
/// and is not pushed back by a dripping client, but for `Idle` (any byte) and `Body` (each 16 KiB). A message that was
/// answered ([`Exchange::end`]) starts it anew. No clock of reading runs while the answer is being sent: there the
/// limit on writing holds, anew for each 16 KiB that the peer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Between messages. Only here may a drain close the connection.
    Idle,
    /// Within a message's head.
    Header,
    /// Within a message's body.
    Body,
}

/// Who is at the other end of a connection, and by which listener it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address; unnamed for most Unix-domain clients.
    pub address: PeerAddress,
    /// Which of the server's listeners accepted it, counted from 0 in the order of binding.
    pub listener: usize,
}

/// What makes a session for each connection: one value per worker, made after the fork. What the sessions of a worker
/// share, such as a room's members and messages, is its own: behind an `Rc<RefCell<…>>`, for a worker has one thread.
///
/// News from outside, of another worker or process, come by a descriptor that it owns:
///
/// ```
/// use std::{io::{self, Read}, os::{fd::{AsFd, BorrowedFd}, unix::net::UnixStream}};
/// use forkd::session::{Application, Exchange, Flow, Limit, Peer, Session, Wake, Wakes};
///
/// /// Tells each client each time that the bell rings.
/// struct Bell { line: UnixStream }
/// struct Listener;
///
/// impl Application for Bell {
///     type Session = Listener;
///     fn open(&self, _: &Peer) -> Listener { Listener }
///     fn descriptor(&self) -> Option<BorrowedFd<'_>> { Some(self.line.as_fd()) }
///     fn on_news(&self) -> io::Result<Wakes> {
///         // Non-blocking, and read until it is empty: what is left unread makes the worker spin.
///         while (&self.line).read(&mut [0; 64]).is_ok_and(|count| count > 0) {}
///         Ok(Wakes::Everyone)
///     }
/// }
///
/// impl Session for Listener {
///     fn on_open(&mut self, _: &mut Exchange<'_>) -> Flow { Flow::Wait(None) }
///     fn on_bytes(&mut self, _: &mut Exchange<'_>) -> Flow { Flow::Stay }
///     fn on_wake(&mut self, io: &mut Exchange<'_>, _: Wake) -> Flow {
///         io.output().write(b"ding\n");
///         Flow::Wait(None)
///     }
/// }
/// ```
pub trait Application {
    /// The state of one connection.
    type Session: Session;

    /// A connection was accepted.
    fn open(&self, peer: &Peer) -> Self::Session;

    /// What the worker waits at beside its connections: when it becomes readable, [`Application::on_news`] is called. It
    /// stays the same for the worker's life. Several are one in an epoll(7) set of the application's own.
    ///
    /// The models that serve one connection at a time wait at it while their session waits by [`Flow::Wait`]. The
    /// processes of the per-connection model share it with their worker: there it must tell each who reads it.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The [descriptor](Application::descriptor) is readable: reads it until it would block, keeps what came, and says
    /// whose business it is.
    ///
    /// # Errors
    /// What makes the worker useless: they become its last words, and the master replaces it. So does a panic.
    fn on_news(&self) -> io::Result<Wakes> {
        Ok(Wakes::Nobody)
    }
}

/// The datagram twin of a [`Session`]: one value per worker and socket, no connection.
pub trait Datagrams {
    /// One datagram came; `reply` sends datagrams back.
    fn on_datagram(&mut self, peer: &Peer, bytes: &[u8], reply: &mut dyn FnMut(&[u8]));

    /// Whether the application receives at this socket by itself, when it likes: then the worker leaves it alone. For one
    /// that has a descriptor of its own ([`Application::descriptor`]) and an order to keep among workers.
    fn receives_itself(&self) -> bool {
        false
    }
}

/// What one call of a session sees: the bytes that wait, the bytes to send, and the worker's row.
pub struct Exchange<'a> {
    input: &'a [u8],
    consumed: usize,
    output: &'a mut Output,
    row: &'a Row,
    draining: bool,
    ended: bool,
    announced: bool,
    now: Time,
}

impl<'a> Exchange<'a> {
    /// How many bytes a session may leave unconsumed; a driver closes a connection that has more.
    pub const MAX_UNCONSUMED: usize = 1 << 20;

    /// A call's view, made by a driver.
    pub fn new(input: &'a [u8], output: &'a mut Output, row: &'a Row, draining: bool, now: Time) -> Self {
        Self { input, consumed: 0, output, row, draining, ended: false, announced: false, now }
    }

    /// The bytes that wait to be consumed.
    pub fn input(&self) -> &'a [u8] {
        &self.input[self.consumed..]
    }

    /// Takes `count` bytes off the front of the input, at most all of it.
    pub fn consume(&mut self, count: usize) {
        self.consumed = self.input.len().min(self.consumed + count);
    }

    /// How many bytes this call has consumed.
    pub fn consumed(&self) -> usize {
        self.consumed
    }

    /// Where the answer is written.
    pub fn output(&mut self) -> &mut Output {
        self.output
    }

    /// Whether so much waits to be sent that further messages should wait: return with them unconsumed.
    pub fn full(&self) -> bool {
        self.output.is_full()
    }

    /// Whether this answer should say that it is the last one, and the session then close: the worker drains, or it
    /// serves one connection at a time and others wait.
    pub fn draining(&self) -> bool {
        self.draining
    }

    /// When the driver's round began that brought the input: all calls of one round have the same moment. What a
    /// session found out in a round may count as true for the rest of it.
    pub fn now(&self) -> Time {
        self.now
    }

    /// A request is being served now: it stands in `status`, and in the log if the worker dies of it.
    pub fn begin(&mut self, request: &[u8]) {
        self.row.begin(request);
    }

    /// The request was answered; it counts as one.
    pub fn end(&mut self) {
        self.ended = true;
        self.row.end();
    }

    /// An HTTP answer with this status was given, in this time if anybody wants to know.
    pub fn answered(&mut self, status: u16, took: Option<Duration>) {
        self.row.answered(status, took);
    }

    /// Whether a message was answered in this call: the clocks of the next one start anew.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Has every other session of this worker called that waits by [`Flow::Wait`]: what they share has changed. They
    /// are called after this call, once for any number of changes. Other workers hear nothing of it.
    pub fn announce(&mut self) {
        self.announced = true;
    }

    /// Whether this call has [announced](Exchange::announce) something.
    pub fn announced(&self) -> bool {
        self.announced
    }
}

/// A piece of a file to be sent without passing through the worker's memory.
#[derive(Debug, Clone)]
pub struct FileRange {
    /// The open file; its own offset is neither used nor moved.
    pub file: Arc<File>,
    /// Which bytes of it.
    pub range: Range<u64>,
}
