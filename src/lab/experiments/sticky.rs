//! Sticky packets: a stream has no messages. What glues them, what cuts them, and what helps.

use std::{io::Write, time::Duration};

use crate::{
    lab::{
        Lab, Outcome,
        hands::pause,
        sockets::{Line, accept, answer, call, connection, listener, port, receive, receive_bytes},
    },
    process::signal,
    protocol::{
        delimiter::Delimiter,
        framing::{Framing, Splitter},
        length_prefix::LengthPrefix,
        packed::{Format, PackError, Value},
    },
};

pub fn run(lab: &mut Lab) -> Outcome {
    glued(lab)?;
    marks_and_lengths(lab)?;
    structures(lab).map_err(|error| crate::lab::Trouble::Never(error.to_string()))?;
    pacing(lab)
}

/// Three sends, one recv; and one send, two recv.
fn glued(lab: &mut Lab) -> Outcome {
    let (mut a, b) = connection()?;
    let line = Line::of(&b);
    for word in ["one", "two", "three"] {
        a.write_all(word.as_bytes())?;
    }
    lab.until("all three words", || (line.unread() == 11).then_some(()))?;
    lab.check("glued", "onetwothree", answer(receive(&b, 1024)));
    lab.event("glued", &[]);
    a.write_all("粘包".as_bytes())?;
    lab.until("the word", || (line.unread() == 6).then_some(()))?;
    let halves = [receive_bytes(&b, 4)?, receive_bytes(&b, 4)?];
    // Three bytes for each character: the cut went through the second one.
    lab.check("cut", "e7 b2 98 e5 + 8c 85", halves.map(|half| hex(&half)).join(" + "));
    lab.event("cut", &[]);
    Ok(())
}

/// Marks and lengths: whatever the cuts, as many messages come out as went in, and the same ones.
fn marks_and_lengths(lab: &mut Lab) -> Outcome {
    let messages: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            let length = lab.chance(20);
            // Line ends are likely: they are what a mark has to cope with.
            (0..length).map(|_| b"ab\n\\"[lab.chance(4) as usize]).collect()
        })
        .collect();
    let escapes = !lab.bug("no-escape");
    let marked = messages.iter().flat_map(|message| {
        let text = if escapes { escape(message) } else { message.clone() };
        [text, vec![b'\n']].concat()
    });
    let marked: Vec<u8> = marked.collect();
    let found = through(lab, &marked, Delimiter::lines(1024))?;
    let found: Vec<_> =
        found.iter().map(|line| if escapes { unescape(line) } else { line.clone() }).collect();
    lab.check("marks", "200 of 200", format!("{} of {}", same(&found, &messages), found.len()));
    let mut prefixed = Vec::new();
    for message in &messages {
        LengthPrefix::two_bytes(1024).write(message, &mut prefixed).map_err(std::io::Error::other)?;
    }
    let found = through(lab, &prefixed, LengthPrefix::two_bytes(1024))?;
    lab.check("lengths", "200 of 200", format!("{} of {}", same(&found, &messages), found.len()));
    lab.event("remedies", &[("n", messages.len().to_string())]);
    Ok(())
}

/// Sends a stream in pieces of chance over a real connection, and splits what comes.
fn through<F: Framing>(lab: &mut Lab, mut stream: &[u8], framing: F) -> Outcome<Vec<Vec<u8>>> {
    let (mut a, b) = connection()?;
    let mut splitter = Splitter::new(framing);
    let mut found = Vec::new();
    while !stream.is_empty() {
        let (piece, rest) = stream.split_at(stream.len().min(1 + lab.chance(40) as usize));
        a.write_all(piece)?;
        stream = rest;
        splitter.push(receive_bytes(&b, 1 + lab.chance(60) as usize)?.as_slice());
        while let Some(message) = splitter.take().map_err(std::io::Error::other)? {
            found.push(message);
        }
    }
    drop(a);
    loop {
        let piece = receive_bytes(&b, 1 + lab.chance(60) as usize)?;
        if piece.is_empty() {
            return Ok(found);
        }
        splitter.push(&piece);
        while let Some(message) = splitter.take().map_err(std::io::Error::other)? {
            found.push(message);
        }
    }
}

/// How many are the same at the same place.
fn same(found: &[Vec<u8>], sent: &[Vec<u8>]) -> usize {
    found.iter().zip(sent).filter(|(a, b)| a == b).count()
}

/// A message that holds no line end: `\n` becomes two characters, and so does the backslash.
fn escape(message: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(message);
    text.replace('\\', "\\\\").replace('\n', "\\n").into_bytes()
}

fn unescape(line: &[u8]) -> Vec<u8> {
    let mut bytes = line.iter();
    let mut out = Vec::new();
    while let Some(byte) = bytes.next() {
        match (byte, byte == &b'\\') {
            (_, true) => out.extend(bytes.next().map(|next| if *next == b'n' { b'\n' } else { *next })),
            (other, false) => out.push(*other),
        }
    }
    out
}

/// A structure has one length for all. Between machines only in network order, and without the compiler's padding.
fn structures(lab: &mut Lab) -> Result<(), PackError> {
    let record: Format = "i4sf".parse()?;
    let values = |name: &str| [Value::Signed(1), Value::Bytes(name.into()), Value::Float(1.25)];
    let bytes = record.pack(&values("asdd"))?;
    lab.check(
        "packed",
        "12 bytes, 00 00 a0 3f at the end",
        format!("{} bytes, {} at the end", bytes.len(), hex(&bytes[8..])),
    );
    let sizes = ["ci".parse::<Format>()?.size(), "!ci".parse::<Format>()?.size()];
    lab.check("padding", "8, 5", format!("{}, {}", sizes[0], sizes[1]));
    let cut = record.unpack(&record.pack(&values("sssdd"))?)?;
    lab.check("silent-cut", format!("{:?}", Value::Bytes(b"sssd".to_vec())), format!("{:?}", cut[1]));
    lab.event("packed", &[]);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// A pause after each message works until the reader is held up for once.
fn pacing(lab: &mut Lab) -> Outcome {
    let door = listener(1)?;
    let at = port(&door);
    let r = lab.actor('R', |_| {
        let (peer, _) = accept(&door)?;
        loop {
            let message = receive(&peer, 1024)?;
            if message.is_empty() {
                return Ok(());
            }
            std::io::stdout().write_all(format!("{message}\n").as_bytes())?;
        }
    })?;
    drop(door);
    let mut a = call(at)?;
    a.write_all(b"first")?;
    lab.until("the first message", || r.output().contains("first\n").then_some(()))?;
    signal::send(r.pid(), libc::SIGSTOP)?;
    lab.until("a reader that is held up", || (r.who.state() == "T").then_some(()))?;
    for word in ["second", "third"] {
        a.write_all(word.as_bytes())?;
        pause(Duration::from_millis(20));
    }
    signal::send(r.pid(), libc::SIGCONT)?;
    lab.expect("pacing", "first secondthird", || r.output().split_whitespace().collect::<Vec<_>>().join(" "));
    lab.event("pacing", &[]);
    Ok(())
}
