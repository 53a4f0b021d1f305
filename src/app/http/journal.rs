//! The access log: one line for each answer, written by one write(2) for all that were made together.
//!
//! Each worker opens the file for itself, as the user that it runs as, and appends (`O_APPEND`): so lines of several
//! workers never mix. Nothing that goes wrong here makes a client wait: a full disk, or a reader that is gone or slow,
//! costs lines, and the log says so.

use std::{
    cell::{Cell, RefCell},
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    logging,
    protocol::http::{
        Head,
        access::{Asked, Combined, Entry, Json},
    },
    worker::session::{Peer, PeerAddress, Time},
};

/// Where an access log goes, and in which form.
///
/// ```no_run
/// use forkd::http::{AccessFormat, AccessLog, Http, Response};
///
/// let log = AccessLog::file("/var/log/site.log", AccessFormat::Combined);
/// // After the fork, in each worker:
/// let app = Http::new(|_| Response::text("hello")).access_log(&log)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    target: Target,
    format: AccessFormat,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessFormat {
    /// The combined format of Apache and nginx.
    Combined,
    /// A JSON object.
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Output,
    File(PathBuf),
}

/// An access log that is open.
#[derive(Debug)]
pub(super) struct Journal {
    format: AccessFormat,
    /// Lines that are not written yet.
    lines: RefCell<Vec<u8>>,
    file: Arc<Mutex<File>>,
    /// Whether the last write lost lines: the first of a series is told.
    losing: Cell<bool>,
}

/// Up to this size a write into a pipe is one piece, and poll(2) tells whether it has to wait. pipe(7), `PIPE_BUF`.
const PIECE: usize = 4096;

impl AccessLog {
    /// At the end of this file.
    pub fn file(path: impl Into<PathBuf>, format: AccessFormat) -> Self {
        Self { target: Target::File(path.into()), format }
    }

    /// On standard output.
    pub fn output(format: AccessFormat) -> Self {
        Self { target: Target::Output, format }
    }

    /// Opens it in this process, and again when the log files are to be opened again.
    pub(super) fn open(&self) -> io::Result<Journal> {
        let file = match &self.target {
            Target::Output => File::from(io::stdout().as_fd().try_clone_to_owned()?),
            Target::File(path) => append(path).map_err(|cause| {
                io::Error::new(cause.kind(), format!("cannot open access log {}: {cause}", path.display()))
            })?,
        };
        let file = Arc::new(Mutex::new(file));
        if let Target::File(path) = &self.target {
            let (path, file) = (path.clone(), Arc::clone(&file));
            logging::on_reopen(move || {
                *file.lock().unwrap_or_else(PoisonError::into_inner) = append(&path)?;
                Ok(())
            });
        }
        Ok(Journal { format: self.format, lines: RefCell::default(), file, losing: Cell::new(false) })
    }
}

/// Opens a file for appending. A FIFO without a reader is an error, and a full one loses lines: neither is waited for.
fn append(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags.bits()).open(path)
}

/// What is known of an answer beside its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<'a> {
    pub date: &'a [u8; 29],
    pub status: u16,
    pub bytes: u64,
    /// When the round began in which the request was there.
    pub received: Time,
}

impl Journal {
    /// Notes an answer; `head` is missing where the request was not understood.
    pub fn note(&self, peer: &Peer, head: Option<&Head<'_>>, answered: Answered<'_>) {
        let Answered { date, status, bytes, received } = answered;
        let authorization = head.and_then(|head| head.fields.get("authorization"));
        let user = authorization.and_then(user);
        let asked = head.map(|head| Asked {
            method: head.method,
            target: head.target.whole,
            version: head.version,
            host: head.fields.get("host"),
            referer: head.fields.get("referer"),
            agent: head.fields.get("user-agent"),
        });
        let client = match &peer.address {
            PeerAddress::Inet(inet) => Some(inet.ip()),
            PeerAddress::Unix(_) => None,
        };
        let took = Time::now().since(received);
        let time = SystemTime::now();
        let entry = Entry { client, user: user.as_deref(), date, time, asked, status, bytes, took };
        let mut lines = self.lines.borrow_mut();
        let before = lines.len();
        // Writing into memory cannot fail.
        let _ = match self.format {
            AccessFormat::Combined => writeln!(lines, "{}", Combined(&entry)),
            AccessFormat::Json => writeln!(lines, "{}", Json(&entry)),
        };
        if lines.len() > PIECE {
            self.write(&lines[..before]);
            lines.drain(..before);
        }
    }

    /// Writes what was noted.
    pub fn flush(&self) {
        let mut lines = self.lines.borrow_mut();
        self.write(&lines);
        lines.clear();
    }

    fn write(&self, lines: &[u8]) {
        if lines.is_empty() {
            return;
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = takes_now(&file).and_then(|()| file.write(lines));
        match written {
            // A line that was cut is not continued: what follows would stand in the middle of another worker's.
            Ok(_) => self.losing.set(false),
            Err(cause) => {
                if !self.losing.replace(true) {
                    log::error!("cannot write the access log: {cause} (lines are lost until it can be)");
                }
            }
        }
    }
}

/// Whether a write would not wait: a pipe that nobody reads, a terminal that is stopped.
fn takes_now(file: &File) -> io::Result<()> {
    let kind = file.metadata()?.file_type();
    if !kind.is_fifo() && !kind.is_socket() && !kind.is_char_device() {
        return Ok(());
    }
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::ZERO)? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

/// The user that a field names: nothing is known of whether it is right.
#[cfg(feature = "auth")]
fn user(field: &[u8]) -> Option<String> {
    use crate::protocol::http::percent;

    let bytes = super::basic::credentials(field)?;
    let name = bytes.split(|byte| *byte == b':').next()?;
    (!name.is_empty()).then(|| percent::encode(name))
}

#[cfg(not(feature = "auth"))]
fn user(_: &[u8]) -> Option<String> {
    None
}
