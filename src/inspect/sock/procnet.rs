//! Sockets from the tables of /proc/net, where netlink is refused. proc_pid_net(5).
//!
//! They say less: see [`missing`].

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::{
    End, Kind, Protocol, Socket, State, Timer,
    diag::{kind, plain, readable, state, timer_of},
};

/// `__SO_ACCEPTCON`: the Unix socket listens.
const LISTENS: u32 = 1 << 16;
/// Timers stand there in hundredths of a second, whatever the kernel's own clock does.
const MILLIS_PER_TICK: u64 = 10;

/// What these tables leave out.
pub fn missing(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "backlogs, lost connections and whether `[::]` takes IPv4 too are",
        Protocol::Udp => "whether `[::]` takes IPv4 too is",
        Protocol::Unix => "queues, backlogs and peers are",
    }
}

/// Adds all sockets of that protocol. A table that is not there (no IPv6) has none.
pub fn read(protocol: Protocol, sockets: &mut Vec<Socket>) -> io::Result<()> {
    let tables: &[&str] = match protocol {
        Protocol::Tcp => &["tcp", "tcp6"],
        Protocol::Udp => &["udp", "udp6"],
        Protocol::Unix => &["unix"],
    };
    for table in tables {
        let text = match fs::read(format!("/proc/net/{table}")) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound && table.ends_with('6') => continue,
            other => other?,
        };
        let lines = text.split(|byte| *byte == b'\n').skip(1);
        sockets.extend(lines.filter_map(|line| match protocol {
            Protocol::Tcp | Protocol::Udp => inet(protocol, std::str::from_utf8(line).ok()?),
            Protocol::Unix => unix(line),
        }));
    }
    Ok(())
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 86341 …`
fn inet(protocol: Protocol, line: &str) -> Option<Socket> {
    let mut words = line.split_whitespace().skip(1);
    let (address, peer) = (end(words.next()?)?, end(words.next()?)?);
    let state = state(protocol, u8::from_str_radix(words.next()?, 16).ok()?);
    let (outgoing, incoming) = pair(words.next()?)?;
    let (timer, ticks) = pair(words.next()?)?;
    let tries = u32::from_str_radix(words.next()?, 16).ok()?;
    let uid = words.next()?.parse().ok()?;
    let inode = words.nth(1)?.parse().ok()?;
    let kind = if protocol == Protocol::Udp { Kind::Datagram } else { Kind::Stream };
    let mut socket = Socket::new(protocol, kind, state, inode);
    socket.address = address;
    socket.peer = if peer.port() == Some(0) { End::None } else { peer };
    socket.uid = Some(uid);
    socket.timer = u8::try_from(timer).ok().and_then(timer_of).map(|kind| Timer {
        kind,
        expires_ms: u64::from(ticks) * MILLIS_PER_TICK,
        tries: u8::try_from(tries).unwrap_or(u8::MAX),
    });
    if socket.state == State::Listen {
        socket.queue = Some(incoming);
    } else {
        socket.queues(incoming, outgoing);
    }
    if protocol == Protocol::Udp {
        socket.drops = words.last().and_then(|drops| drops.parse().ok());
    }
    Some(socket)
}

/// `00000000cf65396a: 00000002 00000000 00010000 0001 01 86347 @probe`: the name may hold anything but a line's end.
fn unix(line: &[u8]) -> Option<Socket> {
    let text = String::from_utf8_lossy(line);
    let mut rest = text.as_ref();
    let mut word = || {
        let trimmed = rest.trim_start_matches(' ');
        let (word, left) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
        rest = left;
        word
    };
    let (_number, _references, _protocol) = (word(), word(), word());
    let flags = u32::from_str_radix(word(), 16).ok()?;
    let kind = kind(i32::from_str_radix(word(), 16).ok()?)?;
    let state = match (u8::from_str_radix(word(), 16).ok()?, flags & LISTENS) {
        (1, 0) => State::Unconnected,
        (1, _) => State::Listen,
        (2, _) => State::SynSent,
        (3, _) => State::Established,
        _ => State::Unknown,
    };
    let mut socket = Socket::new(Protocol::Unix, kind, state, word().parse().ok()?);
    if !rest.is_empty() {
        socket.address = End::Unix(readable(rest.as_bytes()));
    }
    Some(socket)
}

/// `0100007F:1F90`: each group of eight digits is a number in the machine's own order of bytes, the port is not.
fn end(word: &str) -> Option<End> {
    let (address, port) = word.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for at in (0..address.len()).step_by(8) {
        bytes.extend(u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    }
    let address: IpAddr = if let Ok(four) = <[u8; 4]>::try_from(bytes.as_slice()) {
        Ipv4Addr::from(four).into()
    } else {
        plain(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice()).ok()?))
    };
    Some(End::Inet(SocketAddr::new(address, port)))
}

/// `00000000:0000001A`.
fn pair(word: &str) -> Option<(u32, u32)> {
    let (left, right) = word.split_once(':')?;
    Some((u32::from_str_radix(left, 16).ok()?, u32::from_str_radix(right, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LISTENER: &str = "   0: 00000000000000000000000000000000:8457 00000000000000000000000000000000:0000 0A \
         00000000:00000001 00:00000000 00000000     0        0 86341 2 0000000019a9e71e 100 0 0 10 0";
    const CONNECTION: &str = "   1: 0000000000000000FFFF00000100007F:8457 0000000000000000FFFF00000100007F:C436 01 \
         0000000A:00000005 02:000004B0 00000001  1000        0 0 1 000000005e35cd72 20 0 0 10 -1";
    const DATAGRAMS: &str = "15321: 0100007F:80C9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0 \
         0 86345 2 00000000324d506a 7         ";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_tables_of_tcp_and_udp_are_read() {
        let listener = inet(Protocol::Tcp, LISTENER).unwrap();
        assert_eq!((listener.state, listener.inode), (State::Listen, 86341));
        assert_eq!((listener.address.to_string().as_str(), listener.peer), ("[::]:33879", End::None));
        assert_eq!((listener.queue, listener.backlog, listener.unread), (Some(1), None, None));
        let connection = inet(Protocol::Tcp, CONNECTION).unwrap();
        assert_eq!((connection.peer.to_string().as_str(), connection.inode), ("127.0.0.1:50230", 0));
        assert_eq!((connection.unread, connection.unsent, connection.uid), (Some(5), Some(10), Some(1000)));
        let timer = connection.timer.unwrap();
        assert_eq!(
            (timer.kind, timer.expires_ms, timer.tries),
            (super::super::TimerKind::Keepalive, 12_000, 1)
        );
        let datagrams = inet(Protocol::Udp, DATAGRAMS).unwrap();
        assert_eq!((datagrams.state, datagrams.drops), (State::Unconnected, Some(7)));
        assert_eq!(datagrams.address.to_string(), "127.0.0.1:32969");
    }

    #[test]
    fn the_table_of_unix_sockets_is_read() {
        let listener =
            unix(b"0000000006cfdad7: 00000002 00000000 00010000 0001 01 86347 /run/a b\x1b[2J.sock").unwrap();
        assert_eq!((listener.state, listener.kind, listener.inode), (State::Listen, Kind::Stream, 86347));
        assert_eq!(listener.address.to_string(), "unix:/run/a b\\x1b[2J.sock");
        let unnamed = unix(b"00000000a9552425: 00000003 00000000 00000000 0005 03  1158").unwrap();
        assert_eq!(
            (unnamed.state, unnamed.kind, unnamed.address),
            (State::Established, Kind::Seqpacket, End::None)
        );
        let queued = unix(b"000000008bd5db91: 00000003 00000000 00000000 0001 02     0 @probe").unwrap();
        assert_eq!((queued.inode, queued.address.to_string().as_str()), (0, "unix:@probe"));
    }

    proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "[ -~0-9A-F:]{0,160}", bytes in proptest::collection::vec(any::<u8>(), 0..99)) {
            let _ = inet(Protocol::Tcp, &line);
            let _ = unix(line.as_bytes());
            let _ = unix(&bytes);
        }
    }
}
