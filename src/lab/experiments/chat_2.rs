//! Chat, stage 2: the same room, among people whom nobody knows. An address is who you are, a heartbeat that you live.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use crate::{
    lab::{
        Lab, Outcome,
        chat::{ADMIN, Guest, SILENCE},
        hands::pause,
        sockets::{Protocol, door_of},
    },
    process::clock::Time,
};

/// Who is silent for so long has left.
const LIFE: Duration = Duration::from_secs(1);

pub fn run(lab: &mut Lab) -> Outcome {
    let trusts = lab.bug("trusting");
    let a = lab.subject(|_| room(&UdpSocket::bind(("127.0.0.1", 0))?, trusts))?;
    let port = door_of(lab, a.who, Protocol::Udp)?;
    let (ann, bob, eve) = (Guest::at(port)?, Guest::at(port)?, Guest::at(port)?);
    for (guest, name) in [(&ann, "ann"), (&bob, "bob"), (&eve, "eve")] {
        lab.check_that("login", "OK", guest.ask(format!("L {name}")), |answer| answer == "OK");
    }
    lab.event("open", &[("port", port.to_string())]);

    let stranger = Guest::at(port)?;
    let refused = |answer: &String| answer != "OK" && answer != SILENCE;
    lab.check_that("spoof", "≠ OK", stranger.ask("C ann I am ann"), refused);
    lab.check_that("spoof-admin", "≠ OK", stranger.ask(format!("C {ADMIN} all must leave")), refused);
    lab.check_that("spoof-quit", "≠ EXIT", stranger.ask("Q ann"), |answer| refused(answer) && answer != "EXIT");
    lab.check_that("spaces", "≠ OK", stranger.ask("L two words"), refused);
    lab.event("spoofed", &[]);

    ann.send("C ann a true line")?;
    lab.check("ack", "OK", ann.hear_of("OK"));
    // Had one of the false lines gone out, bob would have heard it first.
    let heard = (0..9).map(|_| bob.hear()).find(|line| !line.contains("come")).unwrap_or_default();
    lab.check_that("true-line", "ann…a true line", heard, |line| line.contains("ann") && line.contains("a true line"));
    crash(lab, &ann, &bob)?;

    bob.send("Q bob")?;
    lab.check("exit", "EXIT", bob.hear_of("EXIT"));
    // The answer may be lost on its way: whoever asks again is told again.
    lab.check("exit-again", "EXIT", bob.ask("Q bob"));
    lab.event("left", &[]);
    Ok(())
}

/// Eve's machine has lost its power: no more heartbeats come from her. Ann and bob go on with theirs.
fn crash(lab: &mut Lab, ann: &Guest, bob: &Guest) -> Outcome {
    let begin = Time::now();
    while Time::now().since(begin) < LIFE * 5 / 4 {
        ann.send("H ann")?;
        bob.send("H bob")?;
        pause(Duration::from_millis(50));
    }
    lab.check_that("crashed", "eve…left", bob.hear_of("eve has left"), |line| line.contains("eve"));
    ann.send("C ann still here")?;
    lab.check("alive", "OK", ann.hear_of("OK"));
    lab.event("crashed", &[]);
    Ok(())
}

/// Somebody in the room.
struct Person {
    at: SocketAddr,
    heard: Time,
}

/// The room: it believes addresses, which the kernel gives, and not names, which anybody may write.
fn room(door: &UdpSocket, trusts: bool) -> io::Result<()> {
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    let mut gone: BTreeMap<String, SocketAddr> = BTreeMap::new();
    let mut bytes = [0; 1024];
    door.set_read_timeout(Some(LIFE / 20))?;
    loop {
        bury(door, &mut people)?;
        let Ok((count, from)) = door.recv_from(&mut bytes) else { continue };
        let text = std::str::from_utf8(&bytes[..count]).unwrap_or_default();
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (name, line) = rest.split_once(' ').unwrap_or((rest, ""));
        let is_member = people.get(name).is_some_and(|person| trusts || person.at == from);
        let answer = match verb {
            "L" if rest.contains(' ') || name.is_empty() || name == ADMIN => "this name is not for you",
            "L" if people.contains_key(name) => "this name is taken",
            "L" => {
                tell(door, &people, name, &format!("{name} has come"))?;
                people.insert(name.into(), Person { at: from, heard: Time::now() });
                "OK"
            }
            "C" | "H" | "Q" if !is_member && gone.get(name) == Some(&from) && verb == "Q" => "EXIT",
            "C" | "H" | "Q" if !is_member => "you are not here under this name",
            "C" => {
                tell(door, &people, name, &format!("{name}: {line}"))?;
                "OK"
            }
            "Q" => {
                people.remove(name);
                gone.insert(name.into(), from);
                tell(door, &people, name, &format!("{name} has left"))?;
                "EXIT"
            }
            "H" => "",
            _ => "what do you mean?",
        };
        if let Some(person) = people.get_mut(name).filter(|person| person.at == from) {
            person.heard = Time::now();
        }
        if !answer.is_empty() {
            door.send_to(answer.as_bytes(), from)?;
        }
    }
}

/// Tells the others that those have left of whom nothing was heard for too long.
fn bury(door: &UdpSocket, people: &mut BTreeMap<String, Person>) -> io::Result<()> {
    let now = Time::now();
    let silent = people.iter().find(|(_, person)| now.since(person.heard) > LIFE).map(|(name, _)| name.clone());
    let Some(name) = silent else { return Ok(()) };
    people.remove(&name);
    tell(door, people, &name, &format!("{name} has left"))
}

/// Sends a line to all but one.
fn tell(door: &UdpSocket, people: &BTreeMap<String, Person>, but: &str, line: &str) -> io::Result<()> {
    let mut others = people.iter().filter(|(name, _)| *name != but);
    others.try_for_each(|(_, person)| door.send_to(line.as_bytes(), person.at).map(drop))
}
