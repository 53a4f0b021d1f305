//! One call of a session, the same for every driver: what it sees, what it leaves, and what its answer means.
//!
//! A driver reads bytes, takes a [`step`], sends what was written, and does what [`Then`] says. The session's own
//! code runs here and nowhere else, so this is where its panics end.

use std::time::Duration;

use super::{
    guard,
    limits::Limits,
    output::{Behind, Output},
    session::{Exchange, Flow, Limit, Session, Wake},
};
use crate::{ipc::row::Row, process::clock::Time};

/// Why a session is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was accepted.
    Open,
    /// Bytes have come, or were left over when the output was full.
    Bytes,
    /// The peer will send no more.
    End,
    /// The worker begins to drain.
    Drain,
    /// That limit has passed.
    Late(Limit),
    /// What it waited for has come.
    Wake(Wake),
}

/// What a driver does once everything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Waits for bytes.
    Read(Limit),
    /// Waits for what it waited for.
    Stay,
    /// Waits for news, for this long at most.
    Wait(Option<Duration>),
    /// Waits for bytes and for news.
    Talk,
    /// Calls again: whole messages may be left over.
    Again,
    /// Closes.
    Close,
    /// Ends its own direction, reads on for a moment, then closes.
    Farewell,
}

impl Then {
    /// What comes behind the bytes that the session wrote last.
    pub fn behind(self) -> Behind {
        match self {
            Self::Read(_) | Self::Stay | Self::Wait(_) | Self::Talk | Self::Again => Behind::More,
            Self::Close | Self::Farewell => Behind::End,
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// What comes next.
    pub then: Then,
    /// How much of the input is done with.
    pub consumed: usize,
    /// Whether a message was answered.
    pub ended: bool,
    /// Whether the sessions that wait are to be called.
    pub announced: bool,
}

/// Calls the session.
///
/// # Errors
/// The words of its panic: it must not be called again, and what it wrote in this call is not to be sent.
pub fn step<S: Session>(
    session: &mut S,
    step: Step,
    input: &[u8],
    output: &mut Output,
    row: &Row,
    draining: bool,
    now: Time,
) -> Result<Taken, String> {
    let mut io = Exchange::new(input, output, row, draining, now);
    // The road of nearly every call is a test away: a jump by table costs more than what it chooses from.
    let flow = guard::contain(|| {
        if step == Step::Bytes { session.on_bytes(&mut io) } else { call(session, step, &mut io) }
    })?;
    let (consumed, ended, announced) = (io.consumed(), io.ended(), io.announced());
    let left = input.len() - consumed;
    let then = if let Flow::Read(limit) = flow
        && left == 0
        && step == Step::Bytes
    {
        Then::Read(limit)
    } else {
        after(flow, step, left, &io)
    };
    Ok(Taken { then, consumed, ended, announced })
}

#[inline(never)]
fn call<S: Session>(session: &mut S, step: Step, io: &mut Exchange<'_>) -> Flow {
    match step {
        Step::Open => session.on_open(io),
        Step::Bytes => session.on_bytes(io),
        Step::End => session.on_end(io),
        Step::Drain => session.on_drain(io),
        Step::Late(limit) => session.on_timeout(io, limit),
        Step::Wake(wake) => session.on_wake(io, wake),
    }
}

/// What comes next, with so much of the input left.
#[inline(never)]
fn after(flow: Flow, step: Step, left: usize, io: &Exchange<'_>) -> Then {
    match flow {
        Flow::Close => Then::Close,
        Flow::CloseLingering => Then::Farewell,
        Flow::Read(_) | Flow::Talk | Flow::Stay if left > 0 && io.consumed() > 0 && io.full() => Then::Again,
        // Nothing will come any more that it could wait for.
        Flow::Read(_) | Flow::Talk if step == Step::End => Then::Close,
        Flow::Read(_) | Flow::Talk | Flow::Stay | Flow::Wait(_) if left > Exchange::MAX_UNCONSUMED => {
            Then::Close
        }
        Flow::Read(limit) => Then::Read(limit),
        Flow::Stay => Then::Stay,
        Flow::Wait(time) => Then::Wait(time),
        Flow::Talk => Then::Talk,
    }
}

/// What a session has left of its input, until there is more.
#[derive(Debug, Default)]
pub struct Kept(Vec<u8>);

impl Kept {
    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was kept, with the fresh bytes behind it; the fresh ones alone are not copied.
    pub fn join<'a>(&'a mut self, fresh: &'a [u8]) -> &'a [u8] {
        if self.0.is_empty() {
            return fresh;
        }
        self.0.extend_from_slice(fresh);
        &self.0
    }

    /// Keeps what is left of the same bytes after a step consumed so much of them.
    pub fn keep(&mut self, fresh: &[u8], consumed: usize) {
        if self.0.is_empty() {
            self.0.extend_from_slice(&fresh[consumed..]);
        } else if consumed == self.0.len() {
            // No memory is held for a connection that is idle.
            self.0 = Vec::new();
        } else {
            self.0.drain(..consumed);
        }
    }
}

/// Whether the clock starts anew for a session that waited for `before` and now waits for `after`.
///
/// `progress` counts the bytes of a body since its clock began.
pub fn restarts(
    before: Option<Limit>,
    after: Limit,
    received: usize,
    ended: bool,
    progress: &mut u64,
) -> bool {
    *progress += received as u64;
    let anew = before != Some(after)
        || ended
        || match after {
            Limit::Idle => received > 0,
            Limit::Header => false,
            Limit::Body => *progress >= Limits::PROGRESS,
        };
    if anew {
        *progress = 0;
    }
    anew
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Lines;

    impl Session for Lines {
        fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
            while let Some(end) = io.input().iter().position(|byte| *byte == b'\n') {
                assert!(io.input()[0] != b'!', "a bad line");
                io.output().write(&[b'x'; 100_000]);
                io.consume(end + 1);
                io.end();
                if io.full() {
                    break;
                }
            }
            Flow::Read(if io.input().is_empty() { Limit::Idle } else { Limit::Header })
        }
    }

    fn take(kind: Step, input: &[u8]) -> Result<Taken, String> {
        step(&mut Lines, kind, input, &mut Output::new(), &Row::detached(), false, Time::ZERO)
    }

    #[test]
    fn a_session_that_stopped_because_the_output_is_full_is_called_again() {
        let some = take(Step::Bytes, b"a\nb\nc").unwrap();
        assert_eq!(
            some,
            Taken { then: Then::Read(Limit::Header), consumed: 4, ended: true, announced: false }
        );
        let full = take(Step::Bytes, b"a\nb\nc\nd\n").unwrap();
        assert_eq!(full, Taken { then: Then::Again, consumed: 6, ended: true, announced: false });
        // All was consumed: there is nothing to call it for.
        assert_eq!(take(Step::Bytes, b"a\nb\nc\n").unwrap().then, Then::Read(Limit::Idle));
    }

    #[test]
    fn after_the_end_there_is_nothing_to_wait_for() {
        assert_eq!(take(Step::End, b"half").unwrap().then, Then::Close);
    }

    #[test]
    fn what_nobody_consumes_is_bounded() {
        assert_eq!(take(Step::Bytes, &[b'x'; 1 << 20]).unwrap().then, Then::Read(Limit::Header));
        assert_eq!(take(Step::Bytes, &[b'x'; (1 << 20) + 1]).unwrap().then, Then::Close);
    }

    #[test]
    fn a_panic_is_an_error() {
        assert!(take(Step::Bytes, b"!\n").unwrap_err().contains("a bad line"));
    }

    #[test]
    fn input_is_kept_while_it_is_partial_and_no_longer() {
        let mut kept = Kept::default();
        assert_eq!(kept.join(b"one\ntw"), b"one\ntw");
        kept.keep(b"one\ntw", 4);
        assert_eq!(kept.join(b"o\nth"), b"two\nth");
        kept.keep(b"o\nth", 4);
        assert_eq!(kept.join(b"ree\n"), b"three\n");
        kept.keep(b"ree\n", 6);
        assert!(kept.is_empty() && kept.0.capacity() == 0);
    }

    #[test]
    fn a_dripping_client_does_not_push_back_the_clock_of_a_header() {
        let mut progress = 0;
        assert!(restarts(Some(Limit::Idle), Limit::Header, 1, false, &mut progress));
        assert!(!restarts(Some(Limit::Header), Limit::Header, 1, false, &mut progress));
        // Another message was answered in between: this is the head of the next one.
        assert!(restarts(Some(Limit::Header), Limit::Header, 1, true, &mut progress));
        assert!(restarts(Some(Limit::Header), Limit::Body, 1, false, &mut progress));
        assert!(!restarts(Some(Limit::Body), Limit::Body, 16_000, false, &mut progress));
        assert!(restarts(Some(Limit::Body), Limit::Body, 16_000, false, &mut progress));
        assert!(restarts(Some(Limit::Idle), Limit::Idle, 1, false, &mut progress));
        assert!(!restarts(Some(Limit::Idle), Limit::Idle, 0, false, &mut progress));
    }
}
