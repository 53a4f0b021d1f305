//! Drives one session over one connection, in a process that does nothing else meanwhile.
//!
//! The blocking model and the per-connection model share it: read, step, send, and wait by the session's own limit.
//!
//! Where others wait for this process a connection that is kept between messages must not
//! hold it: its next answer says that it is the last one, and if it stays silent it is closed after a moment.

use std::{io, time::Duration};

use super::{
    link::{Awaited, Link, Outside, Woken},
    output::Output,
    session::{Application, Limit, Wake, Wakes},
    step::{Kept, Step, Then, restarts, step},
    streams::panicked,
};
use crate::process::clock::Time;

/// How much room there is for an answer before it has to grow: a head and a few words.
const ANSWER: usize = 1024;

/// How long a kept connection may be silent while others wait.
const YIELD: Duration = Duration::from_millis(100);

/// A session on its connection.
struct Pump<'a, A: Application> {
    application: &'a A,
    session: A::Session,
    link: &'a mut Link,
    kept: Kept,
    room: &'a mut Room,
    /// Whether it waits for news, and how.
    sleeps: Option<Sleep>,
    /// What it waits for, since when, and the bytes of a body since then.
    limit: Option<Limit>,
    since: Time,
    progress: u64,
    /// Whether it has read anything.
    begun: bool,
    /// Whether the session knows of the drain.
    told: bool,
    /// Whether the peer has said that it will send no more.
    ended: bool,
    /// Since when others wait.
    crowded: Option<Time>,
    /// Whether the session was asked to make room for them while it waited for news.
    hurried: bool,
}

/// Where a process that serves one connection at a time reads to, and where its answers are gathered: kept from one
/// connection to the next.
#[derive(Debug)]
pub struct Room {
    buffer: Box<[u8]>,
    output: Output,
}

/// A wait for news: when the session wants to be called without any, and what of its peer is heard meanwhile.
#[derive(Debug, Clone, Copy)]
struct Sleep {
    until: Option<Time>,
    awaited: Awaited,
}

/// What a wait brought.
enum Came {
    Bytes(usize),
    End,
    Drain,
    Late(Limit),
    Wake(Wake),
    /// Others wait, and this one is silent; or the drain has lasted long enough.
    Enough,
}

/// Serves a session until it ends.
///
/// # Errors
/// When the peer has broken the connection, or took nothing within the limit.
pub fn pump<A: Application>(
    application: &A,
    session: A::Session,
    link: &mut Link,
    room: &mut Room,
) -> io::Result<()> {
    // What the last one left unsent is nobody's any more.
    room.output.clear();
    room.output.reserve(ANSWER);
    let since = link.now();
    let pump = Pump {
        application,
        session,
        link,
        kept: Kept::default(),
        room,
        sleeps: None,
        limit: None,
        since,
        progress: 0,
        begun: false,
        told: false,
        ended: false,
        crowded: None,
        hurried: false,
    };
    pump.run()
}

impl Room {
    /// Room to read so many bytes at once.
    pub fn new(bytes: usize) -> Self {
        Self { buffer: vec![0; bytes].into_boxed_slice(), output: Output::new() }
    }
}

