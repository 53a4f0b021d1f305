//! The command line's logger: one line per record, by one write(2), on standard error or at the end of a file.
//!
//! Nothing that goes wrong here may disturb a server: a full disk, a reader that is stuck or gone costs lines, no more.
//! The first lost line of a file is told on standard error, and the log itself says how many there were as soon as it
//! takes lines again.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    path::Path,
    sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError},
};

use log::{Level, Record, kv::Value};

use super::log_line;
use crate::{
    Error, Result,
    config::{LogFormat, Settings},
    logging::{
        TARGET,
        files::{self, LogFile},
        lost::Lost,
        outlet::Outlet,
    },
};

/// Where lines go: each process of a server has its own copy after the fork.
static SINK: Mutex<Option<Sink>> = Mutex::new(None);

/// How many lines were lost, in all of them.
static LOST: LazyLock<Lost> = LazyLock::new(Lost::new);

/// The form of a line.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Where lines go.
enum Sink {
    StandardError(Outlet),
    /// A file whose name is not known yet.
    Waiting(Vec<u8>),
    File(Arc<LogFile>),
}

/// Installs the logger for this process and those that it forks. A daemon's lines wait for [`open`] where nobody
/// named a file: its name may be made of a port that the kernel has still to pick.
///
/// # Errors
/// When the file cannot be opened.
pub fn install(settings: &Settings) -> Result<()> {
    LazyLock::force(&LOST);
    let format = *FORMAT.get_or_init(|| settings.log.format);
    match &settings.log.file {
        Some(path) => open(path)?,
        None if settings.daemon => *sink() = Some(Sink::Waiting(Vec::new())),
        // One that is closed gets no lines.
        None => *sink() = Outlet::over(io::stderr().as_fd()).ok().map(Sink::StandardError),
    }
    let installed = env_logger::Builder::new()
        .filter_level(settings.log.level)
        .target(env_logger::Target::Pipe(Box::new(Lines)))
        .format(move |line, record| log_line::write(line, format, record))
        .try_init();
    installed.map_err(|cause| Error::failed(format!("cannot install the logger: {cause}")))
}

/// Writes to the end of this file from now on, first the lines that waited for it.
///
/// # Errors
/// When the file cannot be opened.
pub fn open(path: &Path) -> Result<()> {
    let file = files::open(path).map_err(|cause| {
        Error::system(format!("open log file {}", path.display()), cause)
            .remedy("name another with --log-file")
    })?;
    let mut sink = sink();
    if let Some(Sink::Waiting(lines)) = &*sink
        && !lines.is_empty()
    {
        put(&mut file.outlet(), lines);
    }
    *sink = Some(Sink::File(file));
    Ok(())
}

/// Where lines go; a panic while it was held changes nothing about it.
fn sink() -> MutexGuard<'static, Option<Sink>> {
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What env_logger writes its finished lines to.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *sink() {
            None => {}
            Some(Sink::Waiting(lines)) => lines.extend_from_slice(line),
            Some(Sink::StandardError(outlet)) => {
                put(outlet, line);
            }
            Some(Sink::File(file)) => {
                let were_lost = LOST.any();
                if let Some(cause) = put(&mut file.outlet(), line)
                    && !were_lost
                {
                    complain(&Error::system("write the log", cause));
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line, and before it how many were lost when the log flows again; answers why it is lost itself.
fn put(outlet: &mut Outlet, line: &[u8]) -> Option<io::Error> {
    if let Some(lines) = LOST.take()
        && outlet.write(&notice(lines), &Lost::new()).is_err()
    {
        // Nobody was told.
        LOST.add(lines);
    }
    outlet.write(line, &LOST).err()
}

/// The line that says that lines are missing.
fn notice(lines: u64) -> Vec<u8> {
    let facts: &[(&str, Value<'_>)] =
        &[("event", "dropped".into()), ("log", "events".into()), ("lines", lines.into())];
    let mut line = Vec::new();
    let record = &mut Record::builder();
    let record = record.level(Level::Warn).target(TARGET).key_values(&facts);
    let format = FORMAT.get().copied().unwrap_or(LogFormat::Text);
    // Writing into memory cannot fail.
    let _ = log_line::write(
        &mut line,
        format,
        &record.args(format_args!("lines of the log were dropped")).build(),
    );
    line
}

/// Tells the first of a series of lost lines on standard error, whose reader may be stuck as well.
fn complain(error: &Error) {
    if let Ok(mut outlet) = Outlet::over(io::stderr().as_fd()) {
        let _ = outlet.write(format!("forkd: {error}\n").as_bytes(), &Lost::new());
    }
}
