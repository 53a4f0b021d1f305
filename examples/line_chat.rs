//! Lines to everybody who is connected: IO multiplexing in one process, by poll(2).
//!
//! ```text
//! cargo run --example line_chat                             # the server, on 127.0.0.1:8039
//! cargo run --example multiplexing 127.0.0.1:8039           # a client; nc is another
//! ```
//! For a room that several processes share, see `forkd chat`.
#![allow(clippy::print_stdout)]

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    os::fd::AsFd,
};

use forkd::protocol::{delimiter::Delimiter, framing::Splitter};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

type Guest = (TcpStream, Splitter<Delimiter>);

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8039".into());
    let door = TcpListener::bind(address)?;
    println!("chat on {}", door.local_addr()?);
    let mut guests: Vec<Guest> = Vec::new();
    loop {
        let fds = guests.iter().map(|(guest, _)| guest.as_fd()).chain([door.as_fd()]);
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        poll(&mut fds, PollTimeout::NONE)?;
        let mut ready: Vec<_> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        let (knock, mut lines) = (ready.pop() == Some(true), Vec::new());
        // From the back, so that one who leaves moves nobody who is still to be heard.
        for at in (0..guests.len()).rev().filter(|at| ready[*at]) {
            if hear(&mut guests[at], &mut lines).is_err() {
                guests.swap_remove(at);
            }
        }
        guests.retain_mut(|(guest, _)| guest.write_all(&lines).is_ok());
        if knock {
            let (guest, _) = door.accept()?;
            guest.set_write_timeout(Some(std::time::Duration::from_millis(100)))?;
            guests.push((guest, Splitter::new(Delimiter::lines(1024))));
        }
    }
}

fn hear((guest, splitter): &mut Guest, lines: &mut Vec<u8>) -> io::Result<()> {
    let mut bytes = [0; 1024];
    let count = guest.read(&mut bytes)?;
    splitter.push(&bytes[..count]);
    while let Some(line) = splitter.take().map_err(io::Error::other)? {
        lines.extend([line, vec![b'\n']].concat());
    }
    if count == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
