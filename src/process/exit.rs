//! How a process ended, in the two forms that people read.
//!
//! ```ignore
//! let status = ExitStatus::from_raw(768);
//! assert_eq!(status.to_string(), "exit:3");
//! assert_eq!(status.words(), "exited with code 3");
//! ```

use std::fmt;

use super::signal;

/// What the status that wait(2) gives for a child means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It ended by itself, with this code of 0 to 255.
    Exited(i32),
    /// A signal ended it.
    Signaled {
        /// The number of the signal.
        signal: i32,
        /// Whether it left a core dump.
        core: bool,
    },
    /// This signal stopped it; it goes on at SIGCONT.
    Stopped(i32),
    /// It was stopped and goes on.
    Continued,
}

impl ExitStatus {
    /// Decodes the number that wait(2) fills in: any number means something.
    pub const fn from_raw(status: i32) -> Self {
        if libc::WIFEXITED(status) {
            Self::Exited(libc::WEXITSTATUS(status))
        } else if libc::WIFCONTINUED(status) {
            Self::Continued
        } else if libc::WIFSTOPPED(status) {
            Self::Stopped(libc::WSTOPSIG(status))
        } else {
            Self::Signaled { signal: libc::WTERMSIG(status), core: libc::WCOREDUMP(status) }
        }
    }

    /// The status in a sentence about the process: `was killed by signal 11 (SEGV), core dumped`.
    pub fn words(self) -> String {
        match self {
            Self::Exited(code) => format!("exited with code {code}"),
            Self::Signaled { signal, core: false } => format!("was killed by signal {}", named(signal)),
            Self::Signaled { signal, core: true } => {
                format!("was killed by signal {}, core dumped", named(signal))
            }
            Self::Stopped(signal) => format!("was stopped by signal {}", named(signal)),
            Self::Continued => "was continued".into(),
        }
    }
}

impl fmt::Display for ExitStatus {
    /// The short form of the log: `exit:3`, `signal:SEGV`, `signal:RT35`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, signal) = match *self {
            Self::Exited(code) => return write!(f, "exit:{code}"),
            Self::Continued => return f.write_str("continued"),
            Self::Signaled { signal, core: _ } => ("signal", signal),
            Self::Stopped(signal) => ("stopped", signal),
        };
        match signal::name(signal) {
            Some(name) => write!(f, "{kind}:{name}"),
            None => write!(f, "{kind}:{signal}"),
        }
    }
}

/// `11 (SEGV)`.
fn named(signal: i32) -> String {
    match signal::name(signal) {
        Some(name) => format!("{signal} ({name})"),
        None => signal.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_read_as_the_kernel_writes_them() {
        for (raw, short, words) in [
            (0, "exit:0", "exited with code 0"),
            (768, "exit:3", "exited with code 3"),
            (0xff00, "exit:255", "exited with code 255"),
            (9, "signal:KILL", "was killed by signal 9 (KILL)"),
            (0x8b, "signal:SEGV", "was killed by signal 11 (SEGV), core dumped"),
            (35, "signal:RT35", "was killed by signal 35 (RT35)"),
            (64, "signal:RT64", "was killed by signal 64 (RT64)"),
            (99, "signal:99", "was killed by signal 99"),
            (0x137f, "stopped:STOP", "was stopped by signal 19 (STOP)"),
            (0xffff, "continued", "was continued"),
        ] {
            let status = ExitStatus::from_raw(raw);
            assert_eq!((status.to_string().as_str(), status.words().as_str()), (short, words), "{raw:#x}");
        }
    }

    #[test]
    fn a_core_dump_is_told_from_none() {
        assert_eq!(ExitStatus::from_raw(0x86), ExitStatus::Signaled { signal: 6, core: true });
        assert_eq!(ExitStatus::from_raw(6), ExitStatus::Signaled { signal: 6, core: false });
    }

    #[test]
    fn every_number_has_a_meaning() {
        for raw in -0x1_0000..=0x2_0000 {
            assert!(!ExitStatus::from_raw(raw).words().is_empty());
        }
    }
}
