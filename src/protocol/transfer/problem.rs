//! Why a file could not be sent, in a byte that both sides know and in words.

use std::{error, fmt};

/// A refusal, or a failure on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which one.
    pub cause: Cause,
    /// What it was about, in words; empty when the cause says it all.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind, with these words about it.
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self { cause, detail: detail.into() }
    }
}

impl From<Cause> for Problem {
    fn from(cause: Cause) -> Self {
        Self::new(cause, "")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause.words())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

impl error::Error for Problem {}

macro_rules! causes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        /// What kind of problem it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Cause { $($(#[$doc])* $name,)* }

        impl Cause {
            /// Every cause.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its byte.
            pub fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means.
            pub fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

causes! {
    /// Nothing has that name.
    NotFound = 1, "there is no such file";
    /// It may not be read or written.
    Forbidden = 2, "permission denied";
    /// The path leads out of the directory, or cannot be a name.
    BadName = 3, "the name is not allowed";
    /// A file was meant.
    IsDirectory = 4, "it is a directory";
    /// A directory was meant.
    NotDirectory = 5, "it is not a directory";
    /// The file system is full.
    DiskFull = 6, "the disk is full";
    /// The user's share of it is used up.
    Quota = 7, "the quota is used up";
    /// The file is longer than allowed.
    TooLarge = 8, "the file is too large";
    /// Nothing may be written.
    ReadOnly = 9, "nothing can be written there";
    /// The file was changed while it was sent.
    Changed = 10, "the file was changed meanwhile";
    /// The bytes are not those that were sent.
    Corrupt = 11, "bytes were damaged on the way";
    /// The worker is being replaced.
    Draining = 12, "the server is restarting";
    /// The message makes no sense.
    Malformed = 13, "the message is not understood";
    /// Descriptors or memory have run out, or others are at it.
    Busy = 14, "the server is too busy";
    /// The machine failed.
    Broken = 15, "the server failed";
    /// No file system here takes it.
    NameTooLong = 16, "the name is too long";
}

impl Cause {
    /// The cause with this byte; one of a later version is [`Cause::Broken`].
    pub fn from_code(code: u8) -> Self {
        Self::ALL.iter().copied().find(|cause| cause.code() == code).unwrap_or(Self::Broken)
    }
}
