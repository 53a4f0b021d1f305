//! Standard output and standard error of the command line. A reader that went away (`forkd list | head -1`) is no
//! error, and never a panic.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::{Error, Result};

/// Writes text to standard output and lets it through at once.
///
/// # Errors
/// When it cannot be written for another reason than a reader that went away.
pub fn print(text: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::system("write to standard output", cause))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes a part of an output without end; `false` once nobody reads it any more.
///
/// # Errors
/// As [`print`].
pub fn stream(text: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(Error::system("write to standard output", cause)),
        Ok(()) => Ok(true),
    }
}

/// Writes one line to standard output, see [`print`].
///
/// # Errors
/// As [`print`].
pub fn line(text: &str) -> Result<()> {
    print(format!("{text}\n").as_bytes())
}

/// Writes one JSON document to standard output.
///
/// # Errors
/// As [`print`].
pub fn document(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|cause| Error::failed(format!("cannot write a JSON document: {cause}")))?;
    line(&text)
}

/// Writes one line of ours to standard error; there is nobody to tell if that fails.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "forkd: {text}");
}

/// Whether standard output may have colour: a terminal, and nobody said NO_COLOR (<https://no-color.org>).
pub fn coloured() -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stdout().is_terminal()
}

/// Writes a page to standard error.
pub fn explain(page: &str) {
    let _ = io::stderr().write_all(page.as_bytes());
}
