//! Addresses to listening sockets.

/// The address at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerAddress {
    /// An IPv4 or IPv6 address.
    Inet(std::net::SocketAddr),
    /// A Unix-domain client; most have no name.
    Unix(Option<std::path::PathBuf>),
}
