//! A client that waits for its keyboard and for its server at once, by poll(2), with no second thread or process.
//!
//! ```text
//! cargo run --example multiplexing 127.0.0.1:8039           # of line_chat, or of any server of lines
//! ```
//! Whichever of the two has something is served; a blocking read of one would make the other wait.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::read,
};

fn main() -> forkd::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8039".into());
    let fails = |cause| forkd::Error::system(format!("talk to {address}"), cause);
    talk(&address).map_err(|cause| fails(cause).remedy("start the example line_chat first"))
}

fn talk(address: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(address)?;
    let (keyboard, mut typing) = (io::stdin(), true);
    let mut bytes = [0; 1024];
    loop {
        let mut fds = vec![PollFd::new(server.as_fd(), PollFlags::POLLIN)];
        if typing {
            fds.push(PollFd::new(keyboard.as_fd(), PollFlags::POLLIN));
        }
        poll(&mut fds, PollTimeout::NONE)?;
        let ready: Vec<_> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        if ready[0] {
            match server.read(&mut bytes)? {
                0 => return Ok(()),
                count => io::stdout().write_all(&bytes[..count])?,
            }
        }
        if ready.get(1) == Some(&true) {
            // Not through the buffer of the standard library: poll does not see what waits there.
            match read(&keyboard, &mut bytes)? {
                0 => {
                    typing = false;
                    server.shutdown(Shutdown::Write)?;
                }
                count => server.write_all(&bytes[..count])?,
            }
        }
    }
}
