//! The few kernel calls that `nix` lacks, made safe. This is the only unsafe code of the crate.
//!
//! Each function here is safe to call from any single-threaded process; each `unsafe` block says why it is sound.
#![allow(unsafe_code)]

pub mod accept;
pub mod datagrams;
pub mod descent;
pub mod fork;
pub mod inherited;
pub mod luggage;
pub mod memory;
pub mod nursery;
pub mod pidfd;
pub mod probe;
#[cfg(feature = "chat")]
pub mod random;
#[cfg(feature = "tokio")]
pub mod readable;
#[cfg(feature = "chat")]
pub mod record_lock;
#[cfg(feature = "files")]
pub mod sha256;
pub mod siginfo;
pub mod signal;
pub mod socket;
pub mod threads;
pub mod timer;
pub mod title;
pub mod vfork;
pub mod wait;

use std::io;

/// The result of a system call that answers -1 on failure, as a result with `errno`.
fn check(returned: libc::c_int) -> io::Result<libc::c_int> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}
