//! What the master and its workers tell: through the `log` facade, so that a program that uses the library decides
//! what becomes of it. Each event carries its facts as key-values beside the words.
//!
//! ```
//! use log::{Level, kv::Value};
//!
//! let facts = [("event", Value::from("ready")), ("slot", Value::from(1)), ("pid", Value::from(4711))];
//! forkd::logging::event(Level::Info, "worker ready", &facts);
//! ```

pub(crate) mod files;
pub(crate) mod lost;
pub(crate) mod outlet;

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use files::LogFile;
use log::{Level, Record, kv::Value};

/// The target of every record of ours.
pub const TARGET: &str = "forkd";

/// What opens the log files again, see [`on_reopen`].
static REOPEN: Mutex<Vec<Reopen>> = Mutex::new(Vec::new());

/// Opens one log file again.
type Reopen = Box<dyn FnMut() -> io::Result<()> + Send>;

/// Logs what has happened: a message in words, and its facts by key, which a logger gets as key-values.
pub fn event(level: Level, message: impl fmt::Display, facts: &[(&str, Value<'_>)]) {
    if level > log::max_level() {
        return;
    }
    let record = &mut Record::builder();
    let record = record.level(level).target(TARGET).key_values(&facts);
    log::logger().log(&record.args(format_args!("{message}")).build());
}

/// Says how this process opens one of its log files again once it was renamed.
pub fn on_reopen(reopen: impl FnMut() -> io::Result<()> + Send + 'static) {
    REOPEN.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(reopen));
}

/// Opens the log files again that this process has opened itself, and does what [`on_reopen`] has said. Those that a worker
/// has from its master, its master opens, and hands it the new ones.
///
/// # Errors
/// When a file cannot be opened, the first that cannot; the old one is then still written to.
pub fn reopen() -> io::Result<()> {
    reopen_these(&files::all().into_iter().filter(|file| file.is_own()).collect::<Vec<_>>())
}

/// Opens these log files again, and does what [`on_reopen`] has said; see [`reopen`].
pub(crate) fn reopen_these(files: &[Arc<LogFile>]) -> io::Result<()> {
    let files = files.iter().map(|file| file.reopen());
    let mut others = REOPEN.lock().unwrap_or_else(PoisonError::into_inner);
    files.chain(others.iter_mut().map(|reopen| reopen())).fold(Ok(()), io::Result::and)
}
