//! Sockets that this process was started with: by number, or by the names that systemd gives them.
//!
//! systemd says in three variables what it passed: `LISTEN_PID` for whom, `LISTEN_FDS` how many from descriptor 3 on,
//! `LISTEN_FDNAMES` their names with colons between. sd_listen_fds(3).

use std::{env, os::fd::RawFd, sync::OnceLock};

use socket2::{Domain, Socket, Type};

use super::error::Refusal;
use crate::sys::inherited::{adopt, forget_variables};

/// The first descriptor that is passed; those before it are the standard streams.
const FIRST: RawFd = 3;

/// More than any process is passed: what claims more is not believed.
const MOST: RawFd = 4096;

/// The variables that speak of passed sockets.
const VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The passed sockets, each with its name, or why what the variables say cannot be.
type Passed = Result<Vec<(String, RawFd)>, String>;

/// Reads what systemd says it passed, once, and takes it out of the environment: no program that we start may take
/// our sockets for its own.
///
/// It is called at the start, before there is a second thread; while there is one the variables stay.
pub fn read_environment() {
    passed();
}

/// The socket that was passed with this number.
pub(super) fn descriptor(number: RawFd) -> Result<Socket, Refusal> {
    let adopted = adopt(number).map_err(|cause| {
        let words = match cause.raw_os_error() {
            Some(libc::EBADF) => "nothing is open there",
            Some(_) | None => "it was not passed to this process, or is taken already",
        };
        Refusal::user(words, format!("start forkd with a listening socket as descriptor {number}"))
    })?;
    listening(Socket::from(adopted))
}

/// The socket that systemd passed by this name.
pub(super) fn named(name: &str) -> Result<Socket, Refusal> {
    let passed = passed().as_ref().map_err(|words| {
        Refusal::user(words.clone(), "start forkd by a systemd socket unit, or by systemd-socket-activate")
    })?;
    descriptor(find(passed, name)?)
}

/// The first passed socket with a name like this that listens and that nobody has taken.
pub(super) fn take(named: impl Fn(&str) -> bool) -> Option<Socket> {
    numbers(named).into_iter().find_map(|(_, number)| descriptor(number).ok())
}

/// The passed sockets with a name like this, taken or not.
pub(super) fn numbers(named: impl Fn(&str) -> bool) -> Vec<(String, RawFd)> {
    let passed = passed().as_ref().map_or(&[][..], Vec::as_slice);
    passed.iter().filter(|(name, _)| named(name)).cloned().collect()
}

/// A text as the name of a socket may be: visible ASCII, and no colon, which stands between names.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_graphic() && c != ':' { c } else { '-' }).collect()
}

fn passed() -> &'static Passed {
    static PASSED: OnceLock<Passed> = OnceLock::new();
    PASSED.get_or_init(|| {
        let passed = read(std::process::id(), |name| env::var(name).ok());
        forget_variables(&VARIABLES);
        passed
    })
}

/// What the variables say to the process with this pid.
fn read(pid: u32, variable: impl Fn(&str) -> Option<String>) -> Passed {
    let [for_whom, count, names] = VARIABLES.map(variable);
    // Variables for another process were forgotten by whoever stands between: they are not for us, and no error.
    let (true, Some(count)) = (for_whom.is_some_and(|text| text == pid.to_string()), count) else {
        return Ok(Vec::new());
    };
    let count: RawFd = count
        .parse()
        .ok()
        .filter(|count| (0..=MOST).contains(count))
        .ok_or_else(|| format!("LISTEN_FDS={count:?} is no number of sockets"))?;
    let names: Vec<String> = match names {
        Some(names) => names.split(':').map(String::from).collect(),
        None => (0..count).map(|_| "unknown".to_owned()).collect(),
    };
    if names.len() != count as usize {
        return Err(format!("LISTEN_FDNAMES has {} names for {count} sockets", names.len()));
    }
    Ok(names.into_iter().zip(FIRST..).collect())
}

/// The one socket that has this name.
fn find(passed: &[(String, RawFd)], name: &str) -> Result<RawFd, Refusal> {
    let numbers: Vec<_> =
        passed.iter().filter(|(given, _)| given == name).map(|(_, number)| *number).collect();
    match numbers[..] {
        [number] => Ok(number),
        [] if passed.is_empty() => Err(Refusal::user(
            "no socket was passed",
            "start forkd by a systemd socket unit, or by systemd-socket-activate",
        )),
        [] => {
            let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
            Err(Refusal::user(
                "no socket of that name was passed",
                format!("there are: {}", names.join(", ")),
            ))
        }
        [..] => {
            let numbers: Vec<_> = numbers.iter().map(|number| format!("fd:{number}")).collect();
            let remedy = format!("list each: {}; or give each a FileDescriptorName=", numbers.join(", "));
            Err(Refusal::user(format!("{} sockets of that name were passed", numbers.len()), remedy))
        }
    }
}

