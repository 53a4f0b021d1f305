//! From an address to a listening socket.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicUsize},
};

use socket2::{Domain, SockAddr, Socket, Type};

use super::{
    addr::Address,
    error::{BindError, Refusal},
    group, inherit, kept,
    queues::Queues,
    unix::{self, Access, Place},
};

/// A socket on which clients wait, or on which datagrams arrive. It never blocks and is closed on exec.
///
/// Dropping it closes the descriptor and nothing else: a forked child may drop its copy. Taking the file of a
/// Unix-domain socket away is the master's last act, [`Listener::remove_path`].
#[derive(Debug)]
pub struct Listener {
    address: Address,
    local: Local,
    kind: Kind,
    pub(super) fd: Arc<OwnedFd>,
    pub(super) queues: Queues,
    /// Its further sockets, by the slots that they are for.
    pub(super) others: Vec<(u32, Arc<OwnedFd>)>,
    /// At which of them it looks first.
    pub(super) turn: AtomicUsize,
    pub(super) place: Option<Place>,
}

/// What arrives at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connections, to be accepted.
    Stream,
    /// Datagrams, to be received.
    Datagram,
}

/// Where a listener is, as given back by the kernel: `127.0.0.1:8080`, `unix:/path`, `unix:@name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Local {
    /// An address of the internet family, with the port that the kernel picked.
    Inet(SocketAddr),
    /// A place in the file system.
    Unix(PathBuf),
    /// A name in the kernel.
    Abstract(String),
}

/// Listens on an address, with room for `backlog` clients that wait; the kernel caps that at `net.core.somaxconn`.
///
/// TCP: a restart takes the port at once, though old connections linger (`SO_REUSEADDR`), and accepted connections
/// send small answers at once (`TCP_NODELAY`, which they inherit). Unix-domain: the socket is for user and group,
/// mode 0660; a file left by a dead server is replaced if it is ours and nobody answers there. A socket that was
/// inherited is used as it is, and so is one that a service manager has kept for this address. socket(2), bind(2), listen(2), tcp(7), unix(7).
///
/// # Errors
/// When the address is taken, forbidden, not of this machine or cannot be: each with its remedy.
pub fn bind(address: &Address, backlog: u32) -> Result<Listener, BindError> {
    let opened = match (kept::find(address, 1), address) {
        (Some(kept), _) => Ok(kept),
        (None, Address::Tcp(inet)) => one(*inet, Kind::Stream, backlog),
        (None, Address::Udp(inet)) => one(*inet, Kind::Datagram, backlog),
        (None, Address::AnyTcp(port)) => any(*port, Kind::Stream, backlog),
        (None, Address::AnyUdp(port)) => any(*port, Kind::Datagram, backlog),
        (None, Address::Abstract(name)) => unix::bind_abstract(name, backlog),
        (None, Address::Fd(number)) => inherit::descriptor(*number),
        (None, Address::Systemd(name)) => inherit::named(name),
        (None, Address::Unix(path)) => return bind_path(address, path, Access::Group, backlog),
    };
    opened
        .and_then(|socket| Listener::over(address, socket, None))
        .map_err(|refusal| BindError::new(address, refusal))
}

/// Listens on a Unix-domain socket that this user alone can connect to, mode 0600 from birth.
///
/// # Errors
/// As for [`bind`].
pub fn bind_private(path: &Path, backlog: u32) -> Result<Listener, BindError> {
    bind_path(&Address::Unix(path.into()), path, Access::Owner, backlog)
}

impl Listener {
    /// The address as it was asked for.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Where it is, as given back by the kernel.
    pub fn local(&self) -> &Local {
        &self.local
    }

    /// What arrives there.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where clients find it: `http://127.0.0.1:8080` with the scheme `http`, `udp://127.0.0.1:9` for datagrams
    /// whatever the scheme, `unix:/path`.
    pub fn url(&self, scheme: &str) -> String {
        match (&self.local, self.kind) {
            (Local::Inet(inet), Kind::Stream) => format!("{scheme}://{inet}"),
            (Local::Inet(inet), Kind::Datagram) => format!("udp://{inet}"),
            (Local::Unix(_) | Local::Abstract(_), _) => self.local.to_string(),
        }
    }

    /// Makes accept(2) and recv(2) on it wait from now on, in every process that holds it.
    ///
    /// # Errors
    /// None that is known.
    pub fn make_blocking(&self) -> io::Result<()> {
        socket2::SockRef::from(&self.fd).set_nonblocking(false)
    }

