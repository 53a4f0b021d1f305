//! Chat, stage 4: a hub. One process, one thread, poll: nobody waits for anybody.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::{
    lab::{
        Lab, Outcome,
        chat::{Member, SILENCE, frame},
        sockets::{Protocol, door_of},
    },
    protocol::{framing::Splitter, length_prefix::LengthPrefix},
};

/// How many members there are, and how many lines each of them hears from the others.
const MEMBERS: usize = 20;
/// The longest line.
const LIMIT: usize = 1 << 20;
/// What the room keeps for a member who does not read. Whoever falls behind further is shown the door.
const PATIENCE: usize = 1 << 20;
/// So many lines of such a length fill every buffer on the way to one who does not read.
const FLOOD: (usize, usize) = (400, 50_000);

pub fn run(lab: &mut Lab) -> Outcome {
    let blocks = lab.bug("blocks");
    let a = lab.subject(|_| hub(&TcpListener::bind(("127.0.0.1", 0))?, blocks))?;
    let port = door_of(lab, a.who, Protocol::Tcp)?;
    let (mut members, mut told) = (Vec::new(), 0);
    for number in 0..MEMBERS {
        let name = format!("m{number}");
        let newcomer = Member::enter(port, &name)?;
        told += members.iter_mut().filter_map(|other: &mut Member| other.hear().find(&name)).count();
        members.push(newcomer);
    }
    lab.check("told", MEMBERS * (MEMBERS - 1) / 2, told);
    lab.event("open", &[("n", MEMBERS.to_string())]);
    for (number, member) in members.iter_mut().enumerate() {
        member.say(&format!("line {number}"))?;
    }
    let mut heard = 0;
    for member in &mut members {
        let mut lines: Vec<_> = (1..MEMBERS).map(|_| member.hear()).filter(|line| line.contains(": line ")).collect();
        lines.sort();
        lines.dedup();
        heard += lines.len();
    }
    lab.check("each-once", MEMBERS * (MEMBERS - 1), heard);
    lab.event("talk", &[("n", heard.to_string())]);
    if !lab.is_exam() {
        lab.check("one-thread", 1, a.who.field("status", "Threads").unwrap_or(0));
        lab.check("no-children", 0, a.who.children().len());
    }
    slow(lab, members)
}

/// The last member stops reading, and those in between leave. Does the first one still hear the second?
fn slow(lab: &mut Lab, mut members: Vec<Member>) -> Outcome {
    let _sleeper = members.pop();
    members.truncate(2);
    let mut arrived = 0;
    for _ in 0..FLOOD.0 {
        members[1].say(&"x".repeat(FLOOD.1))?;
        if members[0].hear_of(": x") == SILENCE {
            break;
        }
        arrived += 1;
    }
    lab.check("not-stalled", FLOOD.0, arrived);
    lab.event("slow", &[("n", arrived.to_string())]);
    Ok(())
}

/// A member, and what is on the way from and to it.
struct Seat {
    stream: TcpStream,
    name: String,
    coming: Splitter<LengthPrefix>,
    going: Vec<u8>,
    over: bool,
}

/// The whole server.
fn hub(door: &TcpListener, blocks: bool) -> io::Result<()> {
    door.set_nonblocking(true)?;
    let mut seats: Vec<Seat> = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(door.as_fd(), PollFlags::POLLIN)];
        fds.extend(seats.iter().map(Seat::waits_for));
        poll(&mut fds, PollTimeout::NONE)?;
        let readable = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !(events - PollFlags::POLLOUT).is_empty());
        let ready: Vec<_> = fds.iter().skip(1).map(readable).collect();
        if let Ok((stream, _)) = door.accept() {
            stream.set_nonblocking(!blocks)?;
            stream.set_nodelay(true)?;
            let coming = Splitter::new(LengthPrefix::four_bytes(LIMIT));
            seats.push(Seat { stream, name: String::new(), coming, going: Vec::new(), over: false });
        }
        for at in (0..ready.len()).filter(|at| ready[*at]) {
            for line in seats[at].read() {
                tell(&mut seats, at, &line);
            }
        }
        seats.iter_mut().for_each(|seat| seat.write(blocks));
        while let Some(at) = seats.iter().position(|seat| seat.over) {
            let line = format!("{} has left", seats[at].name);
            tell(&mut seats, at, &line);
            seats.remove(at);
        }
    }
}

/// Puts a line before everybody but one.
fn tell(seats: &mut [Seat], but: usize, line: &str) {
    for (_, seat) in seats.iter_mut().enumerate().filter(|(at, seat)| *at != but && !seat.name.is_empty()) {
        seat.going.extend(frame(line.as_bytes()));
    }
}

impl Seat {
    fn waits_for(&self) -> PollFd<'_> {
        let out = if self.going.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        PollFd::new(self.stream.as_fd(), PollFlags::POLLIN | out)
    }

    /// What it says: its name at first, then lines. One read, for poll says when there is more.
    fn read(&mut self) -> Vec<String> {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.over = true,
            Ok(count) => self.coming.push(&bytes[..count]),
            Err(cause) => self.over = cause.kind() != ErrorKind::WouldBlock,
        }
        let mut lines = Vec::new();
        loop {
            match self.coming.take() {
                Ok(Some(text)) if self.name.is_empty() => {
                    self.name = String::from_utf8_lossy(&text).into_owned();
                    lines.push(format!("{} has come", self.name));
                }
                Ok(Some(text)) => lines.push(format!("{}: {}", self.name, String::from_utf8_lossy(&text))),
                Ok(None) => return lines,
                Err(_) => {
                    self.over = true;
                    return lines;
                }
            }
        }
    }

    /// Sends what can be sent now. What cannot is kept, to a limit.
    fn write(&mut self, blocks: bool) {
        while !self.going.is_empty() {
            match self.stream.write(&self.going) {
                Ok(count) => drop(self.going.drain(..count)),
                Err(cause) if cause.kind() == ErrorKind::WouldBlock && !blocks => break,
                Err(_) => {
                    self.over = true;
                    return;
                }
            }
        }
        self.over |= self.going.len() > PATIENCE;
    }
}
