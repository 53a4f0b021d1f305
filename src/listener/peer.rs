//! Who connects.

use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
};

use nix::sys::socket::SockFlag;
use socket2::SockAddr;

use crate::sys;

/// The address at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAddress {
    /// An IPv4 or IPv6 address; a client that reached an IPv6 socket by IPv4 has its IPv4 address.
    Inet(SocketAddr),
    /// A Unix-domain client; most have no name. An abstract name has an `@` in front.
    Unix(Option<PathBuf>),
}

/// Whether an accepted connection makes its reader wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A read waits for bytes.
    Blocking,
    /// A read that would wait is an error.
    NonBlocking,
}

/// Takes the next connection off a listener's queue; it is close-on-exec from birth. accept4(2).
///
/// The listener itself never blocks, whatever the mode: with several workers on one queue, another may have been
/// quicker.
///
/// # Errors
/// `WouldBlock` when nobody waits. `ConnectionAborted` when who waited has gone. When descriptors or memory have
/// run out the connection stays in the queue, and the listener stays ready: trying again at once would spin.
pub fn accept(listener: impl AsFd, mode: Mode) -> io::Result<(OwnedFd, PeerAddress)> {
    let flags = match mode {
        Mode::Blocking => SockFlag::empty(),
        Mode::NonBlocking => SockFlag::SOCK_NONBLOCK,
    };
    let (socket, peer) = sys::accept::accept(listener.as_fd(), flags)?;
    Ok((socket, PeerAddress::from(&peer)))
}

impl PeerAddress {
    /// Its port; `None` for a Unix-domain client.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(inet) => Some(inet.port()),
            Self::Unix(_) => None,
        }
    }
}

impl From<&SockAddr> for PeerAddress {
    fn from(address: &SockAddr) -> Self {
        if let Some(inet) = address.as_socket() {
            let ipv4 = address.as_socket_ipv6().and_then(|inet| inet.ip().to_ipv4_mapped());
            return Self::Inet(ipv4.map_or(inet, |ipv4| SocketAddr::from((ipv4, inet.port()))));
        }
        let name = address.as_abstract_namespace().map(|name| format!("@{}", name.escape_ascii()).into());
        Self::Unix(name.or_else(|| address.as_pathname().map(PathBuf::from)))
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(inet) => inet.fmt(f),
            Self::Unix(Some(name)) => write!(f, "unix:{}", name.display()),
            Self::Unix(None) => f.write_str("unix:"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{TcpListener, TcpStream},
        os::unix::net::{UnixListener, UnixStream},
    };

    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

    use super::*;

    fn flags(fd: &OwnedFd) -> (FdFlag, OFlag) {
        let descriptor = fcntl(fd, FcntlArg::F_GETFD).unwrap();
        let status = fcntl(fd, FcntlArg::F_GETFL).unwrap();
        (FdFlag::from_bits_truncate(descriptor), OFlag::from_bits_truncate(status) & OFlag::O_NONBLOCK)
    }

    #[test]
    fn a_connection_is_taken_with_its_peer_and_in_the_mode_that_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(accept(&listener, Mode::Blocking).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        for (mode, status) in [(Mode::Blocking, OFlag::empty()), (Mode::NonBlocking, OFlag::O_NONBLOCK)] {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (connection, peer) = accept(&listener, mode).unwrap();
            assert_eq!(peer, PeerAddress::Inet(client.local_addr().unwrap()));
            assert_eq!(flags(&connection), (FdFlag::FD_CLOEXEC, status));
        }
    }

    #[test]
    fn a_unix_client_has_no_name() {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("s")).unwrap();
        let _client = UnixStream::connect(directory.path().join("s")).unwrap();
        let (_, peer) = accept(&listener, Mode::NonBlocking).unwrap();
        assert_eq!((peer.to_string().as_str(), &peer), ("unix:", &PeerAddress::Unix(None)));
    }

    #[test]
    fn an_ipv4_client_of_an_ipv6_socket_keeps_its_own_address() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
        assert_eq!(PeerAddress::from(&mapped.into()).to_string(), "192.0.2.1:80");
    }
}
