//! The door for everything that can send a line: nc, telnet, a learner's first client.
//!
//! ```text
//! * your name?
//! zhang
//! * welcome, zhang: each line that you write goes to all (/help)
//! bob: hello
//! ```

use std::{rc::Rc, time::Duration};

use super::{
    reader::{Next, Reader},
    room::Room,
    store::{Answer, Door, Line, Member, Refusal, Speaker, Speech, What},
};
use crate::{
    protocol::chat::{ADMIN, Name, Text, Wrong},
    worker::session::{Exchange, Flow, Limit, Session, Wake},
};

/// One connection at the door of lines.
#[derive(Debug)]
pub struct Lines {
    room: Rc<Room>,
    seat: Option<Seat>,
}

/// The place of one who has said a name. It is left when it is dropped, with the connection.
#[derive(Debug)]
struct Seat {
    room: Rc<Room>,
    member: Member,
    reader: Reader,
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked<'a> {
    Say(&'a str),
    Tell(&'a str, &'a str),
    Who,
    Help,
    Quit,
    Unknown,
}

/// How many of the lines before their coming newcomers are told.
const HISTORY: u64 = 20;

/// More without a line end is no line that anybody typed.
const LONGEST_INPUT: usize = Text::LONGEST * 2;

impl Lines {
    /// A connection whose client has yet to say a name.
    pub fn new(room: Rc<Room>) -> Self {
        Self { room, seat: None }
    }

    /// Takes all whole lines that have come, and at the end of all the last one as well.
    fn take(&mut self, io: &mut Exchange<'_>, rest: Rest) -> Flow {
        let mut speeches = Vec::new();
        while let Some((line, length)) = next_line(io.input(), rest) {
            io.consume(length);
            io.begin(b"line");
            let flow = self.take_line(line, &mut speeches, io);
            io.end();
            if flow != Flow::Stay {
                return flow;
            }
        }
        self.speak(&mut speeches, io);
        if io.input().len() > LONGEST_INPUT {
            self.refuse(&Wrong::TextLong.into(), io);
            return self.part();
        }
        self.tell(io)
    }

    fn take_line(&mut self, line: &[u8], speeches: &mut Vec<Speech>, io: &mut Exchange<'_>) -> Flow {
        let Ok(line) = str::from_utf8(line) else {
            self.refuse(&Wrong::Utf8.into(), io);
            return Flow::Stay;
        };
        let line = line.trim();
        if self.seat.is_none() {
            if let Err(refusal) = self.come_in(line, io) {
                self.refuse(&refusal, io);
                say(io, &self.room.lang().ask_name());
            }
            return Flow::Stay;
        }
        let asked = Asked::read(line);
        match asked {
            Asked::Say("") => return Flow::Stay,
            Asked::Say(text) => match Text::new(text) {
                Ok(text) => speeches.push(Speech { text, to: None, ticket: None }),
                Err(wrong) => self.refuse(&wrong.into(), io),
            },
            Asked::Tell(..) | Asked::Who | Asked::Help | Asked::Quit | Asked::Unknown => {
                self.speak(speeches, io);
                return self.obey(&asked, io);
            }
        }
        Flow::Stay
    }

    fn obey(&mut self, asked: &Asked<'_>, io: &mut Exchange<'_>) -> Flow {
        let lang = self.room.lang();
        match asked {
            Asked::Say(_) => {}
            Asked::Tell(name, text) => {
                if let Err(refusal) = self.whisper(name, text) {
                    self.refuse(&refusal, io);
                }
            }
            Asked::Who => match self.room.present() {
                Ok(members) => say(io, &lang.present(&members)),
                Err(refusal) => self.refuse(&refusal, io),
            },
            Asked::Help => say(io, &lang.help()),
            Asked::Unknown => say(io, &format!("! {}", lang.unknown())),
            Asked::Quit => {
                say(io, &format!("* {}", lang.bye()));
                return self.part();
            }
        }
        Flow::Stay
    }

    fn come_in(&mut self, line: &str, io: &mut Exchange<'_>) -> Answer<()> {
        let (name, token) = match line.split_once(char::is_whitespace) {
            Some((ADMIN, token)) => (Name::admin(), Some(token.trim())),
            Some(_) | None if line == ADMIN => (Name::admin(), None),
            Some(_) | None => (Name::new(line)?, None),
        };
        let member = self.room.join(name, Door::Lines, None, token)?;
        say(io, &self.room.lang().welcome(&member.name));
        let reader = Reader::from(member.id, member.since);
        let seat = self.seat.insert(Seat { room: Rc::clone(&self.room), member, reader });
        seat.recall(io)?;
        say(io, &self.room.lang().present(&self.room.present()?));
        Ok(())
    }

    fn whisper(&self, name: &str, text: &str) -> Answer<()> {
        let speech = Speech { text: Text::new(text)?, to: Some(Name::any(name)?), ticket: None };
        self.say(&[speech])
    }

    /// Says what has gathered: what was pasted at once is one transaction.
    fn speak(&self, speeches: &mut Vec<Speech>, io: &mut Exchange<'_>) {
        if !speeches.is_empty()
            && let Err(refusal) = self.say(speeches)
        {
            self.refuse(&refusal, io);
        }
        speeches.clear();
    }

