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

use std::{fs::File, ops::Range, sync::Arc};

use super::output::Output;
use crate::ipc::row::Row;
pub use crate::listener::PeerAddress;

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

    /// The peer will send no more; what it sent before stands unconsumed in the input.
    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        let _ = io;
        Flow::Close
    }

    /// The worker begins to drain, and this session waits for bytes; one whose answer is being sent is not told, and sees
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
    /// Nothing: send what is written, then close.
    Close,
    /// Nothing, but the peer may still be sending: send what is written, end our direction, read and discard for a
    /// moment, then close. A plain close would let the kernel reset the connection and destroy the answer.
    CloseLingering,
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

/// What makes a session for each connection: one value per worker, made after the fork.
pub trait Application {
    /// The state of one connection.
    type Session: Session;

    /// A connection was accepted.
    fn open(&self, peer: &Peer) -> Self::Session;
}

/// The datagram twin of a [`Session`]: one value per worker and socket, no connection.
pub trait Datagrams {
    /// One datagram came; `reply` sends datagrams back.
    fn on_datagram(&mut self, peer: &Peer, bytes: &[u8], reply: &mut dyn FnMut(&[u8]));
}

/// What one call of a session sees: the bytes that wait, the bytes to send, and the worker's row.
pub struct Exchange<'a> {
    input: &'a [u8],
    consumed: usize,
    output: &'a mut Output,
    row: &'a Row,
    draining: bool,
    ended: bool,
}

impl<'a> Exchange<'a> {
    /// How many bytes a session may leave unconsumed; a driver closes a connection that has more.
    pub const MAX_UNCONSUMED: usize = 1 << 20;

    /// A call's view, made by a driver.
    pub fn new(input: &'a [u8], output: &'a mut Output, row: &'a Row, draining: bool) -> Self {
        Self { input, consumed: 0, output, row, draining, ended: false }
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

    /// A request is being served now: it stands in `status`, and in the log if the worker dies of it.
    pub fn begin(&mut self, request: &[u8]) {
        self.row.begin(request);
    }

    /// The request was answered; it counts as one.
    pub fn end(&mut self) {
        self.ended = true;
        self.row.end();
    }

    /// Whether a message was answered in this call: the clocks of the next one start anew.
    pub fn ended(&self) -> bool {
        self.ended
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