impl<A: Application> Pump<'_, A> {
    fn run(mut self) -> io::Result<()> {
        let mut then = self.step(Step::Open, 0)?;
        loop {
            self.link.send(&mut self.room.output, then.behind())?;
            then = match then {
                Then::Again => self.step(Step::Bytes, 0)?,
                Then::Close => {
                    // A close alone would throw away what waits for it, if something lies unread. A peer that is gone
                    // needs no end.
                    let _ = self.link.end();
                    return Ok(());
                }
                Then::Farewell => {
                    self.link.take_leave(super::Limits::FAREWELL);
                    return Ok(());
                }
                Then::Read(_) | Then::Talk | Then::Stay | Then::Wait(_) => match self.wait()? {
                    Came::Bytes(count) => self.step(Step::Bytes, count)?,
                    Came::End => self.step(Step::End, 0)?,
                    Came::Drain => self.step(Step::Drain, 0)?,
                    Came::Late(limit) => self.step(Step::Late(limit), 0)?,
                    Came::Wake(wake) => self.step(Step::Wake(wake), 0)?,
                    Came::Enough => return Ok(()),
                },
            }
        }
    }

    /// Calls the session with so many bytes that were just read.
    fn step(&mut self, kind: Step, fresh: usize) -> io::Result<Then> {
        // Whoever woke this process may be with another one by now.
        let last =
            self.link.watch().draining() || (self.crowded.is_some() && self.link.watch().anyone_waits());
        let row = self.link.watch().row();
        let Room { buffer, output } = &mut *self.room;
        let fresh = &buffer[..fresh];
        let input = self.kept.join(fresh);
        let taken =
            step(&mut self.session, kind, input, output, row, last, self.link.now()).map_err(panicked)?;
        self.kept.keep(fresh, taken.consumed);
        self.ended |= kind == Step::End;
        let limit = match taken.then {
            Then::Read(limit) => limit,
            Then::Wait(time) => {
                let until = time.map(|time| Time::now() + time);
                self.sleeps = Some(Sleep { until, awaited: Awaited::End });
                self.limit = None;
                return Ok(taken.then);
            }
            Then::Talk => {
                self.sleeps = Some(Sleep { until: None, awaited: Awaited::Bytes });
                self.limit = None;
                return Ok(taken.then);
            }
            Then::Stay if self.sleeps.is_some() => return Ok(taken.then),
            Then::Stay => self.limit.unwrap_or(Limit::Idle),
            Then::Again | Then::Close | Then::Farewell => return Ok(taken.then),
        };
        if restarts(self.limit, limit, fresh.len(), taken.ended, &mut self.progress)
            || kind == Step::Late(limit)
        {
            self.since = Time::now();
        }
        self.limit = Some(limit);
        self.sleeps = None;
        Ok(taken.then)
    }

    /// Waits for what the session waits for.
    fn wait(&mut self) -> io::Result<Came> {
        match self.sleeps {
            Some(sleep) => self.sleep(sleep),
            None => self.wait_for_bytes(),
        }
    }

    /// Waits for news, or until the session wants to be called without any.
    fn sleep(&mut self, sleep: Sleep) -> io::Result<Came> {
        loop {
            if self.link.watch().draining() && !self.told {
                self.told = true;
                return Ok(Came::Drain);
            }
            let awaited = if self.ended { Awaited::Gone } else { sleep.awaited };
            let deadline = [sleep.until, self.hurry()].into_iter().flatten().min();
            let news = self.application.descriptor();
            match self.link.wait_for(awaited, news, self.outside(), deadline)? {
                None if sleep.until.is_some_and(|at| at <= Time::now()) => return Ok(Came::Wake(Wake::Time)),
                None if self.hurry().is_some_and(|at| at <= Time::now()) => {
                    if self.link.watch().anyone_waits() {
                        self.hurried = true;
                        return Ok(Came::Drain);
                    }
                    self.crowded = None;
                }
                None => return Ok(Came::Enough),
                Some(Woken { ready: true, .. }) if self.ended => return Ok(Came::Enough),
                Some(Woken { ready: true, .. }) => match self.link.read(&mut self.room.buffer) {
                    Ok(0) => return Ok(Came::End),
                    Ok(count) => return Ok(Came::Bytes(count)),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                },
                Some(Woken { news: true, .. }) => {
                    if self.application.on_news()? == Wakes::Everyone {
                        return Ok(Came::Wake(Wake::News));
                    }
                }
                Some(woken) => self.note_others(woken),
            }
        }
    }

    /// When a session that waits for news is asked to make room for others: it may be what never ends by itself.
    fn hurry(&self) -> Option<Time> {
        self.crowded.filter(|_| !self.hurried).map(|since| since + self.link.watch().limits().linger)
    }

    fn note_others(&mut self, woken: Woken) {
        if woken.others && self.crowded.is_none() {
            self.crowded = Some(Time::now());
        }
    }

    fn wait_for_bytes(&mut self) -> io::Result<Came> {
        // A fresh connection has mostly said something by now. On a kept one there is a look at the doors first.
        let kept = self.limit == Some(Limit::Idle) && self.begun;
        let mut ready = !kept;
        loop {
            if ready {
                match self.link.read(&mut self.room.buffer) {
                    Ok(0) if self.ended => return Ok(Came::Enough),
                    Ok(0) => return Ok(Came::End),
                    Ok(count) => {
                        self.begun = true;
                        return Ok(Came::Bytes(count));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            if self.link.watch().draining() && !self.told {
                self.told = true;
                // Silent until now or not, it has the whole linger from here on.
                self.since = if self.limit == Some(Limit::Idle) { Time::now() } else { self.since };
                return Ok(Came::Drain);
            }
            match self.link.wait(self.outside(), self.deadline())? {
                None => match self.late() {
                    Some(came) => return Ok(came),
                    None => ready = false,
                },
                Some(woken) => {
                    ready = woken.ready;
                    self.note_others(woken);
                }
            }
        }
    }

    /// Whether anybody's coming would change anything.
    fn outside(&self) -> Outside {
        let could = match self.sleeps {
            Some(_) => !self.hurried,
            None => self.limit == Some(Limit::Idle),
        };
        let yields = could && self.crowded.is_none() && !self.link.watch().draining();
        if yields { Outside::Watched } else { Outside::Unwatched }
    }

    fn deadline(&self) -> Option<Time> {
        let watch = self.link.watch();
        let limit = watch.limits().of(self.limit.unwrap_or(Limit::Idle), watch.draining());
        [limit.map(|limit| self.since + limit), self.patience()].into_iter().flatten().min()
    }

    /// Until when it may be silent between messages while others wait: a client that has said nothing yet may be far
    /// away, and has longer.
    fn patience(&self) -> Option<Time> {
        let wait = if self.begun { YIELD } else { YIELD.max(self.link.watch().limits().linger) };
        self.crowded.filter(|_| self.limit == Some(Limit::Idle)).map(|since| since.max(self.since) + wait)
    }

    /// What it means that a deadline has passed; nothing if it was for others who are gone.
    fn late(&mut self) -> Option<Came> {
        let watch = self.link.watch();
        let limit = self.limit.unwrap_or(Limit::Idle);
        let own = watch.limits().of(limit, watch.draining()).map(|limit| self.since + limit);
        let now = Time::now();
        if own.is_some_and(|own| own <= now) {
            return Some(Came::Late(limit));
        }
        if self.patience().is_some_and(|end| end <= now) && !self.link.watch().anyone_waits() {
            self.crowded = None;
            return None;
        }
        Some(Came::Enough)
    }
}

#[cfg(test)]
mod tests;
