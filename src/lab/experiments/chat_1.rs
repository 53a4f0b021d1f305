//! Chat, stage 1: the room of the course. Datagrams, a table of names, and a second process for the administrator.

use std::{
    collections::BTreeMap,
    io,
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

use crate::{
    lab::{
        Cue, Lab, Outcome,
        chat::{ADMIN, Guest, SILENCE},
        sockets::{Protocol, door_of},
    },
    sys::fork::{Fork, exit_now, fork},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let (users, fragile) = (AtomicI64::new(0), lab.bug("fragile"));
    let mut a = lab.subject(|cue| {
        let door = UdpSocket::bind(("127.0.0.1", 0))?;
        match fork()? {
            Fork::Parent(_) => room(&door, &users, fragile),
            Fork::Child => administrator(&door, cue),
        }
    })?;
    let port = door_of(lab, a.who, Protocol::Udp)?;
    lab.event("open", &[("port", port.to_string())]);
    let guests = [Guest::at(port)?, Guest::at(port)?, Guest::at(port)?];
    conversation(lab, &guests)?;
    if !lab.is_exam() {
        let b = lab.child_of(a.who, 'B');
        lab.expect("users", 3, || a.who.number_at(&users).unwrap_or(-1));
        lab.check("users-copy", 0, b.number_at(&users).unwrap_or(-1));
        a.cue()?;
        let heard: Vec<_> = guests.iter().map(|guest| guest.hear_of(ADMIN)).collect();
        lab.check("admin", format!("{ADMIN}: hello, 3 ×"), format!("{}, {} ×", heard[0], heard.iter().filter(|line| **line == heard[0]).count()));
        lab.event("admin", &[]);
    }
    breakers(lab, &guests)
}

/// Names, lines, and who hears what.
fn conversation(lab: &mut Lab, [ann, bob, eve]: &[Guest; 3]) -> Outcome {
    lab.check("login", "OK", ann.ask("L ann"));
    lab.check_that("taken", "≠ OK", bob.ask("L ann"), |answer| answer != "OK" && answer != SILENCE);
    lab.check_that("reserved", "≠ OK", bob.ask(format!("L {ADMIN}")), |answer| answer != "OK" && answer != SILENCE);
    bob.ask("L 小明");
    lab.check_that("joined", "小明…", ann.hear_of("小明"), |line| line.contains("小明"));
    eve.ask("L eve");
    ann.hear_of("eve");
    bob.hear_of("eve");
    lab.event("joined", &[]);
    bob.send("C 小明 你好 all")?;
    for (key, guest) in [("line", ann), ("line-too", eve)] {
        lab.check_that(key, "小明…你好 all", guest.hear_of("你好"), |line| line.contains("小明") && line.contains("你好 all"));
    }
    // Bob hears the answer to a question next, and not his own line.
    lab.check_that("not-own", "≠ 你好", bob.ask("L ann"), |line| !line.contains("你好"));
    lab.event("talk", &[]);
    Ok(())
}

/// What ends the room as it is commonly built. After each, somebody logs in: does the room still answer?
fn breakers(lab: &mut Lab, [ann, _, eve]: &[Guest; 3]) -> Outcome {
    let attacks: [(&str, &[u8]); 4] =
        [("q-nobody", b"Q nobody"), ("l-alone", b"L"), ("bad-utf8", b"C ann \xe4\xbd"), ("empty", b"")];
    let stranger = Guest::at(ann.port()?)?;
    for (number, (key, attack)) in attacks.into_iter().enumerate() {
        let _ = stranger.send(attack);
        let answer = Guest::at(ann.port()?)?.ask(format!("L guest{number}"));
        lab.check(key, "OK", answer);
        lab.event("attack", &[("what", String::from_utf8_lossy(attack).into_owned())]);
    }
    eve.send("Q eve")?;
    lab.check("exit", "EXIT", eve.hear_of("EXIT"));
    lab.check_that("left", "eve…", ann.hear_of("eve"), |line| line.contains("eve"));
    lab.event("left", &[]);
    Ok(())
}

/// The room: one datagram after the other, and a table of who is where.
fn room(door: &UdpSocket, users: &AtomicI64, fragile: bool) -> io::Result<()> {
    let mut people: BTreeMap<String, SocketAddr> = BTreeMap::new();
    let mut bytes = [0; 1024];
    loop {
        let (count, from) = door.recv_from(&mut bytes)?;
        let answer = |text: &str| door.send_to(text.as_bytes(), from).map(drop);
        let Ok(text) = std::str::from_utf8(&bytes[..count]) else {
            answer("not UTF-8")?;
            continue;
        };
        let mut words = text.splitn(3, ' ');
        let (verb, name, line) = (words.next(), words.next().unwrap_or(""), words.next());
        let others = |people: &BTreeMap<String, SocketAddr>, line: &str| {
            people.iter().filter(|(other, _)| *other != name).try_for_each(|(_, to)| door.send_to(line.as_bytes(), to).map(drop))
        };
        match (verb, line) {
            (Some("L"), None) if name.is_empty() || name == ADMIN => answer("this name is not for you")?,
            (Some("L"), None) if people.contains_key(name) => answer("this name is taken")?,
            (Some("L"), None) => {
                answer("OK")?;
                others(&people, &format!("{name} has come"))?;
                people.insert(name.into(), from);
            }
            (Some("C"), Some(line)) => others(&people, &format!("{name}: {line}"))?,
            (Some("Q"), None) if people.remove(name).is_some() => {
                answer("EXIT")?;
                others(&people, &format!("{name} has left"))?;
            }
            (Some("Q"), None) if fragile => exit_now(1), // what an exception does that nobody catches
            _ => answer("what do you mean?")?,
        }
        users.store(people.len() as i64, Relaxed);
    }
}

/// The second process has an old copy of the table, an empty one. So it sends its line to the room as everybody does.
fn administrator(door: &UdpSocket, cue: Cue) -> io::Result<()> {
    loop {
        cue.wait()?;
        door.send_to(format!("C {ADMIN} hello").as_bytes(), door.local_addr()?)?;
    }
}
