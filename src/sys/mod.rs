//! The few kernel calls that `nix` lacks, made safe. This is the only unsafe code of the crate.
//!
//! Each function here is safe to call from any single-threaded process; each `unsafe` block says why it is sound.
#![allow(unsafe_code)]
