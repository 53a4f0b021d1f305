//! Looking after the room: one worker does, whichever holds the lock of the keeper. When it dies, the lock is free.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::{
    super::store::{Answer, Door, Kept, Member, Patience},
    Pen, RUNS, Sqlite,
    members::{addresses, all, number},
    millis, now,
};

/// How many lines may be too many before they are thrown away: not one by one.
const SPARE: u64 = 1000;

/// What there is to do, found by reading alone.
#[derive(Debug, Default)]
struct Chores {
    /// Runs of workers that have ended.
    dead: Vec<u64>,
    /// Whether members were too long away, or silent.
    late: bool,
    /// Lines up to this number are too old.
    old: Option<u64>,
}

pub fn keep(store: &mut Sqlite, patience: &Patience) -> Answer<Kept> {
    let chores = Chores::find(store, patience)?;
    let mut kept = Kept { keeper: true, ..Kept::default() };
    if !chores.is_done() {
        let (told, mut gone) = store.change(|pen| pen.do_chores(&chores, patience))?;
        gone.retain(|gone| gone.door == Door::Datagrams);
        (kept.told, kept.silent) = (told, addresses(&gone));
    }
    kept.again = next(store, patience)?;
    Ok(kept)
}

impl Chores {
    fn find(store: &Sqlite, patience: &Patience) -> Answer<Self> {
        let runs: Vec<u64> = store
            .db
            .prepare_cached("SELECT id FROM workers WHERE id <> ?1")?
            .query_map([store.run.id], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let mut dead = Vec::new();
        for run in runs {
            if !store.locks.is_held(RUNS + run)? {
                dead.push(run);
            }
        }
        let late = !late(&store.db, patience)?.is_empty();
        let span = "SELECT coalesce(min(number), 0), coalesce(max(number), 0) FROM lines";
        let (first, last): (u64, u64) =
            store.db.prepare_cached(span)?.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let old = last.checked_sub(patience.lines).filter(|old| *old > first.saturating_add(SPARE));
        Ok(Self { dead, late, old })
    }

    fn is_done(&self) -> bool {
        self.dead.is_empty() && !self.late && self.old.is_none()
    }
}

impl Pen<'_> {
    /// Whether any of it is worth a line, and who is gone.
    fn do_chores(&self, chores: &Chores, patience: &Patience) -> Answer<(bool, Vec<Member>)> {
        let mut told = false;
        // Asked again now that nobody else writes: whoever has come back meanwhile stays.
        let gone = late(self.db, patience)?;
        for member in &gone {
            told |= self.leave(member.id)?;
        }
        for run in &chores.dead {
            // A connection over TCP ended with its worker. A page comes back by itself, to any worker; one who writes
            // datagrams has noticed nothing.
            for member in all(self.db, "worker = ?1 AND door = ?2", params![run, number(Door::Lines)])? {
                told |= self.leave(member.id)?;
            }
            self.db.execute(
                "UPDATE members SET away = ?2 WHERE worker = ?1 AND door = ?3 AND away IS NULL",
                params![run, now(), number(Door::Browser)],
            )?;
            self.db.execute("DELETE FROM workers WHERE id = ?1", [run])?;
        }
        if let Some(old) = chores.old {
            self.db.execute("DELETE FROM lines WHERE number <= ?1", [old])?;
        }
        Ok((told, gone))
    }
}

/// Members who were too long away, or silent.
fn late(db: &Connection, patience: &Patience) -> Answer<Vec<Member>> {
    let (away, silence) = (now() - millis(patience.away), now() - millis(patience.silence));
    let late = "away <= ?1 OR (door = ?2 AND heard <= ?3)";
    all(db, late, params![away, number(Door::Datagrams), silence])
}

/// How long until the next member will have been away or silent for too long.
fn next(store: &Sqlite, patience: &Patience) -> Answer<Option<Duration>> {
    let query = "SELECT min(due) FROM (
            SELECT away + ?1 AS due FROM members WHERE away IS NOT NULL
            UNION ALL SELECT heard + ?2 FROM members WHERE door = ?3)";
    let values = params![millis(patience.away), millis(patience.silence), number(Door::Datagrams)];
    let due: Option<i64> = store.db.prepare_cached(query)?.query_row(values, |row| row.get(0))?;
    Ok(due.map(|due| Duration::from_millis((due - now()).max(1).cast_unsigned())))
}
