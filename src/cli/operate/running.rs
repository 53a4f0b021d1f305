//! A running server, seen through its control socket.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::fd::{AsFd, BorrowedFd},
    path::Path,
    time::Duration,
};

use nix::{
    sys::socket::{getsockopt, sockopt},
    unistd::geteuid,
};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::{
    Error, Result,
    ipc::control::{Request, wire::Answer},
    process::Pid,
};

/// The longest answer that is read: a status of 4096 workers has some two million bytes.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// A connection to the master of a running server; it carries one question.
#[derive(Debug)]
pub struct Running {
    /// How the server is found.
    pub name: String,
    /// Its master, as the kernel says.
    pub pid: Pid,
    socket: Socket,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Absent {
    /// Nobody listens there: no such server, or one that left its socket behind.
    NotRunning,
    /// Somebody is there, and this is in the way.
    Refused(Error),
}

impl Running {
    /// Connects to the master that listens at this path. It never waits: a master that is stopped may have a full
    /// queue of clients.
    pub fn connect(name: &str, path: &Path) -> std::result::Result<Self, Absent> {
        let refused = |cause: io::Error| {
            if matches!(cause.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) {
                Absent::NotRunning
            } else if cause.kind() == ErrorKind::WouldBlock {
                Absent::Refused(silent(name))
            } else {
                Absent::Refused(Error::system(format!("reach {name} at {}", path.display()), cause))
            }
        };
        let connect = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_nonblocking(true)?;
            socket.connect(&SockAddr::unix(path)?)?;
            socket.set_nonblocking(false)?;
            Ok(socket)
        };
        let socket = connect().map_err(refused)?;
        let peer = getsockopt(&socket, sockopt::PeerCredentials).map_err(|errno| refused(errno.into()))?;
        // Whoever can write in a directory can listen there under any name.
        let me = geteuid().as_raw();
        if me != 0 && peer.uid() != me && peer.uid() != 0 {
            let text = format!("cannot trust {name}: its master belongs to user {}", peer.uid());
            return Err(Absent::Refused(Error::failed(text).remedy("name another --runtime-dir")));
        }
        Ok(Self { name: name.to_owned(), pid: Pid::from_raw(peer.pid()), socket })
    }

    /// Asks, and waits for the answer; without `patience` as long as the connection lasts.
    ///
    /// # Errors
    /// When the master does not answer in time, goes away, or answers in another language.
    pub fn ask(mut self, request: &Request, patience: Option<Duration>) -> Result<Answer> {
        self.say(request)?;
        self.hear(patience)?.ok_or_else(|| {
            let text = format!("cannot learn what {} did: its master left without an answer", self.name);
            Error::failed(text).remedy("read its log")
        })
    }

    /// Sends the question.
    pub fn say(&mut self, request: &Request) -> Result<()> {
        match self.socket.write_all(request.to_line().as_bytes()) {
            // It may have answered before, why it takes no question.
            Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
                Err(Error::system(format!("ask {}", self.name), cause))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Reads the answer; `None` when the master closed the connection without one.
    pub fn hear(&self, patience: Option<Duration>) -> Result<Option<Answer>> {
        let failed = |cause: io::Error| {
            let late = matches!(cause.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            if late { silent(&self.name) } else { Error::system(format!("hear {}", self.name), cause) }
        };
        self.socket.set_read_timeout(patience).map_err(failed)?;
        let mut line = Vec::new();
        let read = BufReader::new((&self.socket).take(LONGEST_ANSWER)).read_until(b'\n', &mut line);
        match read {
            Err(cause) if cause.kind() == ErrorKind::ConnectionReset => return Ok(None),
            Err(cause) => return Err(failed(cause)),
            Ok(_) if line.is_empty() => return Ok(None),
            Ok(_) => {}
        }
        let answer = Answer::from_line(&line).map_err(|cause| {
            Error::failed(format!("cannot understand {}: {cause}", self.name))
                .remedy("is it another version of forkd?")
        })?;
        Ok(Some(answer))
    }

    /// The connection, to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The error of a master that is there and says nothing.
fn silent(name: &str) -> Error {
    Error::failed(format!("cannot reach {name}: its master does not answer"))
        .remedy("is it stopped? look with ps")
}

#[cfg(test)]
mod tests {
    use std::{os::unix::net::UnixListener, thread};

    use super::*;

    /// A master that reads one line and answers with these bytes.
    fn answering(bytes: &'static [u8]) -> (tempfile::TempDir, Running) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("web.sock");
        let listener = UnixListener::bind(&path).expect("bound");
        thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            BufReader::new(&client).read_line(&mut String::new()).expect("a question");
            client.write_all(bytes).expect("answered");
        });
        let running = Running::connect("web", &path).map_err(|absent| format!("{absent:?}"));
        (dir, running.expect("connected"))
    }

    #[test]
    fn an_answer_is_one_line() {
        let (_dir, running) = answering(b"{\"exit\":1,\"text\":\"no\",\"status\":null}\n");
        let answer = running.ask(&Request::Reopen, None).expect("an answer");
        assert_eq!((answer.exit, answer.text.as_str()), (1, "no"));
    }

    #[test]
    fn a_master_that_leaves_or_babbles_is_an_error_of_one_line() {
        for bytes in [&b""[..], b"hello\n", b"{\"exit\":0"] {
            let (_dir, running) = answering(bytes);
            let error = running.ask(&Request::Status, None).expect_err("no answer");
            assert_eq!(error.exit_code(), 1);
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_master_that_says_nothing_is_not_waited_for_longer_than_patience() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("web.sock");
        let _listener = UnixListener::bind(&path).expect("bound");
        let running =
            Running::connect("web", &path).map_err(|absent| format!("{absent:?}")).expect("connected");
        let error = running.ask(&Request::Status, Some(Duration::from_millis(10))).expect_err("silence");
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
}
