//! The access log: one line for each answer, written by one write(2) for all that were made together.
//!
//! The file is opened by the master where it knows of it, else by each worker, and appended to (`O_APPEND`): so lines of
//! several workers never mix. Nothing that goes wrong here makes a client wait: a full disk, or a reader that is gone or slow,
//! costs lines. The log says so, and how many there were as soon as lines are taken again.

use std::{
    cell::{Cell, RefCell},
    io::{self, Write},
    os::fd::AsFd,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use log::Level;

use crate::{
    logging::{
        self,
        files::{self, LogFile},
        lost::Lost,
        outlet::{Outlet, PIECE},
    },
    protocol::http::{
        Head, Status,
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
#[derive(Debug, Clone)]
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

#[derive(Debug, Clone)]
enum Target {
    /// Opened before the fork: a worker that has become somebody else may not.
    Output(Option<Arc<Mutex<Outlet>>>),
    File(PathBuf),
}

/// Where an access log goes that is open.
#[derive(Debug)]
enum Open {
    Output(Arc<Mutex<Outlet>>),
    File(Arc<LogFile>),
}

/// An access log that is open.
#[derive(Debug)]
pub(super) struct Journal {
    format: AccessFormat,
    /// Lines that are not written yet.
    lines: RefCell<Vec<u8>>,
    outlet: Open,
    /// When this process last said that lines are lost, or were.
    told: Cell<Option<Time>>,
}

/// How many lines were lost, in all workers of all generations: it is made before the first fork.
static LOST: LazyLock<Lost> = LazyLock::new(Lost::new);

/// How often it says so at most: a reader that is slow all the time must not fill the other log.
const SELDOM: Duration = Duration::from_secs(1);

impl AccessLog {
    /// At the end of this file.
    pub fn file(path: impl Into<PathBuf>, format: AccessFormat) -> Self {
        LazyLock::force(&LOST);
        Self { target: Target::File(path.into()), format }
    }

    /// The file, if it goes into one.
    pub fn path(&self) -> Option<&Path> {
        match &self.target {
            Target::File(path) => Some(path),
            Target::Output(_) => None,
        }
    }

    /// On standard output.
    pub fn output(format: AccessFormat) -> Self {
        let outlet = Outlet::over(io::stdout().as_fd()).ok();
        let outlet = outlet.map(|outlet| Arc::new(Mutex::new(outlet)));
        LazyLock::force(&LOST);
        Self { target: Target::Output(outlet), format }
    }

    /// Opens it in this process, unless its master has done so already.
    pub(super) fn open(&self) -> io::Result<Journal> {
        let outlet = match &self.target {
            Target::Output(outlet) => {
                Open::Output(outlet.clone().ok_or_else(|| {
                    io::Error::other("cannot write the access log: standard output is closed")
                })?)
            }
            Target::File(path) => Open::File(files::open(path).map_err(|cause| {
                io::Error::new(cause.kind(), format!("cannot open access log {}: {cause}", path.display()))
            })?),
        };
        Ok(Journal { format: self.format, lines: RefCell::default(), outlet, told: Cell::new(None) })
    }
}

impl Open {
    /// Where it goes; a panic while that was held changes nothing about it.
    fn outlet(&self) -> MutexGuard<'_, Outlet> {
        match self {
            Self::Output(outlet) => outlet.lock().unwrap_or_else(PoisonError::into_inner),
            Self::File(file) => file.outlet(),
        }
    }
}

/// What is known of an answer beside its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<B> {
    pub status: Status,
    /// How many bytes its body has, for whom it concerns.
    pub bytes: B,
    /// When the round began in which the request was there; of one with a body, in which its head was.
    pub began: Time,
}

impl Journal {
    /// Notes an answer; `head` is missing where the request was not understood.
    pub fn note(
        &self,
        peer: &Peer,
        head: Option<&Head<'_>>,
        date: &[u8; 29],
        answered: Answered<impl FnOnce() -> u64>,
    ) {
        let Answered { status, bytes, began } = answered;
        let bytes = bytes();
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
        let took = Time::now().since(began);
        let time = SystemTime::now();
        let entry =
            Entry { client, user: user.as_deref(), date, time, asked, status: status.code(), bytes, took };
        let mut lines = self.lines.borrow_mut();
        let before = lines.len();
        self.add(&mut lines, &entry);
        if lines.len() > PIECE {
            self.write(&lines[..before]);
            lines.drain(..before);
        }
    }

    /// Adds a line. One that a pipe would not take whole has what the client wrote cut, as little as need be.
    fn add(&self, lines: &mut Vec<u8>, entry: &Entry<'_>) {
        let (before, longest) = (lines.len(), self.outlet.outlet().longest());
        for most in [usize::MAX, 1024, 512, 256, 128, 64] {
            lines.truncate(before);
            let entry = entry.cut(most);
            // Writing into memory cannot fail.
            let _ = match self.format {
                AccessFormat::Combined => writeln!(lines, "{}", Combined(&entry)),
                AccessFormat::Json => writeln!(lines, "{}", Json(&entry)),
            };
            if lines.len() - before <= longest {
                return;
            }
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
        let flowed = !LOST.any();
        let written = self.outlet.outlet().write(lines, &LOST);
        if (flowed && written.is_ok()) || self.told.get().is_some_and(|told| Time::now().since(told) < SELDOM)
        {
            return;
        }
        match written {
            Err(_) if !flowed => return,
            Err(cause) => {
                log::error!("cannot write the access log: {cause} (lines are dropped until it can be)");
            }
            Ok(()) => {
                let Some(lines) = LOST.take() else { return };
                let facts = [("event", "dropped".into()), ("log", "access".into()), ("lines", lines.into())];
                logging::event(Level::Warn, "lines of the access log were dropped", &facts);
            }
        }
        self.told.set(Some(Time::now()));
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
