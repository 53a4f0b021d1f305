//! Answers of a real kernel, byte for byte as they came.

use std::{
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    os::unix::net::{UnixListener, UnixStream},
};

use proptest::prelude::*;

use super::*;

/// A listener on `[::]:33879` with a backlog of 3, in whose queue one client waits.
const LISTENER: &str = "0a0a00008457000000000000000000000000000000000000000000000000000000000000000000000000000001100000\
    000000000000000001000000030000000000000045510100050008000000000005000b000000000008000f0000000000\
    0c0015000100000000000000060016001200000028000700000000000000020000000000004000000000000000000000\
    000000000000000000000000";
/// That client: it came by IPv4, and nobody has accepted it.
const QUEUED: &str = "0a0100008457c43600000000000000000000ffff7f00000100000000000000000000ffff7f0000010000000002100000\
    000000000000000000000000000000000000000000000000050008000000000008000f00000000000c00150001000000\
    00000000060016001200000028000700000000000000020000000000001e3c0000000000000000000000000000000000\
    00000000";
/// A socket for datagrams on 127.0.0.1:32969.
const DATAGRAMS: &str = "0207000080c900007f000001000000000000000000000000000000000000000000000000000000000000000004100000\
    000000000000000000000000000000000000000049510100050008000000000008000f00000000000c00150001000000\
    000000000600160050000000280007000000000000400300000000000040030000000000000000000000000000000000\
    00000000";
/// A Unix listener with an abstract name and a backlog of 2, in whose queue one client waits.
const ABSTRACT: &str = "01010a004b5101001c100000000000000a0000000070726f626500000c00040001000000020000000500060000000000\
    0800070000000000";
/// One end of a pair without names.
const UNNAMED: &str = "01010100553d0100051000000000000008000200543d01000c000400000000000000000005000600000000000800070000000000";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

#[test]
#[cfg(target_endian = "little")]
fn a_listener_has_a_queue_and_a_backlog() {
    let socket = inet(Protocol::Tcp, &bytes(LISTENER)).unwrap();
    assert_eq!((socket.state, socket.address.to_string().as_str()), (State::Listen, "[::]:33879"));
    assert_eq!((socket.queue, socket.backlog), (Some(1), Some(3)));
    assert_eq!((socket.unread, socket.unsent, socket.drops), (None, None, Some(0)));
    assert_eq!((socket.peer, socket.inode, socket.dual_stack), (End::None, 86341, true));
}

#[test]
#[cfg(target_endian = "little")]
fn a_connection_in_the_queue_is_nobodys_yet() {
    let socket = inet(Protocol::Tcp, &bytes(QUEUED)).unwrap();
    assert_eq!((socket.state, socket.inode), (State::Established, 0));
    assert_eq!(socket.address.to_string(), "127.0.0.1:33879");
    assert_eq!(socket.peer.to_string(), "127.0.0.1:50230");
    assert_eq!(socket.why_nobody(0).unwrap(), "nobody yet: it waits in the accept queue");
}

#[test]
#[cfg(target_endian = "little")]
fn a_socket_for_datagrams_has_no_peer() {
    let socket = inet(Protocol::Udp, &bytes(DATAGRAMS)).unwrap();
    assert_eq!((socket.state, socket.address.to_string().as_str()), (State::Unconnected, "127.0.0.1:32969"));
    assert_eq!((socket.unread, socket.drops, socket.peer), (Some(0), Some(0), End::None));
}

#[test]
#[cfg(target_endian = "little")]
fn unix_sockets_have_names_or_peers() {
    let listener = unix(&bytes(ABSTRACT)).unwrap();
    assert_eq!((listener.state, listener.address.to_string().as_str()), (State::Listen, "unix:@probe"));
    assert_eq!((listener.queue, listener.backlog, listener.inode), (Some(1), Some(2), 86347));
    let unnamed = unix(&bytes(UNNAMED)).unwrap();
    assert_eq!((unnamed.state, unnamed.kind, unnamed.address), (State::Established, Kind::Stream, End::None));
    assert_eq!((unnamed.peer_inode, unnamed.unread, unnamed.uid), (Some(81236), Some(0), Some(0)));
}

#[test]
fn a_name_is_a_path_or_abstract_and_never_harms_a_terminal() {
    assert_eq!(unix_name(b"/run/x.sock\0"), End::Unix("/run/x.sock".into()));
    assert_eq!(unix_name("\0群聊\u{1b}[2J".as_bytes()), End::Unix("@群聊\\x1b[2J".into()));
    assert_eq!(unix_name(b""), End::None);
}

#[test]
fn this_kernel_tells_of_sockets_as_netlink_and_proc_do() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    client.write_all(b"hello").unwrap();
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let expected = [
        (Protocol::Tcp, End::Inet(listener.local_addr().unwrap()), State::Listen),
        (Protocol::Tcp, End::Inet(client.local_addr().unwrap()), State::Established),
        (Protocol::Udp, End::Inet(datagrams.local_addr().unwrap()), State::Unconnected),
    ];
    for (protocol, address, state) in expected {
        let look = || {
            let (mut by_netlink, mut by_proc) = (Vec::new(), Vec::new());
            let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG, 0).unwrap();
            dump(&mut netlink, protocol, &mut by_netlink).ok()?;
            super::super::procnet::read(protocol, &mut by_proc).ok()?;
            let find = |sockets: Vec<Socket>| sockets.into_iter().find(|socket| socket.address == address);
            let (one, other) = find(by_netlink).zip(find(by_proc))?;
            let same = (one.inode, one.queue, one.uid) == (other.inode, other.queue, other.uid);
            (same && (one.state, other.state) == (state, state)).then_some(())
        };
        // Both are read in portions: sockets of others that come and go in between may hide one of ours, or end the
        // reading. Two readers that do not understand the same never agree.
        assert_eq!((0..500).find_map(|_| look()), Some(()), "{protocol:?} {address:?}");
    }
}

#[test]
fn a_unix_listener_counts_who_waits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let _listener = UnixListener::bind(&path).unwrap();
    let _client = UnixStream::connect(&path).unwrap();
    let mut sockets = Vec::new();
    let mut netlink = Netlink::open(libc::NETLINK_SOCK_DIAG, 0).unwrap();
    dump(&mut netlink, Protocol::Unix, &mut sockets).unwrap();
    let name = End::Unix(path.display().to_string());
    let found =
        sockets.iter().find(|socket| socket.address == name && socket.state == State::Listen).unwrap();
    assert_eq!(found.queue, Some(1));
    assert!(found.backlog > Some(0));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = inet(Protocol::Tcp, &bytes);
        let _ = unix(&bytes);
    }
}
