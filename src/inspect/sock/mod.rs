//! Sockets, and which processes hold them.
//!
//! The kernel knows a socket by its queues and its state; /proc knows which descriptors lead to it. Only both together
//! show what a pre-fork server is: one listener, one accept queue, and a master and its workers that share it.

mod diag;
mod holders;
mod procnet;
mod socket;

use std::{collections::BTreeMap, io};

use serde::Serialize;

pub use self::{
    holders::Holder,
    socket::{End, Kind, Protocol, Socket, State, Timer, TimerKind},
};
use crate::{inspect::netlink::Netlink, process::Pid};

/// Which sockets are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    All,
    /// TCP and UDP sockets with this port, here or at the other end.
    Port(u16),
    /// Those that this process holds.
    Pid(Pid),
    /// Unix sockets with this name: a path, or `@` and an abstract name.
    Unix(String),
}

/// Everything that was seen.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The network namespace that the sockets belong to, such as `net:[4026531833]`.
    pub namespace: String,
    /// Other network namespaces, and how many processes live in each: their sockets are not shown.
    pub other_namespaces: BTreeMap<String, usize>,
    /// How many processes did not let their descriptors be seen.
    pub unseen_processes: usize,
    /// Where each kind of socket was read: `netlink` or `/proc/net`.
    pub sources: Vec<Source>,
    /// What waits for others to come: listening sockets, and datagram sockets without a peer.
    pub listeners: Vec<Socket>,
    /// What has another end.
    pub connections: Vec<Socket>,
}

/// Where the sockets of one kind were read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// `tcp`, `udp` or `unix`.
    pub protocol: Protocol,
    /// `netlink` or `/proc/net`.
    pub from: &'static str,
    /// Why it was not netlink, and what is missing therefore.
    pub note: Option<String>,
}

/// Reads the sockets of this network namespace that `filter` picks. sock_diag(7), proc(5).
///
/// # Errors
/// When neither netlink nor /proc/net can be read.
pub fn look(filter: &Filter) -> io::Result<Report> {
    let mut sockets = Vec::new();
    let mut sources = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Unix] {
        sources.push(read(protocol, &mut sockets)?);
    }
    let seen = holders::scan();
    for socket in &mut sockets {
        socket.holders = seen.of(socket.inode);
        socket.nobody = socket.why_nobody(seen.unseen);
    }
    name_unix_peers(&mut sockets);
    sockets.retain(|socket| filter.picks(socket));
    sockets.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let (listeners, connections): (Vec<_>, _) = sockets.into_iter().partition(Socket::waits_for_others);
    let listeners = grouped(listeners);
    Ok(Report {
        namespace: seen.namespace,
        other_namespaces: seen.others,
        unseen_processes: seen.unseen,
        sources,
        listeners,
        connections,
    })
}

/// Has one entry for each group of sockets with one address, which stand side by side.
fn grouped(sockets: Vec<Socket>) -> Vec<Socket> {
    let mut groups: Vec<Socket> = Vec::with_capacity(sockets.len());
    for socket in sockets {
        let alone = match groups.last_mut() {
            Some(group) => group.join(socket).err().map(|alone| *alone),
            None => Some(socket),
        };
        groups.extend(alone);
    }
    groups
}

/// The TCP or UDP sockets that have this port here, and not who holds them: that would be a look at every process.
///
/// # Errors
/// As [`look`].
pub fn at_port(protocol: Protocol, port: u16) -> io::Result<Vec<Socket>> {
    let mut sockets = Vec::new();
    read(protocol, &mut sockets)?;
    sockets.retain(|socket| socket.address.port() == Some(port));
    Ok(sockets)
}

/// Reads all sockets of one protocol: by netlink, or where that is refused from /proc/net.
fn read(protocol: Protocol, sockets: &mut Vec<Socket>) -> io::Result<Source> {
    let before = sockets.len();
    let answer = Netlink::open(libc::NETLINK_SOCK_DIAG, 0)
        .and_then(|mut netlink| diag::dump(&mut netlink, protocol, sockets));
    let Err(cause) = answer else { return Ok(Source { protocol, from: "netlink", note: None }) };
    sockets.truncate(before);
    procnet::read(protocol, sockets)?;
    let cause = cause.to_string();
    let cause = cause.split(" (os error").next().unwrap_or_default();
    let note = format!("netlink answers {cause:?}, so {} missing", procnet::missing(protocol));
    Ok(Source { protocol, from: "/proc/net", note: Some(note) })
}

/// Gives each unnamed end of a Unix connection the name of the socket that it leads to.
fn name_unix_peers(sockets: &mut [Socket]) {
    let names: BTreeMap<u32, End> = sockets
        .iter()
        .filter(|socket| socket.protocol == Protocol::Unix && socket.address != End::None)
        .map(|socket| (socket.inode, socket.address.clone()))
        .collect();
    for socket in sockets.iter_mut() {
        if let Some(name) = socket.peer_inode.and_then(|inode| names.get(&inode)) {
            socket.peer = name.clone();
        }
    }
}

impl Filter {
    fn picks(&self, socket: &Socket) -> bool {
        match self {
            Self::All => true,
            Self::Port(port) => [&socket.address, &socket.peer].iter().any(|end| end.port() == Some(*port)),
            Self::Pid(pid) => socket.holders.iter().any(|holder| holder.pid == pid.as_raw()),
            Self::Unix(name) => [&socket.address, &socket.peer]
                .iter()
                .any(|end| matches!(end, End::Unix(path) if path == name)),
        }
    }
}
