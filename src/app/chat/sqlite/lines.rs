//! What was said, and what happened, in one order.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{
    super::store::{Answer, Door, Line, Member, Rate, Refusal, Said, Speaker, Speech, Via, What},
    Pen,
    members::{door, name, number},
};
use crate::protocol::chat::Name;

const SAID: u32 = 0;
const TOLD: u32 = 1;
pub const JOINED: u32 = 2;
pub const LEFT: u32 = 3;
pub const MOVED: u32 = 4;

/// A line that is to be written.
pub struct Entry<'a> {
    what: u32,
    by: &'a Member,
    to: Option<Member>,
    text: Option<&'a str>,
    ticket: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// A line about a member.
    pub fn of(member: &'a Member, what: u32) -> Self {
        Self { what, by: member, to: None, text: None, ticket: None }
    }
}

pub fn news(db: &Connection, after: u64, most: u32) -> Answer<Vec<Line>> {
    let mut query = db.prepare_cached(
        "SELECT number, at, what, member, name, door, slot, pid, to_member, to_name, text
         FROM lines WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let lines = query.query_map(params![after, most], read)?.collect::<Result<_, _>>()?;
    Ok(lines)
}

pub fn last(db: &Connection) -> Answer<u64> {
    let query = "SELECT coalesce(max(number), 0) FROM lines";
    Ok(db.prepare_cached(query)?.query_row((), |row| row.get(0))?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Line> {
    let what = match row.get(2)? {
        SAID => What::Said(row.get(10)?),
        TOLD => What::Told { member: row.get(8)?, name: name(row, 9)?, text: row.get(10)? },
        JOINED => What::Joined,
        LEFT => What::Left,
        MOVED => What::Moved,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(2, other.into())),
    };
    Ok(Line {
        number: row.get(0)?,
        at: row.get(1)?,
        what,
        member: row.get(3)?,
        name: name(row, 4)?,
        door: door(row, 5)?,
        via: Via { slot: row.get(6)?, pid: row.get(7)? },
    })
}

impl Pen<'_> {
    pub fn say(&self, by: &Speaker, speeches: &[Speech], rate: Option<Rate>) -> Answer<Said> {
        let mut by = self.speaker(*by)?;
        match by.door {
            Door::Datagrams => self.hear(&mut by)?,
            Door::Browser => self.stay(by.id)?,
            Door::Lines | Door::Admin => {}
        }
        let mut allowance = self.allowance(&by, rate)?;
        let mut said = Said::default();
        for speech in speeches {
            match self.said_before(by.id, speech)? {
                Some(number) => said.last = number,
                None if allowance.take() => said.last = self.say_one(&by, speech)?,
                None => said.unsaid += 1,
            }
        }
        said.again = allowance.again();
        self.spend(&by, &allowance)?;
        Ok(said)
    }

    fn speaker(&self, by: Speaker) -> Answer<Member> {
        match by {
            Speaker::Member(id) => self.member(id)?.ok_or(Refusal::Stranger),
            Speaker::Admin => Ok(Member {
                id: 0,
                name: Name::admin(),
                door: Door::Admin,
                via: self.run.via,
                since: 0,
                address: None,
            }),
        }
    }

    fn said_before(&self, member: u64, speech: &Speech) -> Answer<Option<u64>> {
        let Some(ticket) = &speech.ticket else { return Ok(None) };
        let mut query =
            self.db.prepare_cached("SELECT number FROM lines WHERE member = ?1 AND ticket = ?2")?;
        Ok(query.query_row(params![member, ticket], |row| row.get(0)).optional()?)
    }

    fn say_one(&self, by: &Member, speech: &Speech) -> Answer<u64> {
        let to = match &speech.to {
            Some(name) => Some(self.named(name)?.ok_or_else(|| Refusal::Nobody(name.clone()))?),
            None => None,
        };
        let what = if to.is_some() { TOLD } else { SAID };
        let (text, ticket) = (Some(speech.text.as_str()), speech.ticket.as_deref());
        self.write(&Entry { what, by, to, text, ticket })
    }

    /// Appends a line; its number.
    pub fn write(&self, entry: &Entry<'_>) -> Answer<u64> {
        let at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, super::millis);
        let (by, to) = (entry.by, entry.to.as_ref());
        self.db
            .prepare_cached(
                "INSERT INTO lines (at, what, member, name, door, slot, pid, to_member, to_name, text, ticket)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                at,
                entry.what,
                by.id,
                by.name.as_str(),
                number(by.door),
                by.via.slot,
                by.via.pid,
                to.map(|member| member.id),
                to.map(|member| member.name.as_str()),
                entry.text,
                entry.ticket,
            ])?;
        Ok(self.db.last_insert_rowid().cast_unsigned())
    }
}
