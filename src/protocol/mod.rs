//! Bytes to values and back, with no I/O at all.
#![forbid(unsafe_code)]

#[cfg(feature = "chat")]
pub mod chat;
pub mod datagram;
pub mod delimiter;
pub mod framing;
pub mod http;
pub mod json;
pub mod length_prefix;
pub mod notify;
pub mod packed;
#[cfg(feature = "files")]
pub mod transfer;
