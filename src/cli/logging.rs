//! The command line's logger: one line per record, by one write(2), on standard error or at the end of a file.
//!
//! Nothing that goes wrong here may disturb a server: a full disk or a reader that is gone costs lines, no more. The
//! first lost line is told on standard error, once.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use nix::unistd::geteuid;

use super::log_line;
use crate::{Error, Result, config::Settings};

/// Where lines go: each process of a server has its own copy after the fork.
static SINK: Mutex<Sink> = Mutex::new(Sink::StandardError);

/// Whether the last line could not be written.
static LOSING: AtomicBool = AtomicBool::new(false);

/// Where lines go.
enum Sink {
    StandardError,
    /// A file whose name is not known yet.
    Waiting(Vec<u8>),
    File {
        path: PathBuf,
        file: File,
    },
}

/// Installs the logger for this process and those that it forks. A daemon's lines wait for [`open`] where nobody
/// named a file: its name may be made of a port that the kernel has still to pick.
///
/// # Errors
/// When the file cannot be opened.
pub fn install(settings: &Settings) -> Result<()> {
    match &settings.log.file {
        Some(path) => open(path)?,
        None if settings.daemon => *sink() = Sink::Waiting(Vec::new()),
        None => {}
    }
    let format = settings.log.format;
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
    let mut file = append(path).map_err(|cause| {
        Error::system(format!("open log file {}", path.display()), cause)
            .remedy("name another with --log-file")
    })?;
    let mut sink = sink();
    if let Sink::Waiting(lines) = &*sink {
        note(file.write(lines));
    }
    *sink = Sink::File { path: path.to_path_buf(), file };
    crate::logging::on_reopen(reopen);
    Ok(())
}

/// Opens the file at the log's path, which may be a new one by now, and writes there from the next line on. No line
/// is lost: until the new file is open the old one is written to.
fn reopen() -> io::Result<()> {
    if let Sink::File { path, file } = &mut *sink() {
        *file = append(path)?;
    }
    Ok(())
}

/// Opens a log file for appending. A FIFO without a reader is an error, not a wait; a privileged process follows no
/// link that somebody put where its log should be.
fn append(path: &Path) -> io::Result<File> {
    let mut flags = libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
    if geteuid().is_root() {
        flags |= libc::O_NOFOLLOW;
    }
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags).open(path)
}

/// Where lines go; a panic while it was held changes nothing about it.
fn sink() -> MutexGuard<'static, Sink> {
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What env_logger writes its finished lines to.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &mut *sink() {
            Sink::StandardError => note(io::stderr().write(line)),
            Sink::Waiting(lines) => lines.extend_from_slice(line),
            Sink::File { file, .. } => note(file.write(line)),
        }
        // A line that was cut is not continued: what follows would stand in the middle of another process's line.
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells the first of a series of lost lines on standard error.
fn note(written: io::Result<usize>) {
    match written {
        Ok(_) => LOSING.store(false, Ordering::Relaxed),
        Err(cause) => {
            if !LOSING.swap(true, Ordering::Relaxed) {
                super::out::complain(&Error::system("write the log", cause).to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt};

    use super::*;

    #[test]
    fn a_log_file_is_appended_to_and_not_for_everybody() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("log");
        for line in ["one\n", "two\n"] {
            append(&path).expect("opened").write_all(line.as_bytes()).expect("written");
        }
        assert_eq!(fs::read_to_string(&path).expect("read"), "one\ntwo\n");
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o007, 0);
    }

    #[test]
    fn a_fifo_without_a_reader_does_not_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR)
            .expect("made");
        assert_eq!(append(&path).unwrap_err().raw_os_error(), Some(libc::ENXIO));
    }
}
