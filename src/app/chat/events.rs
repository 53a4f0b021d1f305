//! What one page is told, as server-sent events, for as long as it is connected.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    document,
    reader::{Next as News, Reader},
    room::Room,
    store::{Answer, What},
};
use crate::app::http::{Event, Events, Next};

/// A page's place in the room. When it is dropped, the page has a while to come back.
#[derive(Debug)]
pub struct Seat {
    room: Rc<Room>,
    member: u64,
    connection: u64,
    reader: Reader,
    /// When it was told something last; nothing before it was greeted.
    told: Option<Instant>,
}

/// How often a page hears something, be it that there is nothing: so it can tell silence from a dead connection.
const BEAT: Duration = Duration::from_secs(15);

/// How soon a browser should connect anew.
const RETRY: Duration = Duration::from_millis(500);

/// How many bytes are told at once.
const MUCH: usize = 64 * 1024;

impl Seat {
    /// The place of a member behind this connection.
    pub fn new(room: Rc<Room>, member: u64, connection: u64, reader: Reader) -> Self {
        Self { room, member, connection, reader, told: None }
    }

    /// Tells what is new.
    pub fn tell(&mut self, events: &mut Events<'_, '_>) -> Next {
        // What the store cannot tell now, the page asks for when it connects anew.
        self.try_tell(events).unwrap_or(Next::End)
    }

    fn try_tell(&mut self, events: &mut Events<'_, '_>) -> Answer<Next> {
        if self.told.is_none() {
            events.retry(RETRY);
            events.send(Event::new(&self.here()?.to_string()).name("here"));
            self.told = Some(Instant::now());
        }
        let mut size = 0;
        while size < MUCH {
            let lines = match self.reader.next(&self.room)? {
                News::Lines(lines) => lines,
                News::Nothing => return Ok(self.wait(size, events)),
                News::TooSlow(behind) => {
                    events.send(Event::new(&behind.to_string()).name("slow"));
                    return Ok(Next::End);
                }
            };
            for line in lines {
                let text = document::line(&line).to_string();
                size += text.len();
                events.send(Event::new(&text).id(&line.number.to_string()));
                if line.what == What::Left && line.member == self.member {
                    return Ok(Next::End);
                }
            }
        }
        self.told = Some(Instant::now());
        Ok(Next::Now)
    }

    /// Who is here, and which worker serves this page.
    fn here(&self) -> Answer<Value> {
        let number = self.room.last();
        let present = self.room.present()?;
        let me = present.iter().find(|member| member.id == self.member);
        let via = me.map(|member| document::via(member.via));
        let present: Vec<Value> = present.iter().map(document::member).collect();
        Ok(json!({ "number": number, "via": via, "present": present }))
    }

    /// Until there is news, or it is time to say that there is none.
    fn wait(&mut self, size: usize, events: &mut Events<'_, '_>) -> Next {
        let now = Instant::now();
        let silent = self.told.map_or(BEAT, |told| now.duration_since(told));
        if size == 0 && silent < BEAT {
            return Next::News(Some(BEAT - silent));
        }
        if size == 0 {
            events.send(Event::new("").name("beat"));
        }
        self.told = Some(now);
        Next::News(Some(BEAT))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.disconnect(self.member, self.connection);
    }
}
