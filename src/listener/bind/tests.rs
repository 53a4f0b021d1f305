//! What a listener is to its clients, and what is said when there is none.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::net::UnixStream,
};

use nix::{
    fcntl::{FcntlArg, FdFlag, OFlag, fcntl},
    sys::socket::{getsockopt, sockopt},
};

use super::*;
use crate::listener::{Mode, accept};

fn listen_on(address: &str) -> Listener {
    bind(&address.parse().unwrap(), 16).unwrap_or_else(|error| panic!("{error}"))
}

fn refused(address: &str) -> BindError {
    bind(&address.parse().unwrap(), 16).unwrap_err()
}

fn port(listener: &Listener) -> u16 {
    listener.local().port().unwrap()
}

#[test]
fn tcp_clients_reach_a_listener_that_never_blocks_and_delays_nothing() {
    let listener = listen_on("127.0.0.1:0");
    let Local::Inet(local) = *listener.local() else { panic!("{listener:?}") };
    assert_ne!(local.port(), 0);
    assert_eq!(listener.url("http"), format!("http://{local}"));
    assert_eq!((listener.kind(), listener.address().to_string().as_str()), (Kind::Stream, "127.0.0.1:0"));
    let descriptor = FdFlag::from_bits_truncate(fcntl(&listener, FcntlArg::F_GETFD).unwrap());
    let status = OFlag::from_bits_truncate(fcntl(&listener, FcntlArg::F_GETFL).unwrap());
    assert!(descriptor.contains(FdFlag::FD_CLOEXEC) && status.contains(OFlag::O_NONBLOCK));

    let mut client = TcpStream::connect(local).unwrap();
    let (connection, _) = accept(&listener, Mode::Blocking).unwrap();
    assert!(getsockopt(&connection, sockopt::TcpNoDelay).unwrap());
    TcpStream::from(connection).write_all(b"hello").unwrap();
    let mut words = String::new();
    client.read_to_string(&mut words).unwrap();
    assert_eq!(words, "hello");
}

#[test]
fn the_queue_is_counted_for_all_handles_together() {
    let listener = listen_on("127.0.0.1:0");
    let other = listener.try_clone().unwrap();
    assert_eq!(listener.queue(), Some((0, 16)));
    let _waiting = TcpStream::connect(("127.0.0.1", port(&listener))).unwrap();
    assert_eq!((listener.queue(), other.queue()), (Some((1, 16)), Some((1, 16))));
    accept(&other, Mode::NonBlocking).unwrap();
    assert_eq!(listener.queue(), Some((0, 16)));
}

#[test]
fn all_addresses_means_both_families() {
    let listener = listen_on(":0");
    TcpStream::connect(("127.0.0.1", port(&listener))).unwrap();
    // Where the machine has IPv6 at all.
    if TcpListener::bind("[::1]:0").is_ok() {
        TcpStream::connect(("::1", port(&listener))).unwrap();
    }
}

#[test]
fn an_ipv6_address_stands_for_itself() {
    let Ok(listener) = bind(&"[::]:0".parse().unwrap(), 16) else { return };
    // The same port is free for IPv4.
    listen_on(&format!("0.0.0.0:{}", port(&listener)));
}

#[test]
fn datagrams_arrive() {
    for address in ["udp:127.0.0.1:0", "udp::0"] {
        let listener = listen_on(address);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"ping", ("127.0.0.1", port(&listener))).unwrap();
        let url = listener.url("http");
        assert_eq!((listener.kind(), listener.queue(), &url[..6]), (Kind::Datagram, None, "udp://"));
        let socket = UdpSocket::from(listener.as_fd().try_clone_to_owned().unwrap());
        let mut bytes = [0; 16];
        assert_eq!(socket.recv(&mut bytes).unwrap(), 4);
    }
}

#[test]
fn a_taken_port_is_refused_with_a_way_to_see_by_whom() {
    let holder = listen_on("127.0.0.1:0");
    let error = refused(&format!("127.0.0.1:{}", port(&holder)));
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on 127.0.0.1:{}: address already in use \
             (another process has that port, and ss -ltnp shows it; port 0 takes a free one)",
            port(&holder)
        )
    );
    assert!(!error.is_usage());
    let holder = listen_on("udp:127.0.0.1:0");
    assert!(refused(&format!("udp:127.0.0.1:{}", port(&holder))).to_string().contains("ss -lunp"));
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let error = refused("192.0.2.1:80");
    assert!(error.to_string().contains("no interface of this machine"), "{error}");
    assert!(!error.is_usage());
}

#[test]
fn a_privileged_port_is_refused_with_the_capability_that_it_needs() {
    let address = "127.0.0.1:80".parse().unwrap();
    let error = BindError::new(&address, io::Error::from_raw_os_error(libc::EACCES).into());
    assert_eq!(
        error.to_string(),
        "cannot listen on 127.0.0.1:80: permission denied \
         (ports below 1024 need CAP_NET_BIND_SERVICE: run as root, or take a port from 1024 up)"
    );
}

#[test]
fn an_abstract_name_has_one_owner_and_ends_with_it() {
    let name = format!("unix:@forkd-test-{}", std::process::id());
    let listener = listen_on(&name);
    assert_eq!((listener.url("http"), listener.queue()), (name.clone(), None));
    let error = refused(&name).to_string();
    assert!(error.contains("another server has that name"), "{error}");
    drop(listener);
    listen_on(&name);
}

#[test]
fn a_private_socket_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let (private, public) = (directory.path().join("private"), directory.path().join("public"));
    let listener = bind_private(&private, 16).unwrap();
    UnixStream::connect(&private).unwrap();
    assert_eq!(listener.url("http"), format!("unix:{}", private.display()));
    listen_on(&format!("unix:{}", public.display()));
    assert_eq!((mode(&private), mode(&public)), (0o600, 0o660));
}
