//! Three messages sent one after the other stick together in a stream; three ways to tell them apart.
//!
//! ```text
//! cargo run --example framing
//! ```
//! The receiver reads 5 bytes at a time, so that messages come both stuck together and cut in two.
#![allow(clippy::print_stdout)]

use std::{
    error::Error,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use forkd::protocol::{
    delimiter::Delimiter,
    framing::{Framing, Splitter},
    length_prefix::LengthPrefix,
    packed::{Format, Value},
};

fn main() -> Result<(), Box<dyn Error>> {
    let words = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
    println!("without: {:?}", String::from_utf8_lossy(&words.concat()));
    show("a mark behind each", Delimiter::lines(80), &words)?;
    show("the length before each", LengthPrefix::two_bytes(80), &words)?;
    let structure: Format = "!i4sf".parse()?;
    let text = |word: &Vec<u8>| Value::Bytes(word.clone());
    let records =
        words.iter().map(|word| structure.pack(&[Value::Signed(1), text(word), Value::Float(1.25)]));
    show("structures of one length", structure.clone(), &records.collect::<Result<Vec<_>, _>>()?)
}

/// Sends the messages through a stream and prints what comes out of it.
fn show<F: Framing>(remedy: &str, framing: F, messages: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    let (mut sender, mut receiver) = UnixStream::pair()?;
    let mut stream = Vec::new();
    for message in messages {
        framing.write(message, &mut stream)?;
    }
    sender.write_all(&stream)?;
    drop(sender);
    println!("{remedy}: {:?}", String::from_utf8_lossy(&stream));
    let (mut splitter, mut some) = (Splitter::new(framing), [0; 5]);
    while let count @ 1.. = receiver.read(&mut some)? {
        splitter.push(&some[..count]);
        while let Some(message) = splitter.take()? {
            println!("    {:?}", String::from_utf8_lossy(&message));
        }
    }
    Ok(())
}
