//! The latest lines in memory: read once for a worker, however many of its members want them.

use std::{collections::VecDeque, rc::Rc};

use super::store::{Answer, Line, Store};

/// Lines without a gap, up to the last one that this worker has seen.
#[derive(Debug)]
pub struct Feed {
    lines: VecDeque<Rc<Line>>,
    /// What stands before the first of them is in the store alone.
    before: u64,
    last: u64,
}

impl Feed {
    /// How many are kept. A reader who is further behind has them read from the store.
    const KEPT: usize = 512;
    /// How many are read at once.
    const CHUNK: u32 = 128;

    /// A feed that begins behind this line.
    pub fn from(last: u64) -> Self {
        Self { lines: VecDeque::new(), before: last, last }
    }

    /// The last line's number.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Reads what is new; whether there was anything.
    pub fn read(&mut self, store: &mut dyn Store) -> Answer<bool> {
        let begin = self.last;
        loop {
            let lines = store.news(self.last, Self::CHUNK)?;
            let count = lines.len();
            for line in lines {
                self.last = line.number;
                self.lines.push_back(Rc::new(line));
            }
            while self.lines.len() > Self::KEPT {
                self.before = self.lines.pop_front().map_or(self.before, |line| line.number);
            }
            if count < Self::CHUNK as usize {
                return Ok(self.last > begin);
            }
        }
    }

    /// Some lines behind number `after`, the oldest first, none beyond the last that was read; nothing at the end.
    pub fn after(&self, after: u64, store: &mut dyn Store) -> Answer<Vec<Rc<Line>>> {
        if after < self.before {
            let lines = store.news(after, Self::CHUNK)?;
            return Ok(lines.into_iter().filter(|line| line.number <= self.last).map(Rc::new).collect());
        }
        let first = self.lines.partition_point(|line| line.number <= after);
        Ok(self.lines.iter().skip(first).take(Self::CHUNK as usize).cloned().collect())
    }
}
