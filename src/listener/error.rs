//! Why there is no listener, in words with a remedy.

use std::{fmt, io, path::Path};

use super::addr::Address;

/// Why an [`Address`] could not be listened on: `cannot listen on ADDRESS: CAUSE (REMEDY)`.
#[derive(Debug)]
pub struct BindError {
    address: String,
    words: String,
    remedy: String,
    fault: Fault,
    source: Option<io::Error>,
}

/// Whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The machine refuses now what may be right at another time.
    Machine,
    /// What the user wrote can never be listened on.
    User,
}

/// What stands in the way, before it is known for which address.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The kernel said no.
    System(io::Error),
    /// We did.
    Ours { words: String, remedy: String, fault: Fault },
}

impl Refusal {
    /// A refusal of what the user wrote.
    pub(super) fn user(words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Ours { words: words.into(), remedy: remedy.into(), fault: Fault::User }
    }

    /// A refusal of what cannot be just now.
    pub(super) fn machine(words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Ours { words: words.into(), remedy: remedy.into(), fault: Fault::Machine }
    }
}

impl From<io::Error> for Refusal {
    fn from(cause: io::Error) -> Self {
        Self::System(cause)
    }
}

impl BindError {
    /// The error of an address.
    pub(super) fn new(address: &Address, refusal: Refusal) -> Self {
        let (words, (remedy, fault), source) = match refusal {
            Refusal::System(cause) => (words(&cause), remedy(address, &cause), Some(cause)),
            Refusal::Ours { words, remedy, fault } => (words, (remedy, fault), None),
        };
        Self { address: address.to_string(), words, remedy, fault, source }
    }

    /// Whether the user wrote something that can never be listened on, rather than the machine refusing it now.
    pub fn is_usage(&self) -> bool {
        self.fault == Fault::User
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.address, self.words)?;
        if self.remedy.is_empty() { Ok(()) } else { write!(f, " ({})", self.remedy) }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|cause| cause as _)
    }
}

/// The kernel's words, in lower case and without the number.
fn words(cause: &io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.chars().take(1).flat_map(char::to_lowercase).chain(text.chars().skip(1)).collect()
}

/// What can be done about it, and by whom. bind(2), unix(7).
fn remedy(address: &Address, cause: &io::Error) -> (String, Fault) {
    let errno = cause.raw_os_error().unwrap_or_default();
    match address {
        Address::Tcp(_) | Address::AnyTcp(_) => (inet_remedy(address, errno, "ss -ltnp"), Fault::Machine),
        Address::Udp(_) | Address::AnyUdp(_) => (inet_remedy(address, errno, "ss -lunp"), Fault::Machine),
        Address::Unix(path) => path_remedy(path, errno),
        Address::Abstract(_) if errno == libc::EADDRINUSE => {
            ("another server has that name: ss -lxp shows it".into(), Fault::Machine)
        }
        Address::Abstract(_) | Address::Fd(_) | Address::Systemd(_) => {
            (common_remedy(errno).into(), Fault::Machine)
        }
    }
}

fn inet_remedy(address: &Address, errno: i32, who: &str) -> String {
    let privileged = address.port().is_some_and(|port| (1..1024).contains(&port));
    match errno {
        libc::EADDRINUSE => {
            format!("another process has that port, and {who} shows it; port 0 takes a free one")
        }
        libc::EACCES if privileged => {
            "ports below 1024 need CAP_NET_BIND_SERVICE: run as root, or take a port from 1024 up".into()
        }
        libc::EADDRNOTAVAIL => "no interface of this machine has that address; ip address lists them".into(),
        libc::EAFNOSUPPORT => "this machine does not speak that family; take an IPv4 address".into(),
        _ => common_remedy(errno).into(),
    }
}

fn path_remedy(path: &Path, errno: i32) -> (String, Fault) {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let directory = directory.display();
    match errno {
        libc::EADDRINUSE => {
            ("another server answers there; stop it, or take another path".into(), Fault::Machine)
        }
        libc::ENOENT | libc::ENOTDIR => {
            (format!("there is no directory {directory}; make it first"), Fault::User)
        }
        libc::EACCES | libc::EPERM => {
            (format!("this user must be able to read and write {directory}"), Fault::Machine)
        }
        _ => (common_remedy(errno).into(), Fault::Machine),
    }
}

fn common_remedy(errno: i32) -> &'static str {
    match errno {
        libc::EMFILE | libc::ENFILE => "no descriptors are left; raise the limit, ulimit -n",
        _ => "",
    }
}
