//! A conversation over TCP or a Unix stream: everything that is said goes out, everything that comes back is printed.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    time::Instant,
};

use socket2::Socket;

use super::{
    Destination, Print, QUIET,
    waiting::{self, Ready, Want},
};
use crate::{Error, Result};

/// Sends `text` as one line, or standard input as it comes, and prints what the server says until it closes.
pub fn converse(
    socket: &Socket,
    text: Option<String>,
    destination: &Destination,
    print: Print<'_>,
) -> Result<()> {
    let mut talk = Talk::new(text, print);
    loop {
        let ready = talk.wait(socket)?;
        if ready.nothing() {
            return talk.left_alone(destination);
        }
        let open = talk.go_on(socket, ready);
        if !open.map_err(|cause| Error::system(format!("talk to {destination}"), cause))? {
            return talk.last_line_break();
        }
        if ready.input {
            talk.type_on()?;
        }
    }
}

/// What is still to be said, and what was heard.
struct Talk<'a> {
    /// What was read and is not sent yet.
    pending: Vec<u8>,
    /// Whether more is to come from standard input.
    typing: bool,
    /// Whether our direction is closed.
    said_all: bool,
    /// When the server was last heard, or we said our last.
    quiet_since: Instant,
    /// The last byte that was printed.
    last: Option<u8>,
    print: Print<'a>,
}

impl<'a> Talk<'a> {
    fn new(text: Option<String>, print: Print<'a>) -> Self {
        let typing = text.is_none();
        let pending = text.map(|text| format!("{text}\n").into_bytes()).unwrap_or_default();
        Self { pending, typing, said_all: false, quiet_since: Instant::now(), last: None, print }
    }

    /// Waits for whatever can happen next. There is a deadline only once all is said: a person may type slowly.
    fn wait(&mut self, socket: &Socket) -> Result<Ready> {
        let room = !self.pending.is_empty();
        let input = self.typing && !room;
        let deadline = self.said_all.then(|| self.quiet_since + QUIET);
        if !room && !self.typing && !self.said_all {
            return Ok(Ready { room: true, ..Ready::default() });
        }
        waiting::wait(socket, Want { room, input, deadline })
    }

    /// Sends and prints what can be; `false` when the server has closed.
    fn go_on(&mut self, mut socket: &Socket, ready: Ready) -> io::Result<bool> {
        if ready.room {
            self.say(socket)?;
        }
        if !ready.socket {
            return Ok(true);
        }
        let mut buffer = [0; 16 * 1024];
        match socket.read(&mut buffer) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.quiet_since = Instant::now();
                self.last = buffer[..count].last().copied();
                (self.print)(&buffer[..count]).map_err(io::Error::other)?;
                Ok(true)
            }
            Err(cause) if retry(&cause) => Ok(true),
            Err(cause) => Err(cause),
        }
    }

    /// Sends what is pending; after the last of it, closes our direction.
    fn say(&mut self, mut socket: &Socket) -> io::Result<()> {
        match socket.write(&self.pending) {
            Ok(count) => drop(self.pending.drain(..count)),
            // The server no longer listens; what it said before is still to be read.
            Err(cause) if cause.kind() == ErrorKind::BrokenPipe => self.stop_typing(),
            Err(cause) if retry(&cause) => {}
            Err(cause) => return Err(cause),
        }
        if self.pending.is_empty() && !self.typing {
            self.said_all = true;
            self.quiet_since = Instant::now();
            // An error means that the connection is gone, which the next read says better.
            let _ = socket.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    fn stop_typing(&mut self) {
        self.pending.clear();
        self.typing = false;
    }

    /// Takes what was typed.
    fn type_on(&mut self) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        let count = waiting::read_input(&mut buffer)?;
        self.pending.extend_from_slice(&buffer[..count]);
        self.typing = count > 0;
        Ok(())
    }

    /// The server has said nothing for a while and keeps the connection.
    fn left_alone(&mut self, destination: &Destination) -> Result<()> {
        if self.last.is_some() {
            return self.last_line_break();
        }
        let text = format!("no reply from {destination} within {} s", QUIET.as_secs());
        Err(Error::failed(text).remedy("the connection was made, so look at the server: forkd status"))
    }

    /// Ends the last line, for whatever is printed next.
    fn last_line_break(&mut self) -> Result<()> {
        if self.last.is_some_and(|last| last != b'\n') { (self.print)(b"\n") } else { Ok(()) }
    }
}

/// Whether an error means no more than "later".
fn retry(cause: &io::Error) -> bool {
    matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// A server for one client, which says `greeting`, then reads to the end. What each side heard, the server first.
    fn talk(greeting: &'static [u8], text: &str) -> (Vec<u8>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            client.write_all(greeting).expect("said");
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).expect("heard");
            heard
        });
        let destination: Destination = address.to_string().parse().expect("an address");
        let mut printed = Vec::new();
        let mut print = |bytes: &[u8]| {
            printed.extend_from_slice(bytes);
            Ok(())
        };
        super::super::send(&destination, &[text.to_owned()], &mut print).expect("sent");
        (server.join().expect("the server ended"), printed)
    }

    #[test]
    fn a_text_is_one_line_and_its_end_is_told() {
        assert_eq!(talk(b"", "hello"), (b"hello\n".to_vec(), b"".to_vec()));
        // What is printed next begins a line.
        assert_eq!(talk(b"Thanks", "hello").1, b"Thanks\n");
    }

    #[test]
    fn both_sides_may_say_more_than_the_buffers_hold() {
        let long = "x".repeat(4 << 20);
        let (heard, printed) = talk(&[b'\n'; 4 << 20], &long);
        assert_eq!((heard.len(), printed.len()), (long.len() + 1, 4 << 20));
    }

    #[test]
    fn where_nobody_listens_the_reason_is_said() {
        let gone = TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
        let destination: Destination = gone.to_string().parse().expect("an address");
        let error =
            super::super::send(&destination, &["hello".into()], &mut |_| Ok(())).expect_err("nobody listens");
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("refused"), "{error}");
    }
}
