//! The messages of the file server and its client.
//!
//! Each message is a frame: its length in four bytes, one byte that says which it is, and its fields, numbers in network
//! byte order. A file's own bytes travel in *runs* of at most [`RUN`] bytes: the frame says which run it is and gives
//! the SHA-256 of each [`BLOCK`] of it, and the bytes follow behind the frame. So each block is known to be right
//! when it arrives, and what was interrupted goes on from there.
//!
//! ```text
//! client                               server
//! Hello(2)                        ->
//!                                 <-   Hello(2)
//! Open(path)                      ->                    fetch a file
//!                                 <-   Entry(kind, size, modified, name)
//! Pull(offset, length) …          ->                    at most WINDOW of them unanswered
//!                                 <-   Run(offset, length, digests) bytes …
//! Put(path, entry)                ->                    send a file
//!                                 <-   Have(bytes)      what is left of an earlier attempt
//! Check(offset, length) …         ->                    is it the same? (also after Open)
//!                                 <-   Digests(…)
//! Run(offset, length, digests) …  ->                    at most WINDOW of them unanswered
//!                                 <-   Have(bytes) …
//! Commit                          ->                    now it gets its name
//!                                 <-   Done
//! List(path)                      ->                    Look(path) asks for one entry,
//!                                 <-   Entries(…) Done  MakeDirectory(path) for a directory
//! anything                        ->
//!                                 <-   Failed(cause, words)
//! ```

mod message;
mod problem;

pub use message::{Entry, Kind, Malformed, Message, Part};
pub use problem::{Cause, Problem};

use super::length_prefix::LengthPrefix;

/// The version that is spoken.
pub const VERSION: u16 = 2;

/// How many bytes have one digest.
pub const BLOCK: usize = 16 * 1024;

/// How many bytes travel behind one frame, at most. Sixteen blocks are hashed side by side, and so few bytes are still
/// in a core's own cache when they are hashed, and again when they are written.
pub const RUN: usize = 16 * BLOCK;

/// How many runs may be under way without an answer.
pub const WINDOW: usize = 32;

/// How the frames stand in the stream; a run's bytes are not part of them.
pub const FRAMES: LengthPrefix = LengthPrefix::four_bytes(64 * 1024);

/// A SHA-256.
pub type Digest = [u8; 32];

/// The runs of which a file's bytes consist, from the one that holds `from` on.
pub fn runs(from: u64, size: u64) -> impl Iterator<Item = Part> {
    let run = RUN as u64;
    let first = from - from % run;
    let count = size.saturating_sub(first).div_ceil(run);
    (0..count).map(move |number| {
        let offset = first + number * run;
        // It is at most a run.
        Part { offset, length: (size - offset).min(run) as usize }
    })
}
