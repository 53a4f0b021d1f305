//! Experiments that check themselves: each claim of a course on processes and sockets, shown on real ones.
//!
//! An experiment never says what it did. Its processes (*actors*, A, B, C…) act, and a process above them, the
//! *stage*, observes them through the kernel: `/proc`, wait statuses, sock_diag(7), packet capture. A *guard* above
//! the stage ends and reaps whatever is left, however the stage went.
//!
//! # How to write an experiment
//!
//! Two files and one line:
//!
//! - `experiments/NAME.rs`: a function `run(lab: &mut Lab) -> Outcome` of about 100 lines that reads like the story
//!   that it tells. It is printed by `forkd lab show ID`, so it is teaching material.
//! - `texts/NAME.toml`: every word that a reader sees, in English and in Simplified Chinese, see [`texts`].
//! - its row in [`experiments::ALL`], in teaching order.
//!
//! ```ignore
//! pub fn run(lab: &mut Lab) -> Outcome {
//!     let a = lab.subject(|cue| {                          // process A; a learner's program may take its part
//!         if fork()? == Fork::Child { exit_now(7) }        // the raw fork, which returns twice
//!         cue.wait()                                       // A sleeps until the stage lets it go on
//!     })?;
//!     lab.settle(&a);                                      // until A waits for its cue
//!     let b = lab.child_of(a.who, 'B');                    // found in /proc, not told by A
//!     lab.expect("state", "Z", || b.state());              // waits until it is so, and records the check
//!     lab.event("ended", &[]);                             // one line of the timeline
//!     Ok(())
//! }
//! ```
//!
//! Every check and every event is named by a key of the text file; a check also says there which claim it proves.
//! `lab.bug("name")` is true under `--bug=name`: the broken variant, whose named check must fail. What this machine
//! cannot show ends with `Err(lab.skip("reason"))`, by `lab.skip_checks` for a part. Tests hold all of this together:
//! each declared check is made, each declared bug is caught by the check that it names, no text is in one language
//! only, no claim of the course is without a check.

pub mod actor;
pub mod chat;
pub mod errata;
pub mod experiments;
mod guard;
pub mod hands;
pub mod look;
pub mod message;
pub mod network;
pub mod perform;
pub mod reaping;
pub mod scratch;
pub mod sockets;
pub mod texts;
mod trouble;

pub use self::{
    actor::{Actor, Cue},
    hands::Lab,
    trouble::{Outcome, Trouble},
};
pub use crate::inspect::explain::words::Lang;
