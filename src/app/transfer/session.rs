//! One client of the file server.

use std::rc::Rc;

use super::{
    Access, Desk,
    arrival::Arrival,
    place::{entry, from_io, text},
    receive::Incoming,
    send::Departure,
};
use crate::{
    protocol::{
        framing::Framing,
        transfer::{Cause, Digest, Entry, FRAMES, Kind, Message, Part, Problem, VERSION, WINDOW},
    },
    worker::session::{Exchange, FileRange, Flow, Limit, Session},
};

/// The conversation with one client.
#[derive(Debug)]
pub struct Transfer {
    desk: Rc<Desk>,
    doing: Doing,
    /// How many bytes of a run are to be thrown away: the client has sent it before it heard that it need not.
    skip: usize,
}

#[derive(Debug)]
enum Doing {
    Nothing,
    Sending(Departure),
    Receiving(Box<Incoming>),
}

/// How many requests that read a file are answered one after the other. A client has fewer under way, so whoever sends
/// more is no client, and others wait.
const AT_ONCE: usize = 2 * WINDOW;

/// How many bytes of entries go into one message, about.
const ENTRIES: usize = 32 * 1024;

impl Transfer {
    pub(super) fn new(desk: Rc<Desk>) -> Self {
        Self { desk, doing: Doing::Nothing, skip: 0 }
    }

    /// Answers one message; the problem goes to the client.
    fn answer(&mut self, message: Message, io: &mut Exchange<'_>) -> Result<(), Problem> {
        let reply = match message {
            Message::Hello(VERSION) => Message::Hello(VERSION),
            Message::Hello(version) => {
                let words = format!("version {VERSION} is spoken here, not {version}");
                return Err(Problem::new(Cause::Malformed, words));
            }
            Message::Look(path) => Message::Entry(self.desk.place.look(&path)?),
            Message::List(path) => self.list(&path, io)?,
            Message::MakeDirectory(path) => {
                self.may_write()?;
                self.desk.place.make_directory(&path)?;
                Message::Done
            }
            Message::Open(path) => self.open(&path)?,
            Message::Check(part) => Message::Digests(self.digests(part)?),
            Message::Pull(part) => return self.pull(part, io),
            Message::Put(path, entry) => self.put(&path, entry)?,
            Message::Run(part, digests) => return self.begin_run(part, digests),
            Message::Commit => self.commit()?,
            Message::Entry(_)
            | Message::Entries(_)
            | Message::Digests(_)
            | Message::Have(_)
            | Message::Done
            | Message::Failed(_) => return Err(Cause::Malformed.into()),
        };
        say(io, &reply);
        Ok(())
    }

    fn may_write(&self) -> Result<(), Problem> {
        match self.desk.access {
            Access::ReadWrite => Ok(()),
            Access::ReadOnly => Err(Problem::new(Cause::ReadOnly, "the server only lets files be fetched")),
        }
    }

    fn list(&self, path: &[u8], io: &mut Exchange<'_>) -> Result<Message, Problem> {
        let (mut some, mut bytes) = (Vec::new(), 0);
        for entry in self.desk.place.list(path)? {
            bytes += entry.name.len() + 32;
            some.push(entry);
            if bytes >= ENTRIES {
                say(io, &Message::Entries(std::mem::take(&mut some)));
                bytes = 0;
            }
        }
        say(io, &Message::Entries(some));
        Ok(Message::Done)
    }

    fn open(&mut self, path: &[u8]) -> Result<Message, Problem> {
        self.leave(Cause::Changed);
        let (file, metadata) = self.desk.place.file(path)?;
        let entry = entry(path, &metadata)?;
        self.doing = Doing::Sending(Departure::new(file, &metadata));
        Ok(Message::Entry(entry))
    }

    fn digests(&self, part: Part) -> Result<Vec<Digest>, Problem> {
        let (known, scratch) = (&mut self.desk.known.borrow_mut(), &mut self.desk.scratch.borrow_mut());
        match &self.doing {
            Doing::Nothing => Err(Cause::Malformed.into()),
            Doing::Sending(departure) => departure.digests(part, known, scratch),
            Doing::Receiving(incoming) => incoming.digests(part, scratch),
        }
    }

    fn pull(&self, part: Part, io: &mut Exchange<'_>) -> Result<(), Problem> {
        let Doing::Sending(departure) = &self.doing else { return Err(Cause::Malformed.into()) };
        let digests = self.digests(part)?;
        say(io, &Message::Run(part, digests));
        let file = std::sync::Arc::clone(&departure.file);
        io.output().file(FileRange { file, range: part.offset..part.end() });
        Ok(())
    }

    fn put(&mut self, path: &[u8], entry: Entry) -> Result<Message, Problem> {
        self.leave(Cause::Changed);
        self.may_write()?;
        if entry.kind == Kind::Directory {
            return Err(Cause::Malformed.into());
        }
        let old = match self.desk.place.look(path) {
            Ok(Entry { kind: Kind::Directory, .. }) => {
                return Err(Problem::new(Cause::IsDirectory, text(path)));
            }
            Ok(Entry { kind: Kind::File | Kind::Program, size, .. }) => size,
            Err(_) => 0,
        };
        let (directory, name) = self.desk.place.parent(path)?;
        let arrival = Arrival::begin(directory, name, entry).map_err(|error| from_io(&error, path))?;
        if let Err(problem) = self.desk.has_room(old) {
            arrival.leave(problem.cause);
            return Err(problem);
        }
        let incoming = Incoming::new(arrival).map_err(|error| from_io(&error, path))?;
        let have = incoming.have();
        self.doing = Doing::Receiving(Box::new(incoming));
        Ok(Message::Have(have))
    }

