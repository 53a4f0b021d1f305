//! The settings that are one of a few words.

use std::{fmt, str::FromStr};

use crate::{
    error::{Error, Result},
    process::program::Readiness,
};

/// How a worker serves its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Many connections at once in one process, by epoll(7).
    Event,
    /// One connection after the other.
    Blocking,
    /// A fork for each connection.
    PerConnection,
}

/// What a worker that forks for each connection does about its dead children, which would stay zombies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reap {
    /// Waits for them when SIGCHLD says so, until none is left; it alone learns their exit status.
    Wait,
    /// Ignores SIGCHLD, so that the kernel keeps no dead child.
    Ignore,
    /// Forks twice: the grandchild serves and is adopted by another process, which reaps it.
    DoubleFork,
}

/// How clients are dealt out among the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// One queue, from which each takes.
    Shared,
    /// A queue for each slot, by `SO_REUSEPORT`; the master holds all of them.
    Reuseport,
}

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `2026-11-20T12:00:00.123Z INFO  worker ready event=ready slot=1`
    Text,
    /// One JSON object per line, with the same keys.
    Json,
}

/// An enum whose values a user writes as words.
macro_rules! words {
    ($type:ident, $what:literal, $($word:literal => $value:ident),+) => {
        impl $type {
            /// The words for it, in the order of the help.
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            /// The word for it.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($word => Ok(Self::$value),)+
                    _ => Err(Error::usage(format!("cannot read {text:?} as a {}: no such word", $what))
                        .remedy(format!("write one of {}", Self::WORDS.join(", ")))),
                }
            }
        }
    };
}

words!(Model, "worker model", "event" => Event, "blocking" => Blocking, "per-connection" => PerConnection);
words!(Balance, "balance", "shared" => Shared, "reuseport" => Reuseport);
words!(Reap, "zombie remedy", "wait" => Wait, "ignore" => Ignore, "double-fork" => DoubleFork);
words!(Readiness, "readiness", "exec" => Exec, "notify" => Notify);
words!(LogFormat, "log format", "text" => Text, "json" => Json);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_as_the_values_they_stand_for() {
        for word in Model::WORDS {
            assert_eq!(word.parse::<Model>().expect("a model").word(), *word);
        }
        for word in Reap::WORDS {
            assert_eq!(word.parse::<Reap>().expect("a remedy").word(), *word);
        }
        let error = "evnt".parse::<Model>().unwrap_err().to_string();
        assert!(error.ends_with("(write one of event, blocking, per-connection)"), "{error}");
    }
}
