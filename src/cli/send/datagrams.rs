//! A conversation over UDP: one datagram, one reply. Nobody says that a datagram was lost, so a limit must.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read, Write},
    time::Instant,
};

use socket2::Socket;

use super::{
    ASK, Destination, Print, QUIET,
    waiting::{self, Ready, Want},
};
use crate::{Error, Result};

/// The longest datagram.
const LONGEST: usize = 65_536;

/// Sends `text`, or each line of standard input, as a datagram, and prints the reply to each.
pub fn converse(
    socket: &Socket,
    text: Option<String>,
    destination: &Destination,
    print: Print<'_>,
) -> Result<()> {
    let failed = |cause| Error::system(format!("talk to {destination}"), cause).remedy(ASK);
    let mut talk = Talk::new(text);
    loop {
        talk.say(socket).map_err(failed)?;
        if talk.finished() {
            return Ok(());
        }
        let ready = talk.wait(socket)?;
        if ready.nothing() {
            let text = format!("no reply from {destination} within {} s", QUIET.as_secs());
            return Err(Error::failed(text).remedy("a datagram may be lost: send it again"));
        }
        if ready.socket {
            talk.hear(socket, print).map_err(failed)?;
        }
        if ready.input {
            talk.type_on()?;
        }
    }
}

/// What is still to be said, and whether a reply is awaited.
struct Talk {
    /// Whole datagrams.
    messages: VecDeque<Vec<u8>>,
    /// The beginning of a typed line.
    line: Vec<u8>,
    /// Whether more is to come from standard input.
    typing: bool,
    /// When the datagram was sent that has no reply yet.
    asked: Option<Instant>,
}

impl Talk {
    fn new(text: Option<String>) -> Self {
        let typing = text.is_none();
        let messages = text.map(String::into_bytes).into_iter().collect();
        Self { messages, line: Vec::new(), typing, asked: None }
    }

    fn finished(&self) -> bool {
        self.asked.is_none() && self.messages.is_empty() && !self.typing
    }

    /// Sends the next datagram, unless the last one has no reply yet.
    fn say(&mut self, mut socket: &Socket) -> io::Result<()> {
        if self.asked.is_none()
            && let Some(message) = self.messages.pop_front()
        {
            // The buffer of an idle UDP socket takes any datagram at once.
            let sent = socket.write(&message)?;
            debug_assert_eq!(sent, message.len());
            self.asked = Some(Instant::now());
        }
        Ok(())
    }

    fn wait(&self, socket: &Socket) -> Result<Ready> {
        let input = self.typing && self.asked.is_none();
        waiting::wait(socket, Want { room: false, input, deadline: self.asked.map(|asked| asked + QUIET) })
    }

    /// Prints a datagram as a line.
    fn hear(&mut self, mut socket: &Socket, print: Print<'_>) -> io::Result<()> {
        let mut buffer = vec![0; LONGEST];
        match socket.read(&mut buffer) {
            Ok(count) => {
                self.asked = None;
                buffer.truncate(count);
                if buffer.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                }
                print(&buffer).map_err(io::Error::other)
            }
            Err(cause) if matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(cause) => Err(cause),
        }
    }

    /// Takes what was typed, line by line.
    fn type_on(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        let count = waiting::read_input(&mut buffer)?;
        for byte in &buffer[..count] {
            if *byte == b'\n' {
                self.messages.push_back(std::mem::take(&mut self.line));
            } else {
                self.line.push(*byte);
            }
        }
        if count == 0 {
            self.typing = false;
            if !self.line.is_empty() {
                self.messages.push_back(std::mem::take(&mut self.line));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, thread};

    use super::*;

    #[test]
    fn a_reply_is_a_line() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("bound");
        let destination =
            format!("udp:{}", server.local_addr().expect("an address")).parse().expect("an address");
        let echo = thread::spawn(move || {
            let mut buffer = [0; 64];
            let (count, client) = server.recv_from(&mut buffer).expect("a datagram");
            server.send_to(&buffer[..count], client).expect("answered");
        });
        let mut printed = Vec::new();
        let mut print = |bytes: &[u8]| {
            printed.extend_from_slice(bytes);
            Ok(())
        };
        super::super::send(&destination, &["C".into(), "name".into()], &mut print).expect("a reply");
        echo.join().expect("the server ended");
        assert_eq!(printed, b"C name\n");
    }

    #[test]
    fn a_datagram_to_nobody_fails_at_once() {
        let gone = UdpSocket::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
        let destination: Destination = format!("udp:{gone}").parse().expect("an address");
        let error =
            super::super::send(&destination, &["hello".into()], &mut |_| Ok(())).expect_err("nobody listens");
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
