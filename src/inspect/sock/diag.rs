//! Sockets by netlink: the structures of `linux/inet_diag.h` and `linux/unix_diag.h`. sock_diag(7).

use std::{
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use super::{End, Kind, Protocol, Socket, State, Timer, TimerKind};
use crate::inspect::{
    netlink::{Fields, Message, Netlink, attributes},
    text::printable,
};

/// `SOCK_DIAG_BY_FAMILY`: the one kind of question, and of answer.
const BY_FAMILY: u16 = 20;
/// Every state.
const STATES: u32 = u32::MAX;

/// `INET_DIAG_SKMEMINFO`: nine counters of memory, the last of which are the drops.
const MEMORY: u16 = 7;
/// Where in them the drops stand.
const DROPS: usize = 8;
/// `INET_DIAG_SKV6ONLY`: whether an IPv6 socket refuses IPv4.
const ONLY_V6: u16 = 11;

/// `UNIX_DIAG_NAME`, `UNIX_DIAG_PEER`, `UNIX_DIAG_RQLEN`, `UNIX_DIAG_UID`: what a Unix socket's answer may hold.
const NAME: u16 = 0;
const PEER: u16 = 2;
const QUEUES: u16 = 4;
const UID: u16 = 7;
/// `UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID`: all four are asked for.
const SHOW: u32 = 0x01 | 0x04 | 0x10 | 0x40;

/// Adds all sockets of that protocol.
///
/// # Errors
/// `ENOENT` where the kernel was built without this kind of diagnosis; what a sandbox refuses.
pub fn dump(netlink: &mut Netlink, protocol: Protocol, sockets: &mut Vec<Socket>) -> io::Result<()> {
    let number = match protocol {
        Protocol::Tcp => libc::IPPROTO_TCP,
        Protocol::Udp => libc::IPPROTO_UDP,
        Protocol::Unix => {
            let take = |message: Message<'_>| sockets.extend(unix(message.payload));
            return netlink.dump(BY_FAMILY, &unix_request(), take);
        }
    };
    for family in [libc::AF_INET, libc::AF_INET6] {
        netlink.dump(BY_FAMILY, &inet_request(family, number), |message| {
            sockets.extend(inet(protocol, message.payload));
        })?;
    }
    Ok(())
}

/// `struct inet_diag_req_v2`: which family and protocol, what is wanted beside the basics, in which states, and an
/// address to look for, which is left empty.
fn inet_request(family: i32, protocol: i32) -> [u8; 56] {
    let mut request = [0; 56];
    request[0] = family as u8;
    request[1] = protocol as u8;
    request[2] = 1 << (MEMORY - 1);
    request[4..8].copy_from_slice(&STATES.to_ne_bytes());
    request
}

/// `struct unix_diag_req`.
fn unix_request() -> [u8; 24] {
    let mut request = [0; 24];
    request[0] = libc::AF_UNIX as u8;
    request[4..8].copy_from_slice(&STATES.to_ne_bytes());
    request[12..16].copy_from_slice(&SHOW.to_ne_bytes());
    request
}

/// One answer about a TCP or UDP socket: `struct inet_diag_msg` and its attributes.
fn inet(protocol: Protocol, payload: &[u8]) -> Option<Socket> {
    let mut fields = Fields(payload);
    let family = i32::from(fields.u8()?);
    let state = state(protocol, fields.u8()?);
    let (timer, tries) = (fields.u8()?, fields.u8()?);
    let (port, peer_port) = (fields.port()?, fields.port()?);
    let (address, peer) = (fields.bytes::<16>()?, fields.bytes::<16>()?);
    let _interface_and_cookie = fields.bytes::<12>()?;
    let (expires, incoming, outgoing) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let (uid, inode) = (fields.u32()?, fields.u32()?);
    let kind = if protocol == Protocol::Udp { Kind::Datagram } else { Kind::Stream };
    let mut socket = Socket::new(protocol, kind, state, inode);
    socket.address = end(family, address, port)?;
    socket.peer = Some(end(family, peer, peer_port)?).filter(|_| peer_port != 0).unwrap_or(End::None);
    socket.uid = Some(uid);
    socket.timer = timer_of(timer).map(|kind| Timer { kind, expires_ms: expires.into(), tries });
    socket.queues(incoming, outgoing);
    for (kind, content) in attributes(fields.rest()) {
        if kind == MEMORY {
            let drops = content.get(DROPS * 4..).and_then(|rest| Fields(rest).u32());
            socket.drops = drops;
        } else if kind == ONLY_V6 {
            let everywhere = matches!(&socket.address, End::Inet(address) if address.ip().is_unspecified());
            socket.dual_stack = everywhere && content == [0];
        }
    }
    Some(socket)
}

/// One answer about a Unix socket: `struct unix_diag_msg` and its attributes.
fn unix(payload: &[u8]) -> Option<Socket> {
    let mut fields = Fields(payload);
    let _family = fields.u8()?;
    let kind = kind(i32::from(fields.u8()?))?;
    let state = state(Protocol::Unix, fields.u8()?);
    let _padding = fields.u8()?;
    let inode = fields.u32()?;
    let _cookie = fields.u64()?;
    let mut socket = Socket::new(Protocol::Unix, kind, state, inode);
    for (kind, content) in attributes(fields.rest()) {
        let mut content_fields = Fields(content);
        if kind == NAME {
            socket.address = unix_name(content);
        } else if kind == PEER {
            socket.peer_inode = content_fields.u32();
        } else if kind == QUEUES {
            socket.queues(content_fields.u32()?, content_fields.u32()?);
        } else if kind == UID {
            socket.uid = content_fields.u32();
        }
    }
    Some(socket)
}

impl Socket {
    /// The two counts that the kernel gives: for a listener they mean connections, for others bytes.
    pub(super) fn queues(&mut self, incoming: u32, outgoing: u32) {
        if self.state == State::Listen {
            (self.queue, self.backlog) = (Some(incoming), Some(outgoing));
        } else {
            (self.unread, self.unsent) = (Some(incoming), Some(outgoing));
        }
    }
}

/// An address of that family from the sixteen bytes that hold either.
fn end(family: i32, bytes: [u8; 16], port: u16) -> Option<End> {
    let address: IpAddr = if family == libc::AF_INET {
        let [a, b, c, d, ..] = bytes;
        [a, b, c, d].into()
    } else {
        plain(Ipv6Addr::from(bytes))
    };
    Some(End::Inet(SocketAddr::new(address, port)))
}

/// An IPv4 client that came to an IPv6 socket has its IPv4 address.
pub(super) fn plain(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(address.into(), IpAddr::from)
}

/// The name of a Unix socket: a path, or bytes after a zero. Its end is the attribute's.
fn unix_name(bytes: &[u8]) -> End {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    match bytes.split_first() {
        None => End::None,
        Some((0, name)) => End::Unix(format!("@{}", readable(name))),
        Some(_) => End::Unix(readable(bytes)),
    }
}

/// A name that anybody may have chosen, as text that cannot harm a terminal.
pub(super) fn readable(bytes: &[u8]) -> String {
    printable(&String::from_utf8_lossy(bytes))
}

/// The kernel numbers the states of all protocols as TCP's.
pub(super) fn state(protocol: Protocol, number: u8) -> State {
    match number {
        1 => State::Established,
        2 => State::SynSent,
        3 | 12 => State::SynRecv,
        4 => State::FinWait1,
        5 => State::FinWait2,
        6 => State::TimeWait,
        7 if protocol != Protocol::Tcp => State::Unconnected,
        8 => State::CloseWait,
        9 => State::LastAck,
        10 => State::Listen,
        11 => State::Closing,
        _ => State::Unknown,
    }
}

pub(super) fn timer_of(number: u8) -> Option<TimerKind> {
    match number {
        1 => Some(TimerKind::Retransmit),
        2 => Some(TimerKind::Keepalive),
        3 => Some(TimerKind::TimeWait),
        4 => Some(TimerKind::Probe),
        _ => None,
    }
}

pub(super) fn kind(number: i32) -> Option<Kind> {
    match number {
        libc::SOCK_STREAM => Some(Kind::Stream),
        libc::SOCK_DGRAM => Some(Kind::Datagram),
        libc::SOCK_SEQPACKET => Some(Kind::Seqpacket),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
