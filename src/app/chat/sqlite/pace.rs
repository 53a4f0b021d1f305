//! How much a member may say. It is counted in the store, because what a page posts may come in by any worker.
//!
//! The bucket is kept as one time: when all that was said so far is forgiven. Each line puts it off by what it costs,
//! and as long as it is not farther away than a full bucket's worth there is room for a line (the generic cell rate
//! algorithm of ITU-T I.371).

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::{
    super::store::{Answer, Member, Rate},
    Pen, now,
};

/// What a member may say in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// When all is forgiven, what is taken included; microseconds as all here.
    due: i64,
    /// How far that may be put off.
    end: i64,
    /// What a line costs.
    cost: i64,
    taken: bool,
}

impl Allowance {
    fn new(due: Option<i64>, now: i64, rate: Option<Rate>) -> Self {
        let cost = rate.map_or(0, |rate| 1_000_000 / i64::from(rate.per_second.max(1)));
        let end = rate.map_or(now, |rate| now + cost * i64::from(rate.burst.max(1)));
        Self { due: due.unwrap_or(now).max(now).min(end), end, cost, taken: false }
    }

    /// Takes the cost of a line; whether there was room for it.
    pub fn take(&mut self) -> bool {
        let room = self.due + self.cost <= self.end;
        if room {
            self.due += self.cost;
            self.taken = self.cost > 0;
        }
        room
    }

    /// How long it takes until there is room for a line.
    pub fn again(&self) -> Duration {
        Duration::from_micros((self.due + self.cost - self.end).max(0).cast_unsigned())
    }
}

impl Pen<'_> {
    /// What a member may say now. The admin who is no member may say everything.
    pub fn allowance(&self, by: &Member, rate: Option<Rate>) -> Answer<Allowance> {
        let rate = rate.filter(|_| by.id != 0);
        let mut query = self.db.prepare_cached("SELECT due FROM pace WHERE member = ?1")?;
        let due = if rate.is_some() { query.query_row([by.id], |row| row.get(0)).optional()? } else { None };
        Ok(Allowance::new(due, now() * 1000, rate))
    }

    /// Writes down what was taken.
    pub fn spend(&self, by: &Member, allowance: &Allowance) -> Answer<()> {
        if allowance.taken {
            self.db
                .prepare_cached("INSERT OR REPLACE INTO pace (member, due) VALUES (?1, ?2)")?
                .execute(params![by.id, allowance.due])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many lines are said of so many, and when the bucket is empty until.
    fn say(due: Option<i64>, now: i64, rate: Rate, lines: usize) -> (usize, Allowance) {
        let mut allowance = Allowance::new(due, now, Some(rate));
        ((0..lines).filter(|_| allowance.take()).count(), allowance)
    }

    #[test]
    fn a_burst_and_then_so_many_in_a_second() {
        let rate = Rate { per_second: 4, burst: 10 };
        let (said, full) = say(None, 0, rate, 25);
        assert_eq!((said, full.again()), (10, Duration::from_millis(250)));
        let due = Some(full.due);
        assert_eq!(say(due, 249_999, rate, 5).0, 0);
        assert_eq!(say(due, 250_000, rate, 5).0, 1);
        assert_eq!(say(due, 1_000_000, rate, 50).0, 4);
        // After a long silence there is a bucket full again, and not more.
        assert_eq!(say(due, 1 << 40, rate, 50).0, 10);
        // A stricter rate, after a reload, forgives what the earlier one would not have let in.
        let strict = Rate { per_second: 1, burst: 1 };
        assert_eq!(say(due, 0, strict, 5).1.again(), Duration::from_secs(1));
    }

    #[test]
    fn without_a_rate_there_is_room_for_all() {
        let mut allowance = Allowance::new(None, 7, None);
        assert!((0..100_000).all(|_| allowance.take()) && !allowance.taken);
    }
}
