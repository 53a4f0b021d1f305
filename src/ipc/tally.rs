//! What is counted of answers and of deaths: in each row by its child, and for the server as a whole by the master.
//!
//! Behind the rows of the scoreboard lies one more, the master's. When a child is gone, what it counted is added there
//! before its row is cleared, so that no total ever falls. A reader takes the master's row and those of the living together;
//! a number around which the master changes them tells it to look again.

use std::{
    collections::BTreeMap,
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
        fence,
    },
    time::Duration,
};

use super::{
    ident::Slot,
    reading::State,
    row::{Cells, Phase, Row, WORDS, Word, Words},
    scoreboard::ROWS,
};

/// The upper bounds of the classes of time that an answer takes, in microseconds. What takes longer has a class of its own.
pub const BOUNDS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000,
];

/// The classes of statuses, `2xx` to `5xx`.
pub const CLASSES: usize = 4;

/// Where these words lie in every row, behind those that [`Word`] names.
pub(super) const STATUS: usize = 32;
const LATENCY: usize = STATUS + CLASSES;
const TOOK: usize = LATENCY + BOUNDS.len() + 1;
pub(super) const END: usize = TOOK + 1;

/// Whose row it is: the slot that the child fills.
const SLOT: usize = END;

/// Where the master's own words lie in its row. The counts of the dead stand where a child has its own.
const SEQUENCE: usize = Word::Sequence as usize;
const FRESH: usize = Word::Since as usize;
const SPAWNED: usize = Word::Length as usize;
const RESTARTS: usize = Word::Text as usize;

/// The counts that are added up.
const SUMS: [usize; 4] =
    [Word::Accepted as usize, Word::Requests as usize, Word::BytesIn as usize, Word::BytesOut as usize];

/// How often a reader looks again at totals that change under its eyes.
const LOOKS: usize = 8;

/// Why a worker had to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// It ended unasked, by a signal or with an exit code other than 0.
    Crashed,
    /// It ended unasked, and well.
    Ended,
    /// It was not ready in time.
    Boot,
    /// It did not drain in time.
    Drain,
    /// A new generation took over.
    Reload,
    /// It gave no sign of life.
    Liveness,
    /// It worked for too long at one request.
    Request,
    /// It had answered its share of requests.
    MaxRequests,
    /// It had too much memory in use.
    MaxMemory,
    /// It had lived for long enough.
    MaxAge,
}

impl Restart {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Crashed,
        Self::Ended,
        Self::Boot,
        Self::Drain,
        Self::Reload,
        Self::Liveness,
        Self::Request,
        Self::MaxRequests,
        Self::MaxMemory,
        Self::MaxAge,
    ];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Crashed => "crashed",
            Self::Ended => "ended",
            Self::Boot => "boot-timeout",
            Self::Drain => "drain-timeout",
            Self::Reload => "reload",
            Self::Liveness => "liveness-timeout",
            Self::Request => "request-timeout",
            Self::MaxRequests => "max-requests",
            Self::MaxMemory => "max-memory",
            Self::MaxAge => "max-age",
        }
    }
}

/// What a server has done since it was started, and what it does now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Connections taken.
    pub accepted: u64,
    /// Requests answered.
    pub requests: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// HTTP answers by class, `2xx` first.
    pub statuses: [u64; CLASSES],
    /// Timed answers by the class of [`BOUNDS`] that they fall into, the slowest last.
    pub latency: [u64; BOUNDS.len() + 1],
    /// The time that those took together, in microseconds.
    pub took: u64,
    /// Connections that are open.
    pub active: u64,
    /// Workers by what they do.
    pub workers: Vec<(State, u64)>,
    /// Connections that the living have taken, by slot.
    pub slots: BTreeMap<u64, u64>,
    /// Workers that were forked.
    pub spawned: u64,
    /// Workers that were replaced, by reason.
    pub restarts: Vec<(Restart, u64)>,
}

impl Row {
    /// It is that of a child in this slot.
    pub fn fills(&self, slot: Slot) {
        self.cells().0[SLOT].store(slot.number().into(), Relaxed);
    }

