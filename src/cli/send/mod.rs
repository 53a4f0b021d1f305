//! `forkd send ADDR [TEXT…]`: text or typed lines to a server, its replies printed as they come.
//!
//! On a stream the end of our text is told to the server (a half-close), and what it still answers is printed until it
//! closes too: so no reply is lost and no time is guessed. A server that leaves the connection open is left after
//! [`QUIET`]. Of datagrams each is sent alone and answered by one, within [`QUIET`].

mod datagrams;
mod destination;
mod stream;
mod waiting;

use std::time::Duration;

use clap::Args;
use socket2::{Domain, SockAddr, Socket, Type};

pub use destination::Destination;

use crate::{Error, Result};

/// `forkd send`
#[derive(Debug, Args)]
pub struct Send {
    /// 127.0.0.1:7007, :7007, udp:127.0.0.1:7007, unix:/path or unix:@name
    #[arg(value_name = "ADDR")]
    pub address: Destination,
    /// What to send, joined by blanks; without it the lines of standard input
    #[arg(value_name = "TEXT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub text: Vec<String>,
}

pub const EXAMPLES: &str = "\
Examples:
  forkd send :7007 hello                  one line to TCP, the reply printed
  forkd send udp:127.0.0.1:7007 hello     one datagram, one reply
  forkd send unix:/run/echo.sock < file   all of standard input";

/// How long a server may be silent before we stop waiting for a reply.
const QUIET: Duration = Duration::from_secs(5);

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// What to do when nobody answers.
const ASK: &str = "does a server listen there? forkd list shows those that run here";

/// Where replies go: standard output, but for tests.
pub type Print<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

/// Sends text, or standard input when there is none, and prints what comes back as it comes.
///
/// # Errors
/// When nothing listens there, the server does not reply, or the connection breaks.
pub fn send(destination: &Destination, text: &[String], print: Print<'_>) -> Result<()> {
    let socket = connect(destination)?;
    let text = (!text.is_empty()).then(|| text.join(" "));
    match destination {
        Destination::Udp(_) => datagrams::converse(&socket, text, destination, print),
        Destination::Tcp(_) | Destination::Unix(_) => stream::converse(&socket, text, destination, print),
    }
}

/// Connects to the first of the destination's addresses that answers.
fn connect(destination: &Destination) -> Result<Socket> {
    let mut refused = None;
    for address in destination.addresses()? {
        match connect_to(&address, destination.kind()) {
            Ok(socket) => return Ok(socket),
            Err(cause) => refused = Some(cause),
        }
    }
    let cause = refused.unwrap_or_else(|| std::io::Error::other("the name has no address"));
    Err(Error::system(format!("connect to {destination}"), cause).remedy(ASK))
}

fn connect_to(address: &SockAddr, kind: Type) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::from(i32::from(address.family())), kind, None)?;
    if address.is_unix() {
        socket.connect(address)?;
    } else {
        socket.connect_timeout(address, CONNECT)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
