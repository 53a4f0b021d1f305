//! Why a program cannot be run, and what to do about it.

use std::{error, fmt, io};

use super::super::words;

/// Why a program cannot be run.
#[derive(Debug)]
pub struct ProgramError {
    /// What was asked for, as it was written.
    pub program: String,
    /// What stood in the way.
    pub cause: io::Error,
}

impl ProgramError {
    pub(super) fn new(program: impl Into<String>, cause: impl Into<io::Error>) -> Self {
        Self { program: program.into(), cause: cause.into() }
    }

    /// What to do about it.
    fn remedy(&self) -> &'static str {
        match self.cause.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) if self.program.contains('/') => {
                "check the path, and the interpreter that its first line names"
            }
            Some(libc::ENOENT) => "it is not in PATH: write a path, as in ./server",
            Some(libc::EACCES) => "make it executable: chmod +x",
            Some(libc::EISDIR) => "name a file, not a directory",
            Some(libc::ENOEXEC) => "begin a script with #! and its interpreter",
            Some(libc::E2BIG) => "give it fewer arguments, or a smaller environment",
            Some(libc::EAGAIN | libc::ENOMEM) => "raise the limit on processes, or free memory",
            Some(libc::EMFILE | libc::ENFILE) => "raise the limit on descriptors",
            Some(_) | None => "run it by hand to see why",
        }
    }
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cause = words(&self.cause);
        let first = cause.chars().next().into_iter().flat_map(char::to_lowercase).collect::<String>();
        let rest: String = cause.chars().skip(1).collect();
        write!(f, "cannot run {}: {first}{rest} ({})", self.program, self.remedy())
    }
}

impl error::Error for ProgramError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.cause)
    }
}