    /// A second handle on the same socket and the same queue.
    ///
    /// # Errors
    /// `EMFILE` when no descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self {
            address: self.address.clone(),
            local: self.local.clone(),
            kind: self.kind,
            fd: Arc::new(self.fd.try_clone()?),
            queues: self.queues,
            others: Vec::new(),
            turn: AtomicUsize::new(0),
            place: self.place.clone(),
        })
    }

    /// Takes the file of a Unix-domain socket away, if it is still the one that this listener made.
    ///
    /// For the master at its end, while the listener is open: so nobody takes the file for a dead server's.
    ///
    /// # Errors
    /// Those of unlink(2), such as a directory that has become read-only.
    pub fn remove_path(&self) -> io::Result<()> {
        self.place.as_ref().map_or(Ok(()), Place::remove)
    }

    /// The listener that this socket is.
    pub(super) fn over(address: &Address, socket: Socket, place: Option<Place>) -> Result<Self, Refusal> {
        let kind = if socket.r#type()? == Type::STREAM { Kind::Stream } else { Kind::Datagram };
        let local = Local::of(&socket.local_addr()?)?;
        Ok(Self {
            address: address.clone(),
            local,
            kind,
            fd: Arc::new(socket.into()),
            queues: Queues::One,
            others: Vec::new(),
            turn: AtomicUsize::new(0),
            place,
        })
    }
}

impl Local {
    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Inet(inet) => Some(inet.port()),
            Self::Unix(_) | Self::Abstract(_) => None,
        }
    }

    fn of(address: &SockAddr) -> io::Result<Self> {
        let inet = address.as_socket().map(Self::Inet);
        let path = || address.as_pathname().map(|path| Self::Unix(path.into()));
        let name = || {
            address.as_abstract_namespace().map(|name| Self::Abstract(String::from_utf8_lossy(name).into()))
        };
        inet.or_else(path).or_else(name).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }
}

impl fmt::Display for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(inet) => inet.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
        }
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        // A gauge has it for the time of a look alone, and in the same thread.
        Arc::into_inner(listener.fd).expect("a listener that nobody else holds")
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What an IPv6 socket does with IPv4 clients: said for each, for the default is the machine's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Families {
    /// The one of the address.
    Own,
    /// Both.
    Both,
}

fn one(inet: SocketAddr, kind: Kind, backlog: u32) -> Result<Socket, Refusal> {
    Ok(open(inet, Families::Own, kind, Queues::One, backlog)?)
}

/// One socket for IPv6 and IPv4, or for IPv4 alone where the kernel has no IPv6.
fn any(port: u16, kind: Kind, backlog: u32) -> Result<Socket, Refusal> {
    match open((Ipv6Addr::UNSPECIFIED, port).into(), Families::Both, kind, Queues::One, backlog) {
        Err(cause) if matches!(cause.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) => {
            Ok(open((Ipv4Addr::UNSPECIFIED, port).into(), Families::Own, kind, Queues::One, backlog)?)
        }
        opened => Ok(opened?),
    }
}

/// With [`Queues::PerSlot`] it is let in beside others of this user that were opened so.
pub(super) fn open(
    inet: SocketAddr,
    families: Families,
    kind: Kind,
    queues: Queues,
    backlog: u32,
) -> io::Result<Socket> {
    let socket_type = match kind {
        Kind::Stream => Type::STREAM,
        Kind::Datagram => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(inet), socket_type.nonblocking(), None)?;
    if inet.is_ipv6() {
        socket.set_only_v6(families == Families::Own)?;
    }
    // Not for datagrams: there the same option would let two servers share a port, and one of them starve.
    if kind == Kind::Stream {
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
    }
    if kind == Kind::Datagram && inet.ip().is_multicast() {
        group::join(&socket, inet.ip())?;
    }
    if queues == Queues::PerSlot {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&inet.into())?;
    if kind == Kind::Stream {
        listen(&socket, backlog)?;
    }
    Ok(socket)
}

pub(super) fn listen(socket: &Socket, backlog: u32) -> io::Result<()> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))
}

fn bind_path(address: &Address, path: &Path, access: Access, backlog: u32) -> Result<Listener, BindError> {
    unix::bind(path, access, backlog)
        .and_then(|(socket, place)| Listener::over(address, socket, Some(place)))
        .map_err(|refusal| BindError::new(address, refusal))
}

#[cfg(test)]
mod tests;