    fn say(&self, speeches: &[Speech]) -> Answer<()> {
        let seat = self.seat.as_ref().ok_or(Refusal::Stranger)?;
        self.room.say(Speaker::Member(seat.member.id), speeches).map(drop)
    }

    fn refuse(&self, refusal: &Refusal, io: &mut Exchange<'_>) {
        say(io, &format!("! {}", self.room.lang().refusal(refusal)));
    }

    /// Leaves the room at once: the name is free while the last word is on its way.
    fn part(&mut self) -> Flow {
        self.seat = None;
        Flow::CloseLingering
    }

    /// Tells all that was said until now, and that another worker has to be found: whoever comes back hears the rest as
    /// history.
    fn retire(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.room.catch_up();
        if self.tell(io) != Flow::CloseLingering {
            say(io, &format!("! {}", self.room.lang().closing()));
        }
        self.part()
    }

    /// Tells what is new.
    fn tell(&mut self, io: &mut Exchange<'_>) -> Flow {
        let Some(seat) = &mut self.seat else { return Flow::Read(Limit::Idle) };
        while !io.full() {
            match seat.reader.next(&self.room) {
                Ok(Next::Lines(lines)) => lines.iter().for_each(|line| seat.tell(line, io)),
                Ok(Next::Nothing) => return Flow::Talk,
                Ok(Next::TooSlow(behind)) => {
                    say(io, &format!("! {}", self.room.lang().too_slow(behind)));
                    return self.part();
                }
                Err(refusal) => {
                    self.refuse(&refusal, io);
                    return self.part();
                }
            }
        }
        // The rest as soon as this is sent: no news may come that would ask for it.
        Flow::Wait(Some(Duration::ZERO))
    }
}

/// Whether what has no line end is a line: at the end of all it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Comes,
    IsALine,
}

/// The first line of the input without its end, and how long it is with it.
fn next_line(input: &[u8], rest: Rest) -> Option<(&[u8], usize)> {
    match input.iter().position(|byte| *byte == b'\n') {
        Some(end) => Some((&input[..end], end + 1)),
        None if rest == Rest::IsALine && !input.is_empty() => Some((input, input.len())),
        None => None,
    }
}

fn say(io: &mut Exchange<'_>, line: &str) {
    io.output().write(line.as_bytes());
    io.output().write(b"\n");
}

impl<'a> Asked<'a> {
    fn read(line: &'a str) -> Self {
        let Some(command) = line.strip_prefix('/') else { return Self::Say(line) };
        if command.starts_with('/') {
            return Self::Say(command);
        }
        let (verb, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match verb {
            "who" => Self::Who,
            "help" => Self::Help,
            "quit" => Self::Quit,
            "to" => {
                let (name, text) = rest.trim_start().split_once(char::is_whitespace).unwrap_or((rest, ""));
                Self::Tell(name, text)
            }
            _ => Self::Unknown,
        }
    }
}

impl Seat {
    /// Tells a newcomer what was said before.
    fn recall(&self, io: &mut Exchange<'_>) -> Answer<()> {
        let begin = self.member.since.saturating_sub(HISTORY + 1);
        let lines = self.room.after(begin)?;
        let said = |line: &&Rc<Line>| line.number < self.member.since && matches!(line.what, What::Said(_));
        let mut said = lines.iter().filter(said).peekable();
        if said.peek().is_some() {
            say(io, &self.room.lang().earlier());
        }
        said.for_each(|line| self.tell(line, io));
        Ok(())
    }

    /// Tells a line, if it is not the member's own.
    fn tell(&self, line: &Line, io: &mut Exchange<'_>) {
        if line.member != self.member.id
            && let Some(text) = self.room.lang().line(line, self.member.id)
        {
            say(io, &text);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // What cannot be written now is found by the keeper, once this worker is gone.
        let _ = self.room.leave(self.member.id);
    }
}

impl Session for Lines {
    fn on_open(&mut self, io: &mut Exchange<'_>) -> Flow {
        say(io, &self.room.lang().ask_name());
        Flow::Read(Limit::Idle)
    }

    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.take(io, Rest::Comes)
    }

    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.take(io, Rest::IsALine);
        Flow::Close
    }

    fn on_wake(&mut self, io: &mut Exchange<'_>, _: Wake) -> Flow {
        // Whose output was being sent when the drain began was not told of it.
        if io.draining() { self.retire(io) } else { self.tell(io) }
    }

    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.retire(io)
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, _: Limit) -> Flow {
        say(io, &format!("! {}", self.room.lang().no_name()));
        Flow::CloseLingering
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_said_unless_it_begins_with_one_slash() {
        assert_eq!(Asked::read("hello"), Asked::Say("hello"));
        assert_eq!(Asked::read("//who"), Asked::Say("/who"));
        assert_eq!(Asked::read("/who"), Asked::Who);
        assert_eq!(Asked::read("/to bob  two words"), Asked::Tell("bob", " two words"));
        assert_eq!(Asked::read("/to bob"), Asked::Tell("bob", ""));
        assert_eq!(Asked::read("/nonsense"), Asked::Unknown);
    }
}
