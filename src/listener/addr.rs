//! Where to listen, as people write it.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    os::fd::RawFd,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A place to listen: `127.0.0.1:80`, `[::1]:80`, `:80`, `unix:/path`, `unix:@name`, `udp:127.0.0.1:9`, `fd:3`,
/// `systemd:NAME`.
///
/// It is read by [`FromStr`] and written by [`Display`](fmt::Display), each the other's inverse. Port 0 lets the
/// kernel pick one. Names of hosts are not looked up, but for `localhost`, which is 127.0.0.1.
///
/// ```
/// use forkd::listener::Address;
///
/// assert_eq!("localhost:80".parse(), Ok(Address::Tcp(([127, 0, 0, 1], 80).into())));
/// assert_eq!("udp::9".parse(), Ok(Address::AnyUdp(9)));
/// assert_eq!(Address::Unix("/run/app.sock".into()).to_string(), "unix:/run/app.sock");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A TCP port of one address. An IPv6 address stands for itself: `[::]:80` takes no IPv4.
    Tcp(SocketAddr),
    /// A TCP port of every address, IPv6 and IPv4, or IPv4 alone where IPv6 is off.
    AnyTcp(u16),
    /// A stream socket with a place in the file system; a relative path means the directory at the time of binding.
    Unix(PathBuf),
    /// A stream socket with a name in the kernel alone, which ends with its last descriptor.
    Abstract(String),
    /// A UDP port of one address.
    Udp(SocketAddr),
    /// A UDP port of every address, as for TCP.
    AnyUdp(u16),
    /// A socket that this process was started with, by its number, from 3 on.
    Fd(RawFd),
    /// A socket that systemd passed, by its name.
    Systemd(String),
}

/// The longest path of a Unix-domain socket, in bytes, and the longest abstract name. unix(7).
pub(super) const LONGEST_PATH: usize = 107;

/// Why a text is no [`Address`], and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError {
    text: String,
    cause: &'static str,
    remedy: &'static str,
}

impl Address {
    /// The port that it asks for, where it has one; 0 for one of the kernel's choice.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(inet) | Self::Udp(inet) => Some(inet.port()),
            Self::AnyTcp(port) | Self::AnyUdp(port) => Some(*port),
            Self::Unix(_) | Self::Abstract(_) | Self::Fd(_) | Self::Systemd(_) => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let address = match text.split_once(':') {
            Some(("unix", place)) => unix(place),
            Some(("udp", place)) => inet(place, Self::Udp, Self::AnyUdp),
            Some(("tcp", place)) => inet(place, Self::Tcp, Self::AnyTcp),
            Some(("fd", number)) => descriptor(number),
            Some(("systemd", name)) => systemd(name),
            Some(_) | None => inet(text, Self::Tcp, Self::AnyTcp),
        };
        address.map_err(|(cause, remedy)| AddressError { text: text.to_owned(), cause, remedy })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(inet) => inet.fmt(f),
            Self::AnyTcp(port) => write!(f, ":{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
            Self::Udp(inet) => write!(f, "udp:{inet}"),
            Self::AnyUdp(port) => write!(f, "udp::{port}"),
            Self::Fd(number) => write!(f, "fd:{number}"),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read address {:?}: {} ({})", self.text, self.cause, self.remedy)
    }
}

impl std::error::Error for AddressError {}

/// A cause and a remedy.
type Complaint = (&'static str, &'static str);

/// `HOST:PORT` as `one` address, `:PORT` as `any`; `//` in front is taken as a URL's.
fn inet(place: &str, one: fn(SocketAddr) -> Address, any: fn(u16) -> Address) -> Result<Address, Complaint> {
    let place = place.strip_prefix("//").unwrap_or(place);
    if let Ok(inet) = place.parse() {
        return Ok(one(inet));
    }
    let Some((host, port)) = place.rsplit_once(':') else { return Err(no_port(place)) };
    let Ok(port) = port.parse() else {
        return Err(("no port behind the last colon", "ports are numbers from 0 to 65535"));
    };
    match host {
        "" => Ok(any(port)),
        "localhost" => Ok(one((Ipv4Addr::LOCALHOST, port).into())),
        _ if host.contains('/') => Err(("it looks like a URL", "write host and port alone: 127.0.0.1:80")),
        _ if host.contains(':') => Err(("an IPv6 address needs brackets", "write [::1]:80")),
        _ => Err((
            "the host is no number",
            "names are not looked up: write 127.0.0.1:80, or :80 for all addresses",
        )),
    }
}

fn no_port(place: &str) -> Complaint {
    if place.starts_with('/') {
        ("a path needs its kind in front", "write unix:/path")
    } else if !place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit()) {
        (
            "a port needs a colon in front",
            "write :80 for all addresses, or 127.0.0.1:80 for this machine alone",
        )
    } else {
        (
            "no port",
            "write 127.0.0.1:80, [::1]:80, :80, unix:/path, unix:@name, udp:127.0.0.1:9, fd:3 or systemd:NAME",
        )
    }
}

