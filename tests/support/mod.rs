//! What every story needs: a running server that cleans up after itself, clients, load, and a view of /proc.
//!
//! ```ignore
//! let server = Launch::http().workers(2).start();
//! let answer = server.client().get("/hello.txt").unwrap();
//! assert_eq!(answer.status, 200);
//! // Dropping it stops it, and checks that nothing is left of it.
//! ```

mod chat;
mod client;
mod family;
mod fault;
mod instance;
mod launch;
mod load;
mod log;
mod process;
mod rights;
mod run;
mod wait;
mod wire;

pub use chat::{Letters, Page, Reader, Talker};
pub use client::{Answer, Client, fetch};
pub use family::{Family, family_with_zombie};
pub use fault::{BOOT_FAILS, BOOT_HANGS, FORK_FAILS, Fault, QUOTA_EXCEEDED};
pub use instance::Instance;
pub use launch::{Launch, as_nobody};
pub use load::Load;
pub use log::{Line, Log};
pub use nix::sys::signal::Signal;
pub use process::{Process, send};
pub use rights::{NOBODY, check_is_nobody, is_root, says};
pub use run::{Finished, forkd, forkd_command, run, run_with_input};
pub use wait::{DEADLINE, beats, eventually};
pub use wire::Wire;
