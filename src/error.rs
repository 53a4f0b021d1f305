//! One error type for everything that is told to a user.
//!
//! The text is lower case and says `cannot <do> <what>: <cause> (<remedy>)`; the kind says whose move it is, and is
//! the exit code of the command line.

use std::{fmt, io};

/// A result with forkd's own [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, for whom, and what to do about it.
///
/// ```
/// let error = forkd::Error::usage("cannot read address \"here\": no port").remedy("write 127.0.0.1:8080");
/// assert_eq!(error.to_string(), "cannot read address \"here\": no port (write 127.0.0.1:8080)");
/// assert_eq!(error.exit_code(), 2);
/// ```
pub struct Error {
    kind: Kind,
    text: String,
    remedy: Option<String>,
    source: Option<io::Error>,
}

/// Whose move it is after an [`Error`]; see [`Error::exit_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The machine, or a child, refused what was asked: exit code 1.
    Failed,
    /// What the user wrote cannot be meant: exit code 2.
    Usage,
    /// The server that was asked for does not run: exit code 3.
    NotRunning,
}

impl Error {
    /// An error of what the machine refused.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, text: text.into(), remedy: None, source: None }
    }

    /// An error of what the user wrote.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, ..Self::failed(text) }
    }

    /// An error of asking for a server that does not run.
    pub fn not_running(text: impl Into<String>) -> Self {
        Self { kind: Kind::NotRunning, ..Self::failed(text) }
    }

    /// An error of the system: `cannot <act>: <cause>`.
    ///
    /// ```
    /// let cause = std::io::Error::from_raw_os_error(13);
    /// assert!(forkd::Error::system("open /etc/shadow", cause).to_string().starts_with("cannot open /etc/shadow: perm"));
    /// ```
    pub fn system(act: impl fmt::Display, cause: impl Into<io::Error>) -> Self {
        let cause = cause.into();
        Self { source: Some(cause), ..Self::failed(format!("cannot {act}")) }
    }

    /// The same error with what the user can do about it.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The same error seen as something the user wrote.
    #[must_use]
    pub fn as_usage(mut self) -> Self {
        self.kind = Kind::Usage;
        self
    }

    /// Whose move it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code of the command line: 1 failed, 2 usage, 3 not running.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::NotRunning => 3,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if let Some(cause) = &self.source {
            // The number in parentheses that the standard library appends says nothing that the words do not.
            let cause = cause.to_string();
            let words = cause.split(" (os error").next().unwrap_or_default();
            let first = words.chars().next().into_iter().flat_map(char::to_lowercase);
            write!(f, ": {}{}", first.collect::<String>(), words.chars().skip(1).collect::<String>())?;
        }
        match &self.remedy {
            Some(remedy) => write!(f, " ({remedy})"),
            None => Ok(()),
        }
    }
}

/// The same words: a `main` that returns a [`Result`] prints an error this way.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|cause| cause as _)
    }
}
