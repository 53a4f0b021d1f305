//! Another program in the same process: no parent, no pid file and no client notices.
//!
//! ```text
//!  old program                          trial child                         new program, same pid
//!  open it, fork ─── state ───────────► read it, take the listeners,
//!                                       bring one worker to ready,
//!  hear, reap    ◄── "ready VERSION" ── end
//!  write the state down, execveat(2) ─────────────────────────────────────► claim what crossed,
//!                                                                           new generation, as in a reload
//!  take it back  ◄───────────────────────────── execveat(2) of the old one ─ if that fails
//! ```
//!
//! What crosses is a [`State`] in a memory file and the descriptors that it names; children stay children. Until the
//! new program has taken over, the descriptors lie there as they came, and the old program is a descriptor too: so
//! each failure but a crash of the new program at that very point leads back ([`abandon`]).

mod cross;
mod role;
mod state;
mod trial;

pub use cross::{Old, Programs};
pub use role::{abandon, goes_on};
pub use state::{Arrival, Beginning, Rehearsal, State, arrive, settle};
pub use trial::Trial;

/// The version of [`State`] that this program writes; it reads this one and those before. It rises with every change of
/// that document, and of the rows of the scoreboard, which old workers write on.
pub const VERSION: u32 = 2;