    /// An HTTP answer with this status was given, in this time if anybody wants to know.
    pub fn answered(&self, status: u16, took: Option<Duration>) {
        let cells = self.cells();
        if let Some(class) = usize::from(status / 100).checked_sub(2).filter(|class| *class < CLASSES) {
            cells.count(STATUS + class, 1);
        }
        if let Some(took) = took {
            let micros = took.as_micros() as u64;
            let class = BOUNDS.iter().position(|bound| micros <= *bound).unwrap_or(BOUNDS.len());
            cells.count(LATENCY + class, 1);
            cells.count(TOOK, micros);
        }
    }

    /// What the whole server has done and does; `None` for a row that is no server's.
    pub fn totals(&self) -> Option<Totals> {
        let board = self.board()?;
        // Whatever the last look found is good for eyes, even if the master changed it meanwhile.
        (0..LOOKS).find_map(|_| look(board)).or_else(|| Some(add_up(board)))
    }

    /// All rows of its server.
    fn board(&self) -> Option<Board<'_>> {
        match &self.words {
            Words::Shared(memory) => {
                let rows = memory.words().as_chunks().0;
                Some(Board { rows, server: Cells(rows.get(ROWS as usize)?) })
            }
            Words::Private(_) => None,
        }
    }
}

/// The rows of a server, and the master's behind them.
#[derive(Clone, Copy)]
struct Board<'a> {
    rows: &'a [[AtomicU64; WORDS]],
    server: Cells<'a>,
}

/// One look at everything; `None` if the master changed something meanwhile.
fn look(board: Board<'_>) -> Option<Totals> {
    let before = board.server.at(SEQUENCE);
    fence(Acquire);
    let totals = add_up(board);
    fence(Acquire);
    (before.is_multiple_of(2) && board.server.at(SEQUENCE) == before).then_some(totals)
}

fn add_up(Board { rows, server }: Board<'_>) -> Totals {
    let mut totals = Totals { spawned: server.at(SPAWNED), ..Totals::default() };
    totals.restarts = Restart::ALL.into_iter().map(|why| (why, server.at(RESTARTS + why as usize))).collect();
    totals.workers = State::ALL.into_iter().map(|state| (state, 0)).collect();
    totals.add(server);
    // The number is the master's, but anybody can write it: there are no more rows than there are.
    let taken = usize::try_from(server.at(FRESH)).unwrap_or(usize::MAX);
    for row in rows.iter().take(taken.min(ROWS as usize)).map(Cells) {
        if row.get(Word::Phase) == Phase::Gone as u64 || !Phase::is_one(row.get(Word::Phase)) {
            continue;
        }
        totals.add(row);
        // A child may write any number there, and none is worth more than its own row.
        let taken = totals.slots.entry(row.at(SLOT)).or_default();
        *taken = taken.wrapping_add(row.get(Word::Accepted));
        let active = row.get(Word::Accepted).saturating_sub(row.get(Word::Closed));
        totals.active = totals.active.wrapping_add(active);
        let state = super::reading::state(row.get(Word::Phase), active > 0);
        for (_, count) in totals.workers.iter_mut().filter(|(other, _)| *other == state) {
            *count += 1;
        }
    }
    totals
}

impl Totals {
    fn add(&mut self, row: Cells<'_>) {
        let [accepted, requests, bytes_in, bytes_out] = SUMS.map(|word| row.at(word));
        for (sum, count) in [
            (&mut self.accepted, accepted),
            (&mut self.requests, requests),
            (&mut self.bytes_in, bytes_in),
            (&mut self.bytes_out, bytes_out),
            (&mut self.took, row.at(TOOK)),
        ] {
            *sum = sum.wrapping_add(count);
        }
        for (place, sum) in self.statuses.iter_mut().chain(&mut self.latency).enumerate() {
            *sum = sum.wrapping_add(row.at(STATUS + place));
        }
    }
}

