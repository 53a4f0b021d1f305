//! Bytes to values and back, with no I/O at all.
#![forbid(unsafe_code)]

pub mod http;
