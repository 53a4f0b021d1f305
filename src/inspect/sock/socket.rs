//! What is known of one socket.

use std::{fmt, net::SocketAddr};

use serde::Serialize;

use super::Holder;

/// The family of a socket, as its user sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP over IPv4 or IPv6.
    Tcp,
    /// UDP over IPv4 or IPv6.
    Udp,
    /// A Unix-domain socket.
    Unix,
}

/// What its reader gets: bytes without bounds, or messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Bytes in order.
    Stream,
    /// Messages, each for itself.
    Datagram,
    /// Messages in order.
    Seqpacket,
}

/// The state of a socket, in the words of RFC 9293; those of UDP and Unix sockets are named alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Listen,
    Unconnected,
    Established,
    SynSent,
    SynRecv,
    FinWait1,
    FinWait2,
    TimeWait,
    CloseWait,
    LastAck,
    Closing,
    /// A number that this kernel has and this page does not.
    Unknown,
}

/// One end of a socket's way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// An address and a port.
    Inet(SocketAddr),
    /// A path, or `@` and an abstract name, with control characters escaped.
    Unix(String),
    /// No name, or no other end.
    None,
}

/// What the socket waits for by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Timer {
    /// What happens when it runs out.
    pub kind: TimerKind,
    /// When, in milliseconds from now.
    pub expires_ms: u64,
    /// How often it has run out already.
    pub tries: u8,
}

/// What happens when a timer runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerKind {
    /// What was not acknowledged is sent again.
    Retransmit,
    /// The other end is asked whether it still lives.
    Keepalive,
    /// The address pair is free again.
    TimeWait,
    /// The other end, whose window is full, is asked for room.
    Probe,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// TCP, UDP or Unix.
    pub protocol: Protocol,
    /// Stream or datagrams.
    pub kind: Kind,
    /// What it is at.
    pub state: State,
    /// Its own address.
    pub address: End,
    /// The address at the other end.
    pub peer: End,
    /// An IPv6 listener on all addresses that takes IPv4 clients too.
    pub dual_stack: bool,
    /// For a listener: connections that wait to be accepted.
    pub queue: Option<u32>,
    /// For a listener: how many may wait.
    pub backlog: Option<u32>,
    /// Bytes (for Unix datagrams, messages) that came in and were not read yet.
    pub unread: Option<u32>,
    /// Bytes that were written and not acknowledged, or not taken, yet.
    pub unsent: Option<u32>,
    /// What was lost here: datagrams without room, connections that found the queue full.
    pub drops: Option<u32>,
    /// What it waits for.
    pub timer: Option<Timer>,
    /// Its number in /proc/PID/fd; 0 for one that no process holds.
    pub inode: u32,
    /// The number of the socket at the other end, where the kernel says so.
    pub peer_inode: Option<u32>,
    /// How many sockets these are: more than one for the group of a server with a queue for each worker (`SO_REUSEPORT`),
    /// whose numbers are added up.
    pub sockets: u32,
    /// Who made it.
    pub uid: Option<u32>,
    /// Each descriptor that leads to it.
    pub holders: Vec<Holder>,
    /// Why there is none, in words.
    pub nobody: Option<String>,
}

impl End {
    /// The port, of an address that has one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(address) => Some(address.port()),
            Self::Unix(_) | Self::None => None,
        }
    }
}

impl Socket {
    /// A socket of which nothing but its place is known.
    pub(super) fn new(protocol: Protocol, kind: Kind, state: State, inode: u32) -> Self {
        Self {
            protocol,
            kind,
            state,
            address: End::None,
            peer: End::None,
            dual_stack: false,
            queue: None,
            backlog: None,
            unread: None,
            unsent: None,
            drops: None,
            timer: None,
            inode,
            peer_inode: None,
            sockets: 1,
            uid: None,
            holders: Vec::new(),
            nobody: None,
        }
    }

    /// Whether others come to it, rather than one other end.
    pub(super) fn waits_for_others(&self) -> bool {
        matches!(self.state, State::Listen | State::Unconnected)
    }

    /// Takes in the other if both are of one group: at one address, and one process, the master, holds both.
    ///
    /// # Errors
    /// The other, if they are not.
    pub(super) fn join(&mut self, other: Self) -> Result<(), Box<Self>> {
        let alike =
            (self.protocol, self.state, &self.address) == (other.protocol, other.state, &other.address);
        let held = |holder: &Holder| other.holders.iter().any(|theirs| theirs.pid == holder.pid);
        if !alike || !matches!(self.address, End::Inet(_)) || !self.holders.iter().any(held) {
            return Err(Box::new(other));
        }
        let add = |a: Option<u32>, b: Option<u32>| a.into_iter().chain(b).reduce(u32::saturating_add);
        self.queue = add(self.queue, other.queue);
        self.backlog = add(self.backlog, other.backlog);
        self.unread = add(self.unread, other.unread);
        self.unsent = add(self.unsent, other.unsent);
        self.drops = add(self.drops, other.drops);
        self.sockets += other.sockets;
        self.holders.extend(other.holders);
        self.holders.sort_by_key(|holder| (holder.pid, holder.fd));
        Ok(())
    }

    /// The order of the report.
    pub(super) fn rank(&self) -> impl Ord + '_ {
        (self.protocol, self.state, self.address.port(), &self.address, &self.peer, self.inode)
    }

    /// Why no descriptor leads to it; `None` if one does.
    pub(super) fn why_nobody(&self, unseen: usize) -> Option<String> {
        if !self.holders.is_empty() {
            return None;
        }
        let unaccepted =
            self.protocol == Protocol::Unix || matches!(self.state, State::Established | State::CloseWait);
        Some(if self.state == State::TimeWait {
            "the kernel, until the timer ends".into()
        } else if self.state == State::SynRecv {
            "nobody yet: the handshake is under way".into()
        } else if self.inode == 0 && unaccepted {
            "nobody yet: it waits in the accept queue".into()
        } else if self.inode == 0 {
            "nobody any more: the kernel finishes it".into()
        } else if unseen == 0 {
            "no process here: the kernel, a message in flight, or another pid namespace".into()
        } else {
            let maker = self.uid.map_or(String::new(), |uid| format!(": made by user {uid}"));
            format!("not visible{maker} (root sees who holds it)")
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen => "LISTEN",
            Self::Unconnected => "UNCONNECTED",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Closing => "CLOSING",
            Self::Unknown => "UNKNOWN",
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(name) => write!(f, "unix:{name}"),
            Self::None => f.write_str("-"),
        }
    }
}

impl Serialize for End {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Inet(_) | Self::Unix(_) => serializer.collect_str(self),
        }
    }
}
