//! Who is here.

use std::net::SocketAddr;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::store::{Answer, Door, Guest, Member, Pass, Refusal, Via},
    Pen, RUNS,
    lines::Entry,
    now,
};
use crate::protocol::chat::Name;

/// How many members may come by datagrams: their addresses can be forged, and each gets every line.
const BY_DATAGRAM: u64 = 256;

const COLUMNS: &str = "id, name, door, slot, pid, since, address";

/// A member as it stands in a row of [`COLUMNS`].
fn read(row: &Row<'_>) -> rusqlite::Result<Member> {
    let address: Option<String> = row.get(6)?;
    Ok(Member {
        id: row.get(0)?,
        name: name(row, 1)?,
        door: door(row, 2)?,
        via: Via { slot: row.get(3)?, pid: row.get(4)? },
        since: row.get(5)?,
        address: address.and_then(|text| text.parse().ok()),
    })
}

/// The name in a column: only names were ever written there.
pub fn name(row: &Row<'_>, column: usize) -> rusqlite::Result<Name> {
    let text: String = row.get(column)?;
    Name::any(&text).map_err(|_| rusqlite::Error::InvalidQuery)
}

/// The door in a column.
pub fn door(row: &Row<'_>, column: usize) -> rusqlite::Result<Door> {
    let number: usize = row.get(column)?;
    Door::ALL.get(number).copied().ok_or(rusqlite::Error::IntegralValueOutOfRange(column, 0))
}

/// A door's number in a column.
pub fn number(door: Door) -> usize {
    Door::ALL.iter().position(|other| *other == door).unwrap_or_default()
}

pub fn find(db: &Connection, pass: &Pass) -> Answer<Option<Member>> {
    let found = match pass {
        Pass::Address(address) => by(db, "address = ?1", [address.to_string()])?,
        Pass::Secret { member, secret } => by(db, "id = ?1 AND secret = ?2", params![member, secret])?,
    };
    Ok(found)
}

pub fn present(db: &Connection) -> Answer<Vec<Member>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM members ORDER BY id"))?;
    let members = query.query_map((), read)?.collect::<Result<_, _>>()?;
    Ok(members)
}

/// The members for whom this holds.
pub fn all(db: &Connection, condition: &str, values: impl rusqlite::Params) -> Answer<Vec<Member>> {
    let mut query =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM members WHERE {condition} ORDER BY id"))?;
    let members = query.query_map(values, read)?.collect::<Result<_, _>>()?;
    Ok(members)
}

fn by(db: &Connection, condition: &str, values: impl rusqlite::Params) -> rusqlite::Result<Option<Member>> {
    let mut query = db.prepare_cached(&format!("SELECT {COLUMNS} FROM members WHERE {condition}"))?;
    query.query_row(values, read).optional()
}

