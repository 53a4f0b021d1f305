//! Any program, in any language, as a child: what it is called with, and how it is started.
//!
//! ```ignore
//! let program = Program::new("./server").arg("--fast");
//! let image = Image::new(&program, None)?;          // finds the file; nothing has been started
//! let pid = image.start(&Birth { .. })?;
//! ```

mod error;
mod find;
mod image;
pub mod output;

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

pub use self::{
    error::ProgramError,
    find::find,
    image::{Birth, Image},
};

/// A program to run as a worker: a file, its arguments, and the surroundings that it begins in.
///
/// It gets the server's listening sockets from descriptor 3 on, as sd_listen_fds(3) describes it: `LISTEN_FDS`,
/// `LISTEN_PID`, `LISTEN_FDNAMES`; `NOTIFY_SOCKET` to say that it is ready (sd_notify(3)); `FORKD_SLOT`,
/// `FORKD_GENERATION` and `FORKD_NAME`. TERM means: finish what you have, then end.
///
/// ```
/// use forkd::{Program, Readiness};
///
/// let program = Program::new("./server").arg("--fast").env("MODE", "production").ready(Readiness::Notify);
/// assert_eq!(program.to_string(), "./server --fast");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    file: OsString,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    readiness: Readiness,
}

/// When a program counts as ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Readiness {
    /// As soon as it runs: all that can be known of a program that says nothing. Its clients wait in the queue until it
    /// accepts; but a reload cannot know whether it ever will.
    #[default]
    Exec,
    /// When it sends `READY=1` to `$NOTIFY_SOCKET`; sd_notify(3).
    Notify,
}

impl Program {
    /// A program by its path, or by a name that is looked up in `PATH`.
    pub fn new(file: impl AsRef<OsStr>) -> Self {
        Self {
            file: file.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            readiness: Readiness::default(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// A variable beside those of this process, or in place of one of them.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The directory that it begins in, if not this process's.
    #[must_use]
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// When it counts as ready; without this as soon as it runs.
    #[must_use]
    pub fn ready(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
        self
    }

    /// When it counts as ready.
    pub fn readiness(&self) -> Readiness {
        self.readiness
    }

    /// The sandbox with what this program needs to start, and its directory.
    #[cfg(feature = "sandbox")]
    pub fn in_sandbox(&self, sandbox: super::sandbox::Sandbox) -> super::sandbox::Sandbox {
        let file = find(&self.file, None).unwrap_or_else(|_| PathBuf::from(&self.file));
        sandbox.for_program(&file, self.directory.as_deref())
    }

    /// Looks whether it could be run at this moment, by a process that has this directory as its root.
    ///
    /// # Errors
    /// When the file is not found or cannot be executed, or its directory is none.
    pub fn check(&self, root: Option<&Path>) -> Result<(), ProgramError> {
        image::look(self, root).map(drop)
    }
}

impl std::fmt::Display for Program {
    /// As one would type it; not for a shell to read.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = std::iter::once(&self.file).chain(&self.arguments);
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        f.write_str(&words.join(" "))
    }
}
