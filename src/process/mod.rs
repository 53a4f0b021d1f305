//! Being, making and watching processes.
//!
//! A process is made by [`spawn::fork`] alone, which takes what the child does as a closure; it says how it ended as
//! an [`exit::ExitStatus`], read by [`wait::reap`]; signals reach it as data, by [`signal::Signals`] in the master and
//! by [`signal::StopFlag`] in a child.

pub mod clock;
pub mod daemon;
pub mod death;
pub mod exit;
pub mod fds;
pub mod image;
pub mod lifeline;
pub mod limits;
pub mod origin;
#[cfg(feature = "control")]
pub mod pid;
pub mod pidfile;
pub mod privilege;
pub mod program;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod signal;
pub mod spawn;
pub mod usage;
pub mod wait;

pub use nix::unistd::Pid;

pub use crate::sys::{memory, title};

/// What the system says of an error, without the number in parentheses that the standard library appends.
pub(crate) fn words(cause: &std::io::Error) -> String {
    cause.to_string().split(" (os error").next().unwrap_or_default().to_owned()
}