impl Pen<'_> {
    pub fn join(&self, guest: &Guest) -> Answer<Member> {
        self.admit(guest)?;
        let (address, secret) = match &guest.pass {
            None => (None, None),
            Some(Pass::Address(address)) => (Some(address.to_string()), None),
            Some(Pass::Secret { secret, .. }) => (None, Some(secret)),
        };
        let Via { slot, pid } = self.run.via;
        self.db
            .prepare_cached(
                "INSERT INTO members (key, name, door, worker, slot, pid, since, address, secret, heard, away)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                guest.name.key(),
                guest.name.as_str(),
                number(guest.door),
                self.run.id,
                slot,
                pid,
                address,
                secret,
                now(),
                // A page that was let in has yet to connect.
                (guest.door == Door::Browser).then(now),
            ])?;
        let mut member =
            self.member(self.db.last_insert_rowid().cast_unsigned())?.ok_or(Refusal::Stranger)?;
        member.since = self.write(&Entry::of(&member, super::lines::JOINED))?;
        self.db
            .prepare_cached("UPDATE members SET since = ?2 WHERE id = ?1")?
            .execute([member.id, member.since])?;
        Ok(member)
    }

    /// Whether there is room for this one.
    fn admit(&self, guest: &Guest) -> Answer<()> {
        if let Some(pass @ Pass::Address(_)) = &guest.pass {
            if let Some(member) = find(self.db, pass)? {
                return Err(Refusal::Already(member.name));
            }
            let count = "SELECT count(*) FROM members WHERE door = ?1";
            let count: u64 = self.db.query_row(count, [number(Door::Datagrams)], |row| row.get(0))?;
            if count >= BY_DATAGRAM {
                return Err(Refusal::Full);
            }
        }
        match self.named(&guest.name)? {
            // Whoever had it has lost the connection with the worker, and nobody has looked after that yet.
            Some(ghost) if ghost.door == Door::Lines && self.is_left_alone(ghost.id)? => {
                self.leave(ghost.id).map(drop)
            }
            Some(_) => Err(Refusal::Taken(guest.name.clone())),
            None => Ok(()),
        }
    }

    fn is_left_alone(&self, member: u64) -> Answer<bool> {
        let worker = "SELECT worker FROM members WHERE id = ?1";
        let worker: u64 = self.db.query_row(worker, [member], |row| row.get(0))?;
        Ok(worker != self.run.id && !self.locks.is_held(RUNS + worker)?)
    }

    pub fn member(&self, id: u64) -> Answer<Option<Member>> {
        Ok(by(self.db, "id = ?1", [id])?)
    }

    pub fn named(&self, name: &Name) -> Answer<Option<Member>> {
        Ok(by(self.db, "key = ?1", [name.key()])?)
    }

    pub fn leave(&self, id: u64) -> Answer<bool> {
        let Some(member) = self.member(id)? else { return Ok(false) };
        self.db.prepare_cached("DELETE FROM members WHERE id = ?1")?.execute([id])?;
        self.db.prepare_cached("DELETE FROM pace WHERE member = ?1")?.execute([id])?;
        self.write(&Entry::of(&member, super::lines::LEFT))?;
        Ok(true)
    }

    pub fn connect(&self, id: u64) -> Answer<u64> {
        let before = self.member(id)?.ok_or(Refusal::Stranger)?;
        let Via { slot, pid } = self.run.via;
        let connection = self
            .db
            .prepare_cached(
                "UPDATE members SET connection = connection + 1, away = NULL, worker = ?2, slot = ?3, pid = ?4
                 WHERE id = ?1 RETURNING connection",
            )?
            .query_row(params![id, self.run.id, slot, pid], |row| row.get(0))?;
        if before.via != self.run.via {
            self.write(&Entry::of(&Member { via: self.run.via, ..before }, super::lines::MOVED))?;
        }
        Ok(connection)
    }

    pub fn disconnect(&self, id: u64, connection: u64) -> Answer<()> {
        self.db
            .prepare_cached("UPDATE members SET away = ?3 WHERE id = ?1 AND connection = ?2")?
            .execute(params![id, connection, now()])?;
        Ok(())
    }

    /// A page that is not connected has said something: it is still there.
    pub fn stay(&self, id: u64) -> Answer<()> {
        self.db
            .prepare_cached("UPDATE members SET away = ?2 WHERE id = ?1 AND away IS NOT NULL")?
            .execute(params![id, now()])?;
        Ok(())
    }

    /// A member by datagram was heard, by this worker.
    pub fn hear(&self, member: &mut Member) -> Answer<()> {
        member.via = self.run.via;
        self.db
            .prepare_cached("UPDATE members SET heard = ?2, slot = ?3, pid = ?4 WHERE id = ?1")?
            .execute(params![member.id, now(), member.via.slot, member.via.pid])?;
        Ok(())
    }
}

/// Where a member by datagram is.
pub fn addresses(members: &[Member]) -> Vec<SocketAddr> {
    members.iter().filter_map(|member| member.address).collect()
}
