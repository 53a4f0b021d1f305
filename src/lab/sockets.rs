//! Sockets without the standard library's kindness, and what the kernel says of them.
//!
//! Rust's `TcpListener` sets SO_REUSEADDR, picks a backlog, and its streams ask for no SIGPIPE. These calls are the
//! system's, one for one, so that what the course is about can be seen.

use std::{
    fmt::Display,
    io::{self, Read},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    time::Duration,
};

use nix::errno::Errno;
use socket2::{Domain, SockAddr, Socket, Type};

pub use crate::inspect::sock::Protocol;

use super::{Lab, Outcome, look::Who};
use crate::{
    inspect::sock::{self, End, Socket as Seen, State},
    process::Pid,
};

/// What a socket that the kernel has forgotten shows as.
pub const GONE: &str = "-";

/// No answer that an experiment waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A TCP socket, fresh from socket(2).
///
/// # Errors
/// Those of socket(2).
pub fn tcp() -> io::Result<Socket> {
    patient(Socket::new(Domain::IPV4, Type::STREAM, None)?)
}

/// A UDP socket, fresh from socket(2).
///
/// # Errors
/// Those of socket(2).
pub fn udp() -> io::Result<Socket> {
    patient(Socket::new(Domain::IPV4, Type::DGRAM, None)?)
}

/// The same socket, with an end to waiting: a run must come to its end although an answer does not.
fn patient(socket: Socket) -> io::Result<Socket> {
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// A port on this machine's loopback; 0 lets the kernel pick.
pub fn local(port: u16) -> SockAddr {
    SocketAddrV4::new(Ipv4Addr::LOCALHOST, port).into()
}

/// The port that a socket has, 0 without one.
pub fn port(socket: &Socket) -> u16 {
    socket.local_addr().ok().and_then(|address| address.as_socket()).map_or(0, |address| address.port())
}

/// A socket that listens at a port of the kernel's choice, with room for `backlog` waiting connections.
///
/// # Errors
/// Those of socket(2), bind(2) and listen(2).
pub fn listener(backlog: i32) -> io::Result<Socket> {
    let listener = tcp()?;
    listener.bind(&local(0))?;
    listener.listen(backlog)?;
    Ok(listener)
}

/// A socket that is connected to that port.
///
/// # Errors
/// Those of connect(2).
pub fn call(port: u16) -> io::Result<Socket> {
    let socket = tcp()?;
    socket.connect(&local(port))?;
    Ok(socket)
}

/// The two ends of one TCP connection: who called, and who was called.
///
/// # Errors
/// Those of the calls that make one.
pub fn connection() -> io::Result<(Socket, Socket)> {
    let door = listener(1)?;
    let caller = call(port(&door))?;
    Ok((caller, accept(&door)?.0))
}

/// Takes the next connection, and who is at the other end.
///
/// # Errors
/// Those of accept(2).
pub fn accept(door: &Socket) -> io::Result<(Socket, SockAddr)> {
    let (socket, from) = again(|| door.accept())?;
    Ok((patient(socket)?, from))
}

/// Calls again when a signal came between: a wait that has an end is not taken up again after a stop, signal(7).
fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// A UDP socket at a port of the kernel's choice.
///
/// # Errors
/// Those of socket(2) and bind(2).
pub fn letterbox() -> io::Result<Socket> {
    let socket = udp()?;
    socket.bind(&local(0))?;
    Ok(socket)
}

/// What one recv(2) of at most `limit` bytes gives, as text.
///
/// # Errors
/// Those of recv(2).
pub fn receive(socket: &Socket, limit: usize) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&receive_bytes(socket, limit)?).into_owned())
}

/// What one recv(2) of at most `limit` bytes gives.
///
/// # Errors
/// Those of recv(2).
pub fn receive_bytes(mut socket: &Socket, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; limit];
    let count = again(|| socket.read(&mut bytes))?;
    bytes.truncate(count);
    Ok(bytes)
}

