//! The store in a file: SQLite, for all workers of one machine.
//!
//! Each worker opens a connection of its own after the fork, as SQLite asks, and WAL lets all read while one writes.
//! What is committed survives the death of any worker; numbers are given under the one lock on writing, so that nobody
//! can see line 8 before line 7. A worker that dies in the middle of a verb has not begun it.
//!
//! Beside the file stands one of locks: each worker holds the byte of its own number for as long as it lives, so that
//! the others can tell at any time, without asking a pid, whose members have been left alone.

mod keeping;
mod lines;
mod members;
mod pace;

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::time::{ClockId, clock_gettime};
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::store::{
    Answer, Guest, Kept, Line, Member, Pass, Patience, Rate, Refusal, Said, Speaker, Speech, Store, Via,
};
use crate::sys::record_lock::RecordLocks;

/// One worker's connection to the store.
#[derive(Debug)]
pub struct Sqlite {
    db: Connection,
    locks: RecordLocks,
    run: Run,
    keeper: bool,
}

/// Whether the lines are there after the server's end, and after a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// For as long as the server runs.
    UntilStop,
    /// For good.
    ForGood,
}

/// This life of a worker.
#[derive(Debug, Clone, Copy)]
struct Run {
    id: u64,
    via: Via,
}

/// A transaction that writes: all of it is seen at once, or nothing ever.
struct Pen<'a> {
    db: &'a Connection,
    run: Run,
    locks: &'a RecordLocks,
}

/// The byte of the worker that looks after the room.
const KEEPER: u64 = 0;
/// The byte of the worker that makes the file.
const BUILDER: u64 = 1;
/// The byte of the worker whose run has number 0, of which there is none.
const RUNS: u64 = 2;

/// How long a worker waits for another one's write. Each takes well below a millisecond; one that is stopped in the
/// middle of it must not stop all others for ever.
const PATIENCE: Duration = Duration::from_secs(5);

impl Sqlite {
    /// Opens the store, and makes it where there is none.
    ///
    /// # Errors
    /// When the file cannot be opened or is none of ours.
    pub fn open(path: &Path, keeping: Keeping, via: Via) -> io::Result<Self> {
        let locks = RecordLocks::open(&beside(path, "-locks"))?;
        // One by one: two that turn an empty file to WAL get in each other's way.
        locks.lock(BUILDER)?;
        let opened = Self::build(path, keeping, via, locks);
        let mut store = opened.map_err(|cause| io::Error::other(format!("cannot open {path:?}: {cause}")))?;
        store.locks.unlock(BUILDER)?;
        store.begin().map_err(|refusal| io::Error::other(format!("cannot use {path:?}: {refusal:?}")))?;
        Ok(store)
    }

    fn build(path: &Path, keeping: Keeping, via: Via, locks: RecordLocks) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(PATIENCE)?;
        let durable = match keeping {
            Keeping::UntilStop => "OFF",
            Keeping::ForGood => "NORMAL",
        };
        db.pragma_update(None, "synchronous", durable)?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.execute_batch(include_str!("schema.sql"))?;
        Ok(Self { db, locks, run: Run { id: 0, via }, keeper: false })
    }

    /// Takes a number for this run, and its byte. Where nobody else is, all that the room knows of clocks and
    /// connections is of a life before this one.
    fn begin(&mut self) -> Answer<()> {
        let alone = !self.locks.is_any_held_from(RUNS)?;
        let id = self.change(|pen| {
            if alone {
                pen.db.execute("UPDATE members SET heard = ?1, away = NULL", [now()])?;
                pen.db.execute("DELETE FROM pace", ())?;
            }
            pen.db.execute("INSERT INTO workers DEFAULT VALUES", ())?;
            let id = pen.db.last_insert_rowid().cast_unsigned();
            // Before anybody can see the number: a run whose byte is free is taken for dead.
            pen.locks.lock(RUNS + id)?;
            Ok(id)
        })?;
        self.run.id = id;
        Ok(())
    }

    fn change<T>(&mut self, change: impl FnOnce(&Pen<'_>) -> Answer<T>) -> Answer<T> {
        let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let pen = Pen { db: &transaction, run: self.run, locks: &self.locks };
        let done = change(&pen)?;
        transaction.commit()?;
        Ok(done)
    }
}

/// Takes away the store's files, for the master at its end.
///
/// # Errors
/// Those of unlink(2), but for a file that is not there.
pub fn remove(path: &Path) -> io::Result<()> {
    for tail in ["", "-wal", "-shm", "-locks"] {
        match fs::remove_file(beside(path, tail)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Whether a worker has the store open.
///
/// # Errors
/// Those of the file of locks.
pub fn is_used(path: &Path) -> io::Result<bool> {
    let locks = beside(path, "-locks");
    Ok(locks.exists() && RecordLocks::open(&locks)?.is_any_held_from(RUNS)?)
}

fn beside(path: &Path, tail: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(tail);
    name.into()
}

/// Milliseconds of the clock that nobody sets. clock_gettime(2), `CLOCK_MONOTONIC`.
fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(0, |now| millis(now.into()))
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

impl Store for Sqlite {
    fn join(&mut self, guest: &Guest) -> Answer<Member> {
        self.change(|pen| pen.join(guest))
    }

    fn find(&mut self, pass: &Pass) -> Answer<Option<Member>> {
        members::find(&self.db, pass)
    }

    fn say(&mut self, by: &Speaker, speeches: &[Speech], rate: Option<Rate>) -> Answer<Said> {
        self.change(|pen| pen.say(by, speeches, rate))
    }

    fn leave(&mut self, member: u64) -> Answer<bool> {
        self.change(|pen| pen.leave(member))
    }

    fn connect(&mut self, member: u64) -> Answer<u64> {
        self.change(|pen| pen.connect(member))
    }

    fn disconnect(&mut self, member: u64, connection: u64) -> Answer<()> {
        self.change(|pen| pen.disconnect(member, connection))
    }

    fn news(&mut self, after: u64, most: u32) -> Answer<Vec<Line>> {
        lines::news(&self.db, after, most)
    }

    fn last(&mut self) -> Answer<u64> {
        lines::last(&self.db)
    }

    fn present(&mut self) -> Answer<Vec<Member>> {
        members::present(&self.db)
    }

    fn keep(&mut self, patience: &Patience) -> Answer<Kept> {
        self.keeper = self.keeper || self.locks.try_lock(KEEPER)?;
        if self.keeper { keeping::keep(self, patience) } else { Ok(Kept::default()) }
    }

    fn posted(&mut self, up_to: Option<u64>) -> Answer<u64> {
        if let Some(number) = up_to {
            self.db.execute("UPDATE post SET sent = ?1", [number])?;
        }
        Ok(self.db.query_row("SELECT sent FROM post", (), |row| row.get(0))?)
    }
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        let words = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => "no room left on the disk".to_owned(),
            Some(ErrorCode::DatabaseBusy) => format!("another worker writes for longer than {PATIENCE:?}"),
            Some(_) | None => error.to_string(),
        };
        Self::Trouble(words)
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Trouble(error.to_string())
    }
}

#[cfg(test)]
mod tests;