/// The master's side: its row, which nobody else writes.
impl Cells<'_> {
    /// So many rows were taken at some time.
    pub(super) fn note_fresh(self, rows: u32) {
        self.0[FRESH].store(rows.into(), Relaxed);
    }

    /// So many workers were forked, and replaced for each reason.
    pub(super) fn note_lives(self, spawned: u64, restarts: &[u64; Restart::ALL.len()]) {
        self.0[SPAWNED].store(spawned, Relaxed);
        for (cell, count) in self.0[RESTARTS..].iter().zip(restarts) {
            cell.store(*count, Relaxed);
        }
    }

    /// Takes over what a child counted that is gone, and clears its row.
    pub(super) fn inherit(self, child: Cells<'_>) {
        let sequence = self.at(SEQUENCE) | 1;
        self.0[SEQUENCE].store(sequence, Relaxed);
        // Whoever sees one of the stores below also sees the odd number above.
        fence(Release);
        for word in SUMS.into_iter().chain(STATUS..END) {
            self.count(word, child.at(word));
        }
        child.0.iter().for_each(|word| word.store(0, Relaxed));
        child.set(Word::Phase, Phase::Gone as u64);
        // Whoever sees the even number also sees the stores above.
        fence(Release);
        self.0[SEQUENCE].store(sequence.wrapping_add(1), Relaxed);
    }

    pub(super) fn at(self, word: usize) -> u64 {
        self.0[word].load(Relaxed)
    }

    pub(super) fn count(self, word: usize, count: u64) {
        self.0[word].store(self.at(word).wrapping_add(count), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::scoreboard::Scoreboard;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn totals_are_those_of_the_living_and_the_dead() {
        let mut board = Scoreboard::new().unwrap();
        let (one, other) = (board.take().unwrap(), board.take().unwrap());
        for (id, slot) in [(one, 1), (other, 2)] {
            let row = board.row(id);
            row.fills(Slot::new(slot));
            row.ready();
            row.accepted();
            row.bytes_out(100);
            for status in [200, 206, 404, 503, 99, 600] {
                row.end();
                row.answered(status, Some(MILLI));
            }
        }
        let before = board.row(one).totals().unwrap();
        assert_eq!((before.requests, before.statuses, before.bytes_out), (12, [4, 0, 2, 2], 200));
        assert_eq!((before.latency[3], before.took, before.active), (12, 12_000, 2));
        board.give_back(one);
        let after = board.row(other).totals().unwrap();
        assert_eq!((after.requests, after.statuses, after.latency), (12, [4, 0, 2, 2], before.latency));
        assert_eq!((after.accepted, after.active), (2, 1));
        assert_eq!(before.slots, BTreeMap::from([(1, 1), (2, 1)]));
        assert_eq!(after.slots, BTreeMap::from([(2, 1)]));
        let busy =
            |totals: &Totals| totals.workers.iter().find(|(state, _)| *state == State::Busy).map(|(_, n)| *n);
        assert_eq!((busy(&before), busy(&after)), (Some(2), Some(1)));
        assert_eq!(board.take(), Some(one), "the row is taken again, and counts from nothing");
        assert_eq!(board.row(other).totals().unwrap().requests, 12);
    }

    #[test]
    fn an_answer_falls_into_the_first_class_that_holds_it() {
        let mut board = Scoreboard::new().unwrap();
        let row = board.take().map(|id| board.row(id)).unwrap();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            row.answered(200, Some(Duration::from_micros(micros)));
        }
        row.answered(200, None);
        let latency = row.totals().unwrap().latency;
        assert_eq!((latency[0], latency[1], latency[15], latency[16]), (2, 1, 1, 1));
        assert_eq!(Row::detached().totals(), None);
    }

    #[test]
    fn a_child_that_scribbles_harms_no_reader() {
        let mut board = Scoreboard::new().unwrap();
        let row = board.take().map(|id| board.row(id)).unwrap();
        let words = row.board().unwrap();
        words.rows[0].iter().chain(words.server.0).for_each(|word| word.store(u64::MAX, Relaxed));
        assert!(row.totals().is_some());
    }
}