/// Everything until the other end has finished, as text.
///
/// # Errors
/// Those of recv(2).
pub fn receive_all(mut socket: &Socket) -> io::Result<String> {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What the kernel answered to a call: its result, or the name of the error, `EPIPE`.
pub fn answer<T: Display>(result: io::Result<T>) -> String {
    result.map_or_else(|cause| errno(&cause), |value| value.to_string())
}

/// What the kernel answered to a call without a result: `ok`, or the name of the error.
pub fn verdict<T>(result: io::Result<T>) -> String {
    answer(result.map(|_| "ok"))
}

fn errno(cause: &io::Error) -> String {
    cause.raw_os_error().map_or_else(|| cause.to_string(), |number| format!("{:?}", Errno::from_raw(number)))
}

/// Every TCP or UDP socket of this network namespace with that port here. sock_diag(7).
fn seen(protocol: Protocol, here: u16) -> Vec<Seen> {
    sock::at_port(protocol, here).unwrap_or_default()
}

/// One end of a connection, by its two ports: it can be asked for when our descriptor is long closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    here: u16,
    there: u16,
}

impl Line {
    /// The connection that this socket is an end of.
    pub fn of(socket: &Socket) -> Self {
        let there = socket.peer_addr().ok().and_then(|peer| peer.as_socket()).map_or(0, |peer| peer.port());
        Self { here: port(socket), there }
    }

    fn look(self) -> Option<Seen> {
        let mut sockets = seen(Protocol::Tcp, self.here);
        sockets.retain(|socket| matches!(socket.peer, End::Inet(peer) if peer.port() == self.there));
        sockets.pop()
    }

    /// Its state, in the words of ss(8).
    pub fn state(self) -> &'static str {
        self.look().map_or(GONE, |socket| state_name(socket.state))
    }

    /// How many bytes have arrived and were not read: Recv-Q of ss(8).
    pub fn unread(self) -> u32 {
        self.look().and_then(|socket| socket.unread).unwrap_or(0)
    }

    /// How many bytes were sent and not acknowledged: Send-Q of ss(8).
    pub fn unsent(self) -> u32 {
        self.look().and_then(|socket| socket.unsent).unwrap_or(0)
    }
}

/// How many connections wait at a listening port, and how many may: Recv-Q and Send-Q of `ss -l`.
pub fn queue(port: u16) -> (u32, u32) {
    let listener = seen(Protocol::Tcp, port).into_iter().find(|socket| socket.state == State::Listen);
    listener.map_or((0, 0), |socket| (socket.queue.unwrap_or(0), socket.backlog.unwrap_or(0)))
}

/// The states of all TCP sockets with this port here and another end, in the words of ss(8), sorted.
pub fn states_at(port: u16) -> Vec<&'static str> {
    let sockets = seen(Protocol::Tcp, port);
    let mut states: Vec<_> = sockets
        .iter()
        .filter(|socket| socket.state != State::Listen)
        .map(|socket| state_name(socket.state))
        .collect();
    states.sort_unstable();
    states
}

/// How many datagrams the kernel has thrown away at this port for want of room.
pub fn drops(port: u16) -> u32 {
    seen(Protocol::Udp, port).iter().filter_map(|socket| socket.drops).sum()
}

/// The address as text, `127.0.0.1:4711`, and its port.
pub fn peer(address: &SockAddr) -> Option<SocketAddr> {
    address.as_socket()
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Listen => "LISTEN",
        State::Unconnected => "UNCONN",
        State::Established => "ESTAB",
        State::SynSent => "SYN-SENT",
        State::SynRecv => "SYN-RECV",
        State::FinWait1 => "FIN-WAIT-1",
        State::FinWait2 => "FIN-WAIT-2",
        State::TimeWait => "TIME-WAIT",
        State::CloseWait => "CLOSE-WAIT",
        State::LastAck => "LAST-ACK",
        State::Closing => "CLOSING",
        State::Unknown => "?",
    }
}

/// The port at which a process, or one that it has made, waits for others; a learner's program may pick any.
///
/// # Errors
/// When there is none for seconds.
pub fn door_of(lab: &Lab, who: Who, protocol: Protocol) -> Outcome<u16> {
    lab.until("a listening socket", || {
        let mut family = vec![who.pid.as_raw()];
        family.extend(who.descendants().iter().map(|process| process.pid));
        family.into_iter().find_map(|pid| {
            let report = sock::look(&sock::Filter::Pid(Pid::from_raw(pid))).ok()?;
            let listener = report.listeners.iter().find(|socket| socket.protocol == protocol)?;
            listener.address.port().filter(|port| *port > 0)
        })
    })
}
