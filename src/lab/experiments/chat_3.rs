//! Chat, stage 3: TCP, where a line is what has a length before it.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use crate::lab::{
    Lab, Outcome,
    chat::{Member, SILENCE, frame, read_frame},
    hands::pause,
    sockets::{Protocol, door_of},
};

/// The longest line. Whoever announces more is shown the door before anything of it is stored.
const LIMIT: usize = 1 << 20;

pub fn run(lab: &mut Lab) -> Outcome {
    let framing = if lab.bug("recv-is-a-line") { Framing::None } else { Framing::Length };
    let a = lab.subject(|_| serve(&TcpListener::bind(("127.0.0.1", 0))?, framing))?;
    let port = door_of(lab, a.who, Protocol::Tcp)?;
    let mut ann = Member::enter(port, "ann")?;
    // She is in once she hears of somebody: each member has a thread of its own, and any of them may be first.
    lab.until("ann is in", || {
        drop(Member::enter(port, "somebody").ok()?);
        (ann.hear_of("somebody has left") != SILENCE).then_some(())
    })?;
    let mut bob = Member::enter(port, "小明")?;
    lab.check_that("joined", "小明…", ann.hear(), |line| line.contains("小明"));
    lab.event("open", &[("port", port.to_string())]);

    // One line, in pieces as chance cuts it, also within a character.
    let line = "一条消息 is one message, 不管怎么切";
    let mut rest = &frame(line.as_bytes())[..];
    let mut pieces = 0;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + usize::try_from(lab.chance(7)).unwrap_or(0).min(rest.len() - 1));
        bob.send(piece)?;
        pause(Duration::from_millis(2));
        (rest, pieces) = (after, pieces + 1);
    }
    lab.check("cut", format!("小明: {line}"), ann.hear());
    lab.event("cut", &[("n", pieces.to_string())]);

    bob.send(&[frame(b"one"), frame(b"two"), frame(b"three")].concat())?;
    lab.check("sticky", "小明: one|小明: two|小明: three", [ann.hear(), ann.hear(), ann.hear()].join("|"));
    lab.event("sticky", &[]);

    let long = "长".repeat(100_000);
    bob.say(&long)?;
    lab.check("long", format!("小明: {long}").len(), ann.hear().len());
    limits(lab, port, &mut ann, bob)
}

/// A length of four gigabytes, and somebody who hangs up.
fn limits(lab: &mut Lab, port: u16, ann: &mut Member, mut bob: Member) -> Outcome {
    let mut eve = Member::enter(port, "eve")?;
    lab.check_that("third", "eve…", ann.hear(), |line| line.contains("eve"));
    eve.send(&u32::MAX.to_be_bytes())?;
    lab.check_that("too-long", "eve…", ann.hear(), |line| line.contains("eve") && line != SILENCE);
    lab.event("too-long", &[]);
    bob.say("still here")?;
    lab.check("others-stay", "小明: still here", ann.hear());
    drop(bob);
    lab.check_that("hung-up", "小明…", ann.hear(), |line| line.contains("小明") && !line.contains("here"));
    lab.event("left", &[]);
    Ok(())
}

/// How the room finds the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Four bytes of length come before it.
    Length,
    /// Whatever one read gives is taken for one.
    None,
}

/// Everybody's streams; one thread for each of them reads, and writes to the others.
type Room = Arc<Mutex<Vec<(u64, TcpStream)>>>;

fn serve(door: &TcpListener, framing: Framing) -> io::Result<()> {
    let room = Room::default();
    for number in 0.. {
        let (stream, _) = door.accept()?;
        let room = Arc::clone(&room);
        thread::spawn(move || sit(number, stream, &room, framing));
    }
    Ok(())
}

/// One member's time in the room: a name, then lines, until the end or an absurd length.
fn sit(number: u64, mut stream: TcpStream, room: &Room, framing: Framing) -> io::Result<()> {
    let Some(name) = read_frame(&mut stream, 100)? else { return Ok(()) };
    let name = String::from_utf8_lossy(&name).into_owned();
    tell(room, number, &format!("{name} has come"));
    room.lock().unwrap_or_else(PoisonError::into_inner).push((number, stream.try_clone()?));
    while let Ok(Some(line)) = next(&mut stream, framing) {
        tell(room, number, &format!("{name}: {}", String::from_utf8_lossy(&line)));
    }
    room.lock().unwrap_or_else(PoisonError::into_inner).retain(|(other, _)| *other != number);
    let _ = stream.shutdown(std::net::Shutdown::Both);
    tell(room, number, &format!("{name} has left"));
    Ok(())
}

fn next(stream: &mut TcpStream, framing: Framing) -> io::Result<Option<Vec<u8>>> {
    match framing {
        Framing::Length => read_frame(stream, LIMIT),
        Framing::None => {
            let mut bytes = vec![0; 1024];
            let count = stream.read(&mut bytes)?;
            Ok((count > 0).then(|| bytes[..count].to_vec()))
        }
    }
}

/// Sends a line to all but one. The lock keeps two frames from being mixed.
fn tell(room: &Room, but: u64, line: &str) {
    let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
    for (_, stream) in room.iter_mut().filter(|(number, _)| *number != but) {
        let _ = stream.write_all(&frame(line.as_bytes()));
    }
}
