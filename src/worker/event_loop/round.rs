//! A round in three acts: what has come is read, then answered, then sent.
//!
//! How the kernel reads, how it sends and how a request is answered are three bodies of code, each about as large as the
//! first cache of a processor. By turns, every request has to fetch all three anew; in three acts they are fetched once
//! for many.
//!
//! The price is that an answer waits for those of its neighbours. So where answers take long, fewer are made at a time.

use std::{mem, ops::Range, time::Duration};

use super::{engine::Engine, table::Key};
use crate::{
    process::clock::Time,
    worker::{output::Output, session::Application, step::Step},
};

/// What was read and is not answered yet, by any of the connections: none keeps a buffer of its own.
#[derive(Debug)]
pub struct Inbox {
    buffer: Box<[u8]>,
    arrived: Vec<(Key, Range<usize>)>,
    /// How much of the buffer they take.
    filled: usize,
}

/// How much is read at once, and in one round. So much comes as fresh pages of the kernel's, of which only those count
/// that are used.
const BUFFER: usize = 256 * 1024;

/// With less room than this, what was read is answered before more is.
const ROOM: usize = 64 * 1024;

/// Where answers are made before the first of them is sent.
#[derive(Debug, Default)]
pub struct Outbox {
    outputs: Vec<Output>,
    /// How many are made at a time.
    together: usize,
}

/// How long an answer may wait for others that are made behind it.
const PATIENCE: Duration = Duration::from_micros(200);

/// With so many bytes in it the outbox is sent: more would not be in the cache any more when their turn comes.
const ENOUGH: usize = 64 * 1024;

impl Inbox {
    /// An inbox with nothing in it.
    pub fn new() -> Self {
        Self { buffer: vec![0; BUFFER].into_boxed_slice(), arrived: Vec::new(), filled: 0 }
    }

    /// Where to read to.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Where the first `count` bytes of the room lie.
    pub fn place(&self, count: usize) -> Range<usize> {
        self.filled..self.filled + count
    }

    /// What lies there.
    pub fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }

    /// Keeps what was read until it is answered.
    fn keep(&mut self, key: Key, place: Range<usize>) {
        self.filled = place.end;
        self.arrived.push((key, place));
    }
}

impl Outbox {
    /// Room for so many answers at a time.
    pub fn new(answers: usize) -> Self {
        Self { outputs: (0..answers).map(|_| Output::new()).collect(), together: 1 }
    }

    /// Gives its memory back.
    pub fn let_go(&mut self) {
        self.outputs.fill_with(Output::new);
    }

    /// Makes fewer answers at a time where these took long, and more where they did not.
    fn learn(&mut self, took: Duration) {
        self.together = if took > PATIENCE { 1 } else { (self.together * 2).min(self.outputs.len()) };
    }
}

impl<A: Application> Engine<'_, A> {
    /// The first act, for one connection.
    pub(super) fn take(&mut self, key: Key) {
        if let Some(place) = self.receive(key) {
            self.inbox.keep(key, place);
            if self.inbox.room().len() < ROOM {
                self.settle();
            }
        }
    }

    /// The other two: answers everyone who was read from, and sends the answers.
    pub(super) fn settle(&mut self) {
        let mut arrived = mem::take(&mut self.inbox.arrived);
        let mut outbox = mem::take(&mut self.outbox);
        let mut rest = arrived.as_slice();
        while !rest.is_empty() {
            let (now, others) = rest.split_at(self.answer(rest, &mut outbox));
            for ((key, _), output) in now.iter().zip(&mut outbox.outputs) {
                self.finish(*key, Step::Bytes, output);
            }
            rest = others;
        }
        arrived.clear();
        (self.inbox.arrived, self.inbox.filled, self.outbox) = (arrived, 0, outbox);
    }

    /// Makes the answers of the first of these, and says of how many.
    fn answer(&mut self, arrived: &[(Key, Range<usize>)], outbox: &mut Outbox) -> usize {
        let begun = Time::now();
        let (mut made, mut bytes) = (0, 0);
        for ((key, place), output) in arrived.iter().zip(&mut outbox.outputs).take(outbox.together) {
            self.call(*key, Step::Bytes, place.clone(), output);
            made += 1;
            bytes += output.gathered();
            if bytes > ENOUGH {
                break;
            }
        }
        outbox.learn(Time::now().since(begun));
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_take_long_are_sent_one_by_one() {
        let mut outbox = Outbox::new(5);
        let mut together = |took| {
            outbox.learn(took);
            outbox.together
        };
        assert_eq!([PATIENCE; 4].map(&mut together), [2, 4, 5, 5]);
        assert_eq!([PATIENCE * 2, PATIENCE * 2, PATIENCE / 2].map(together), [1, 1, 2]);
    }
}