/// Makes an inherited socket like one of ours, if clients can come by it.
fn listening(socket: Socket) -> Result<Socket, Refusal> {
    let Ok(kind) = socket.r#type() else {
        return Err(Refusal::user("what was passed is no socket", "pass a listening socket"));
    };
    if kind == Type::STREAM && !socket.is_listener()? {
        return Err(Refusal::user(
            "the socket that was passed does not listen",
            "call listen(2) on it before",
        ));
    }
    if kind != Type::STREAM && kind != Type::DGRAM {
        return Err(Refusal::user("the socket is neither of streams nor of datagrams", "pass one of these"));
    }
    socket.set_nonblocking(true)?;
    if kind == Type::STREAM && socket.domain()? != Domain::UNIX {
        socket.set_tcp_nodelay(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::File,
        net::{TcpListener, TcpStream, UdpSocket},
        os::fd::{IntoRawFd, OwnedFd},
    };

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;
    use crate::listener::{Address, BindError, Kind, Listener, bind};

    /// Makes a descriptor look as if it had come across exec, and binds to it.
    fn bind_passed(fd: impl Into<OwnedFd>) -> Result<Listener, BindError> {
        let fd = fd.into();
        fcntl(&fd, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        bind(&Address::Fd(fd.into_raw_fd()), 16)
    }

    fn from(variables: [Option<&str>; 3]) -> Passed {
        read(42, |name| {
            let place = VARIABLES.iter().position(|known| *known == name)?;
            variables[place].map(String::from)
        })
    }

    #[test]
    fn a_passed_listener_serves() {
        let passed = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = passed.local_addr().unwrap();
        let listener = bind_passed(passed).unwrap();
        assert_eq!((listener.url("http"), listener.kind()), (format!("http://{local}"), Kind::Stream));
        TcpStream::connect(local).unwrap();
        let again = bind(listener.address(), 16).unwrap_err();
        assert!(again.to_string().contains("taken already") && again.is_usage(), "{again}");
        assert_eq!(bind_passed(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap().kind(), Kind::Datagram);
    }

    #[test]
    fn what_no_client_can_come_by_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let refused = [
            (bind_passed(File::open("/dev/null").unwrap()), "is no socket"),
            (bind_passed(connected), "does not listen"),
            (bind(&Address::Fd(1 << 20), 16), "nothing is open there"),
        ];
        for (refused, expected) in refused {
            let error = refused.unwrap_err();
            assert!(error.to_string().contains(expected) && error.is_usage(), "{error}");
        }
    }

    #[test]
    fn the_variables_are_for_the_process_that_they_name() {
        assert_eq!(from([Some("42"), Some("2"), Some("a:b")]), Ok(vec![("a".into(), 3), ("b".into(), 4)]));
        assert_eq!(from([Some("42"), Some("1"), None]), Ok(vec![("unknown".into(), 3)]));
        for not_for_us in [[Some("43"), Some("1"), None], [None, Some("1"), None], [Some("42"), None, None]] {
            assert_eq!(from(not_for_us), Ok(Vec::new()));
        }
    }

    #[test]
    fn variables_that_cannot_be_are_named() {
        for count in ["-1", "1000000000", "junk", ""] {
            assert!(from([Some("42"), Some(count), None]).unwrap_err().contains("LISTEN_FDS"));
        }
        assert!(from([Some("42"), Some("3"), Some("a:b")]).unwrap_err().contains("2 names for 3"));
    }

    #[test]
    fn a_name_means_one_socket() {
        let passed = [("http".to_owned(), 3), ("http".to_owned(), 4), ("lines".to_owned(), 5)];
        let said = |passed: &[_], name| match find(passed, name) {
            Ok(number) => number.to_string(),
            Err(refusal) => BindError::new(&Address::Systemd(name.into()), refusal).to_string(),
        };
        assert_eq!(said(&passed, "lines"), "5");
        assert!(said(&passed, "http").contains("2 sockets of that name were passed (list each: fd:3, fd:4"));
        assert!(
            said(&passed, "chat")
                .contains("no socket of that name was passed (there are: http, http, lines)")
        );
        assert!(said(&[], "chat").contains("no socket was passed (start forkd by"));
    }
}