    fn begin_run(&mut self, part: Part, digests: Vec<Digest>) -> Result<(), Problem> {
        match &mut self.doing {
            Doing::Receiving(incoming) => {
                incoming.begin(part, digests).inspect_err(|_| self.skip = part.length)
            }
            Doing::Nothing | Doing::Sending(_) => {
                self.skip = part.length;
                Ok(())
            }
        }
    }

    fn commit(&mut self) -> Result<Message, Problem> {
        let Doing::Receiving(incoming) = &self.doing else { return Err(Cause::Malformed.into()) };
        incoming.commit()?;
        self.doing = Doing::Nothing;
        Ok(Message::Done)
    }

    /// Takes what is there of a run's bytes. Whether all of it has come.
    fn take_run(&mut self, io: &mut Exchange<'_>) -> Result<bool, Problem> {
        if self.skip > 0 {
            let count = self.skip.min(io.input().len());
            io.consume(count);
            self.skip -= count;
            return Ok(self.skip == 0);
        }
        let Doing::Receiving(incoming) = &mut self.doing else { return Ok(true) };
        let count = incoming.awaits().min(io.input().len());
        if count == 0 {
            return Ok(incoming.awaits() == 0);
        }
        let rest = incoming.awaits() - count;
        let complete = incoming.take(&io.input()[..count], &mut self.desk.scratch.borrow_mut());
        io.consume(count);
        if complete.inspect_err(|_| self.skip = rest)? {
            say(io, &Message::Have(incoming.have()));
            io.end();
        }
        Ok(rest == 0)
    }

    /// Ends what is being done, and tells the client why.
    fn fail(&mut self, problem: Problem, io: &mut Exchange<'_>) {
        self.leave(problem.cause);
        say(io, &Message::Failed(problem));
        io.end();
    }

    /// What has arrived of a file is kept, for the next attempt.
    fn leave(&mut self, cause: Cause) {
        if let Doing::Receiving(incoming) = std::mem::replace(&mut self.doing, Doing::Nothing) {
            incoming.leave(cause);
        }
    }

    /// The one message at the front of the input, taken off it.
    fn message(io: &mut Exchange<'_>) -> Result<Option<Message>, Problem> {
        let words = |words: &dyn std::fmt::Display| Problem::new(Cause::Malformed, words.to_string());
        let input = io.input();
        let Some(found) = FRAMES.find(input).map_err(|error| words(&error))? else { return Ok(None) };
        let message = Message::read(&input[found.message]).map_err(|_| Cause::Malformed)?;
        io.consume(found.end);
        if matches!(message, Message::Pull(_) | Message::Check(_)) && io.input().len() > AT_ONCE * found.end {
            return Err(Problem::new(Cause::Malformed, "too many requests at once"));
        }
        Ok(Some(message))
    }

    /// Goes on with what has come, as far as it goes.
    fn advance(&mut self, io: &mut Exchange<'_>) -> Flow {
        loop {
            match self.take_run(io) {
                Ok(false) => return Flow::Read(Limit::Body),
                Ok(true) => {}
                Err(problem) => self.fail(problem, io),
            }
            if io.full() {
                return Flow::Read(Limit::Idle);
            }
            let message = match Self::message(io) {
                Ok(Some(message)) => message,
                Ok(None) => return self.rest(io),
                Err(problem) => {
                    self.fail(problem, io);
                    return Flow::CloseLingering;
                }
            };
            io.begin(summary(&message).as_bytes());
            let run = matches!(message, Message::Run(..));
            match self.answer(message, io) {
                Ok(()) if run => {}
                Ok(()) => io.end(),
                Err(problem) => self.fail(problem, io),
            }
        }
    }

    /// What to wait for between two messages.
    fn rest(&mut self, io: &mut Exchange<'_>) -> Flow {
        if io.draining() && !matches!(self.doing, Doing::Nothing) {
            // All that was asked for is answered. The client goes on elsewhere, with what has arrived.
            self.fail(Cause::Draining.into(), io);
            return Flow::CloseLingering;
        }
        Flow::Read(if io.input().is_empty() { Limit::Idle } else { Limit::Header })
    }
}

impl Session for Transfer {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        self.advance(io)
    }

    fn on_end(&mut self, _: &mut Exchange<'_>) -> Flow {
        self.leave(Cause::Changed);
        Flow::Close
    }

    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        let amid = matches!(&self.doing, Doing::Receiving(incoming) if incoming.awaits() > 0);
        let partial = amid || self.skip > 0 || !io.input().is_empty();
        if partial || matches!(self.doing, Doing::Nothing) { Flow::Stay } else { self.rest(io) }
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, _: Limit) -> Flow {
        self.leave(Cause::Changed);
        say(io, &Message::Failed(Problem::new(Cause::Busy, "nothing has come for too long")));
        Flow::Close
    }
}

fn say(io: &mut Exchange<'_>, message: &Message) {
    let mut frame = Vec::new();
    // What is said here is far shorter than a frame may be; entries and digests are counted.
    if message.write(&mut frame).is_ok() {
        io.output().write(&frame);
    }
}

/// What stands in `status` while it is served.
fn summary(message: &Message) -> String {
    match message {
        Message::Open(path) => format!("get {}", text(path)),
        Message::Put(path, _) => format!("put {}", text(path)),
        Message::List(path) => format!("list {}", text(path)),
        Message::Look(path) | Message::MakeDirectory(path) => text(path),
        Message::Pull(part) | Message::Run(part, _) | Message::Check(part) => format!("at {}", part.offset),
        Message::Hello(_)
        | Message::Commit
        | Message::Entry(_)
        | Message::Entries(_)
        | Message::Digests(_)
        | Message::Have(_)
        | Message::Done
        | Message::Failed(_) => String::from("transfer"),
    }
}
