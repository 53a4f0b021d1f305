//! TCP or UDP: one program with a switch, five differences, each of them measured; and what "reliable" is worth.

use std::{io, io::Write, time::Duration};

use sha2::{Digest, Sha256};
use socket2::Socket;

use crate::{
    lab::{
        Lab, Outcome,
        hands::pause,
        sockets::{
            Line, accept, answer, call, connection, letterbox, listener, local, port, receive, udp, verdict,
        },
    },
    process::signal,
};

/// The switch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Tcp,
    Udp,
}

pub fn run(lab: &mut Lab) -> Outcome {
    for (by, name) in [(By::Tcp, "tcp"), (By::Udp, "udp")] {
        let promised = match by {
            By::Tcp => ["ECONNREFUSED", "onetwo", "all", "EAGAIN", "1"],
            By::Udp => ["ok", "one", "some", "none", "2"],
        };
        let seen = [speaks_to_nobody(by), bounds(lab, by), arrives(by), slowed(by), listeners(by)];
        for ((what, promised), seen) in
            ["nobody", "bounds", "arrival", "pace", "peers"].iter().zip(promised).zip(seen)
        {
            lab.check(&format!("{name}-{what}"), promised, seen?);
        }
        lab.event(name, &[]);
    }
    intact(lab)
}

/// Two ends that can talk to each other.
fn pair(by: By) -> io::Result<(Socket, Socket)> {
    if by == By::Tcp {
        return connection();
    }
    let (a, b) = (letterbox()?, letterbox()?);
    a.connect(&local(port(&b)))?;
    Ok((a, b))
}

/// 1. Whether there is a connection: can one speak to a port where nobody is?
fn speaks_to_nobody(by: By) -> io::Result<String> {
    let free = port(&listener(1)?); // was ours, and is nobody's now
    Ok(match by {
        By::Tcp => verdict(call(free)),
        By::Udp => verdict(udp()?.send_to(b"x", &local(free))),
    })
}

/// 2. Whether messages keep their bounds: two sends, one recv.
fn bounds(lab: &Lab, by: By) -> io::Result<String> {
    let (a, b) = pair(by)?;
    a.send(b"one")?;
    a.send(b"two")?;
    if by == By::Tcp {
        let line = Line::of(&b);
        let _ = lab.until("both words", || (line.unread() == 6).then_some(()));
    }
    Ok(answer(receive(&b, 100)))
}

/// 3. Whether all arrives at a reader who comes late: two thousand times a thousand bytes.
fn arrives(by: By) -> io::Result<String> {
    let (a, b) = pair(by)?;
    let total = 2_000_000;
    let (mut sent, mut read) = (0, 0);
    a.set_nonblocking(true)?;
    b.set_nonblocking(true)?;
    while sent < total {
        match a.send(&[b'x'; 1000][..1000.min(total - sent)]) {
            Ok(count) => sent += count,
            // TCP says when it has no room; then, and only then, the reader wakes up.
            Err(_) => read += drain(&b),
        }
    }
    pause(Duration::from_millis(20));
    let _ = a.shutdown(std::net::Shutdown::Write);
    b.set_nonblocking(by == By::Udp)?;
    read += drain(&b);
    Ok(if read == total { "all" } else { "some" }.into())
}

fn drain(socket: &Socket) -> usize {
    let mut read = 0;
    while let Ok(count) = receive(socket, 64 * 1024).map(|text| text.len()) {
        if count == 0 {
            break;
        }
        read += count;
    }
    read
}

/// 4. Whether a fast sender is slowed down by a reader that does not read.
fn slowed(by: By) -> io::Result<String> {
    let (a, _b) = pair(by)?;
    a.set_nonblocking(true)?;
    let refused = (0..20_000).find_map(|_| a.send(&[b'x'; 1000]).err());
    Ok(refused.map_or("none".into(), |cause| answer::<usize>(Err(cause))))
}

/// 5. To how many others one socket can speak.
fn listeners(by: By) -> io::Result<String> {
    let (one, two) = match by {
        By::Tcp => (listener(1)?, listener(1)?),
        By::Udp => (letterbox()?, letterbox()?),
    };
    let speaker = if by == By::Tcp { call(port(&one))? } else { udp()? };
    let reached = [&one, &two]
        .into_iter()
        .filter(|other| speaker.send_to(b"hello", &local(port(other))).is_ok() && hears(by, other));
    Ok(reached.count().to_string())
}

fn hears(by: By, door: &Socket) -> bool {
    let _ = door.set_nonblocking(true);
    let heard = |socket: &Socket| receive(socket, 100).is_ok_and(|text| text.starts_with("hello"));
    match by {
        By::Udp => heard(door),
        By::Tcp => accept(door).is_ok_and(|(socket, _)| heard(&socket)),
    }
}

/// No loss, no disorder, nothing twice: four megabytes from a process that is stopped again and again.
fn intact(lab: &mut Lab) -> Outcome {
    const SIZE: usize = 4 << 20;
    let door = listener(1)?;
    let at = port(&door);
    let seed = lab.chance(u64::from(u32::MAX)) as u32;
    let byte =
        move |place: usize| (place as u32).wrapping_mul(2_654_435_761).wrapping_add(seed).to_be_bytes()[0];
    let w = lab.actor('W', move |_| {
        let mut peer = call(at)?;
        let all: Vec<u8> = (0..SIZE).map(byte).collect();
        all.chunks(1 + seed as usize % 5000).try_for_each(|piece| peer.write_all(piece))
    })?;
    let (peer, _) = accept(&door)?;
    let (mut digest, mut read) = (Sha256::new(), 0);
    let damaged = lab.bug("damaged");
    loop {
        let mut buffer = vec![0; 1 + lab.chance(100_000) as usize];
        let count = io::Read::read(&mut &peer, &mut buffer)?;
        if count == 0 {
            break;
        }
        if damaged && read == 0 {
            buffer[0] ^= 1; // what no checksum of TCP would have let pass
        }
        digest.update(&buffer[..count]);
        read += count;
        if lab.chance(20) == 0 {
            signal::send(w.pid(), libc::SIGSTOP)?;
            pause(Duration::from_millis(2));
            signal::send(w.pid(), libc::SIGCONT)?;
        }
    }
    let expected: Vec<u8> = (0..SIZE).map(byte).collect();
    lab.check("intact", hex(&Sha256::digest(expected)), hex(&digest.finalize()));
    lab.event("intact", &[("bytes", read.to_string())]);
    Ok(())
}

/// The first bytes of a digest.
fn hex(digest: &[u8]) -> String {
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