fn unix(place: &str) -> Result<Address, Complaint> {
    let name = place.strip_prefix('@');
    if name.unwrap_or(place).is_empty() {
        Err(("no path", "write unix:/path or unix:@name"))
    } else if place.contains('\0') {
        Err(("a zero byte cannot stand in a path", "take it out"))
    } else if name.unwrap_or(place).len() > LONGEST_PATH {
        Err(("too long", "a Unix-domain socket's path has at most 107 bytes"))
    } else {
        Ok(name.map_or_else(|| Address::Unix(Path::new(place).into()), |name| Address::Abstract(name.into())))
    }
}

fn descriptor(number: &str) -> Result<Address, Complaint> {
    match number.parse() {
        Ok(number @ 3..) => Ok(Address::Fd(number)),
        Ok(_) => Err(("0 to 2 are the standard streams", "sockets are passed from 3 on: write fd:3")),
        Err(_) => Err(("no number of a descriptor", "write fd:3")),
    }
}

/// A name as systemd allows it: no colon, for colons separate names, and no control character. `sd_listen_fds(3)`.
fn systemd(name: &str) -> Result<Address, Complaint> {
    let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b':';
    if name.is_empty() || name.len() > 255 || !name.bytes().all(allowed) {
        return Err(("no name of a socket", "write its FileDescriptorName=, such as systemd:http"));
    }
    Ok(Address::Systemd(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Address {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_addresses_of_the_manual_are_read() {
        assert_eq!(parse("127.0.0.1:80"), Address::Tcp(([127, 0, 0, 1], 80).into()));
        assert_eq!(parse("tcp://127.0.0.1:80"), Address::Tcp(([127, 0, 0, 1], 80).into()));
        assert_eq!(parse("[::1]:80"), Address::Tcp(([0, 0, 0, 0, 0, 0, 0, 1], 80).into()));
        assert_eq!(parse(":80"), Address::AnyTcp(80));
        assert_eq!(parse("unix:/run/a.sock"), Address::Unix("/run/a.sock".into()));
        assert_eq!(parse("unix:a:b"), Address::Unix("a:b".into()));
        assert_eq!(parse("unix:@name"), Address::Abstract("name".into()));
        assert_eq!(parse("udp:127.0.0.1:9"), Address::Udp(([127, 0, 0, 1], 9).into()));
        assert_eq!(parse("udp:localhost:9"), Address::Udp(([127, 0, 0, 1], 9).into()));
        assert_eq!(parse("udp::0"), Address::AnyUdp(0));
        assert_eq!(parse("fd:3"), Address::Fd(3));
        assert_eq!(parse("systemd:http"), Address::Systemd("http".into()));
    }

    #[test]
    fn what_is_no_address_is_answered_with_what_to_write() {
        let long = format!("unix:{}", "x".repeat(108));
        let wrong = [
            ("", "no port"),
            ("8080", "write :80"),
            ("/run/a.sock", "write unix:/path"),
            ("here", "no port"),
            ("example.com:80", "not looked up"),
            ("::1:80", "write [::1]:80"),
            ("127.0.0.1:", "no port behind"),
            ("127.0.0.1:65536", "from 0 to 65535"),
            ("256.0.0.1:80", "no number"),
            ("unix:", "no path"),
            ("unix:@", "no path"),
            ("unix:a\0b", "zero byte"),
            (&long, "at most 107 bytes"),
            ("fd:2", "from 3 on"),
            ("fd:three", "write fd:3"),
            ("fd:-1", "from 3 on"),
            ("systemd:", "FileDescriptorName"),
            ("systemd:a:b", "FileDescriptorName"),
        ];
        for (text, expected) in wrong {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.starts_with("cannot read address") && error.contains(expected), "{error}");
        }
    }

    fn address() -> impl Strategy<Value = Address> {
        prop_oneof![
            any::<SocketAddr>().prop_map(|inet| Address::Tcp(plain(inet))),
            any::<SocketAddr>().prop_map(|inet| Address::Udp(plain(inet))),
            any::<u16>().prop_map(Address::AnyTcp),
            any::<u16>().prop_map(Address::AnyUdp),
            "[^@\0][^\0]{0,20}".prop_map(|path| Address::Unix(path.into())),
            "[^\0]{1,20}".prop_map(Address::Abstract),
            (3..RawFd::MAX).prop_map(Address::Fd),
            "[!-9;-~]{1,255}".prop_map(Address::Systemd),
        ]
    }

    /// Without the flow information of IPv6, which has no place in an address's text.
    fn plain(mut inet: SocketAddr) -> SocketAddr {
        if let SocketAddr::V6(inet) = &mut inet {
            inet.set_flowinfo(0);
        }
        inet
    }

    proptest! {
        #[test]
        fn every_address_is_read_as_it_is_written(address in address()) {
            prop_assert_eq!(address.to_string().parse(), Ok(address));
        }

        #[test]
        fn any_text_is_an_address_or_an_error(text in ".{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
