//! What the master and its workers tell: through the `log` facade, so that a program that uses the library decides
//! what becomes of it. Each event carries its facts as key-values beside the words.
//!
//! ```
//! use log::{Level, kv::Value};
//!
//! let facts = [("event", Value::from("ready")), ("slot", Value::from(1)), ("pid", Value::from(4711))];
//! forkd::logging::event(Level::Info, "worker ready", &facts);
//! ```

use std::{fmt, io, sync::OnceLock};

use log::{Level, Record, kv::Value};

/// The target of every record of ours.
pub const TARGET: &str = "forkd";

/// What opens the log again, see [`on_reopen`].
static REOPEN: OnceLock<fn() -> io::Result<()>> = OnceLock::new();

/// Logs what has happened: a message in words, and its facts by key, which a logger gets as key-values.
pub fn event(level: Level, message: impl fmt::Display, facts: &[(&str, Value<'_>)]) {
    if level > log::max_level() {
        return;
    }
    let record = &mut Record::builder();
    let record = record.level(level).target(TARGET).key_values(&facts);
    log::logger().log(&record.args(format_args!("{message}")).build());
}

/// Says how this process opens its log files again once they were renamed. The first caller is heard: a program has
/// one logger.
pub fn on_reopen(reopen: fn() -> io::Result<()>) {
    let _ = REOPEN.set(reopen);
}

/// Opens the log files again, in this process alone: master and workers each hold descriptors of their own. Without
/// an [`on_reopen`] it does nothing.
///
/// # Errors
/// When the file cannot be opened; the old one is then still written to.
pub fn reopen() -> io::Result<()> {
    REOPEN.get().map_or(Ok(()), |reopen| reopen())
}
