//! A Range field of a body of some length: what is sent lies within it, and is never more than the whole.
#![no_main]

use forkd::protocol::http::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, &[u8])| fuzzing::byte_range(input.1, input.0));
