//! Where to send: what the ready line and `-l` call a listener, seen from the other side.

use std::{
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    str::FromStr,
};

use socket2::{SockAddr, Type};

use crate::{Error, Result};

/// The address of a server, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// `127.0.0.1:7007`, `localhost:7007`, `:7007`, with `tcp://` before it or not.
    Tcp(String),
    /// `udp:127.0.0.1:7007` or `udp://127.0.0.1:7007`.
    Udp(String),
    /// `unix:/path`, or `unix:@name` in the abstract namespace.
    Unix(String),
}

impl Destination {
    /// The kind of socket that reaches it.
    pub fn kind(&self) -> Type {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Type::STREAM,
            Self::Udp(_) => Type::DGRAM,
        }
    }

    /// The addresses that its name stands for, in the order to try.
    ///
    /// # Errors
    /// When a name is unknown or a path too long.
    pub fn addresses(&self) -> Result<Vec<SockAddr>> {
        match self {
            Self::Tcp(place) | Self::Udp(place) => {
                let found = resolve(place).map_err(|cause| {
                    Error::system(format!("find the host of {self}"), cause).remedy(REMEDY)
                })?;
                Ok(found.into_iter().map(SockAddr::from).collect())
            }
            Self::Unix(path) => {
                // A name in the abstract namespace begins with a NUL where others see the `@`.
                let path = path.strip_prefix('@').map_or_else(|| path.clone(), |name| format!("\0{name}"));
                let address = SockAddr::unix(path)
                    .map_err(|cause| Error::system(format!("use {self}"), cause).remedy(REMEDY).as_usage())?;
                Ok(vec![address])
            }
        }
    }
}

const REMEDY: &str = "write 127.0.0.1:7007, :7007, udp:127.0.0.1:7007 or unix:/path";

/// The addresses of `host:port`; without a host, this machine.
fn resolve(place: &str) -> std::io::Result<Vec<SocketAddr>> {
    match place.strip_prefix(':') {
        Some(port) => Ok(format!("localhost:{port}").to_socket_addrs()?.collect()),
        None => Ok(place.to_socket_addrs()?.collect()),
    }
}

impl FromStr for Destination {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| Error::usage(format!("cannot send to {text:?}: {why}")).remedy(REMEDY);
        let scheme = |names: &[&str]| names.iter().find_map(|name| text.strip_prefix(name));
        if let Some(path) = scheme(&["unix://", "unix:"]) {
            let empty = path.trim_start_matches('@').is_empty() || path.contains('\0');
            return if empty { Err(refuse("no path")) } else { Ok(Self::Unix(path.to_owned())) };
        }
        if scheme(&["http://", "https://"]).is_some() {
            return Err(refuse("HTTP needs a client that speaks it, as curl does"));
        }
        let (udp, place) = match scheme(&["udp://", "udp:"]) {
            Some(place) => (true, place),
            None => (false, scheme(&["tcp://", "tcp:"]).unwrap_or(text)),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let port = place.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        match port {
            None => Err(refuse("no port")),
            Some(0) => Err(refuse("nothing listens on port 0")),
            Some(_) if udp => Ok(Self::Udp(place.to_owned())),
            Some(_) => Ok(Self::Tcp(place.to_owned())),
        }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(place) => write!(f, "tcp://{place}"),
            Self::Udp(place) => write!(f, "udp://{place}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_address() {
        let table = [
            ("127.0.0.1:7007", Destination::Tcp("127.0.0.1:7007".into())),
            ("tcp://127.0.0.1:7007/", Destination::Tcp("127.0.0.1:7007".into())),
            (":7007", Destination::Tcp(":7007".into())),
            ("[::1]:7007", Destination::Tcp("[::1]:7007".into())),
            ("udp:127.0.0.1:9", Destination::Udp("127.0.0.1:9".into())),
            ("udp://127.0.0.1:9", Destination::Udp("127.0.0.1:9".into())),
            ("udp::9", Destination::Udp(":9".into())),
            ("unix:/run/echo.sock", Destination::Unix("/run/echo.sock".into())),
            ("unix:@echo", Destination::Unix("@echo".into())),
        ];
        for (text, destination) in table {
            assert_eq!(text.parse::<Destination>().expect(text), destination);
        }
    }

    #[test]
    fn what_is_no_address_is_a_usage_error() {
        for text in
            ["", "here", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "unix:", "unix:@", "http://a:80"]
        {
            let error = text.parse::<Destination>().expect_err(text);
            assert_eq!(error.exit_code(), 2);
            assert!(
                error
                    .to_string()
                    .ends_with("(write 127.0.0.1:7007, :7007, udp:127.0.0.1:7007 or unix:/path)")
            );
        }
    }

    #[test]
    fn a_unix_address_says_which_namespace() {
        let of = |text: &str| text.parse::<Destination>().expect(text).addresses().expect(text).remove(0);
        assert_eq!(of("unix:/run/a").as_pathname(), Some("/run/a".as_ref()));
        assert_eq!(of("unix:@a").as_abstract_namespace(), Some(&b"a"[..]));
    }
}
