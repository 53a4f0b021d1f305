//! A chunked body, at once and in pieces: the same data, within the limit.
#![no_main]

use forkd::protocol::http::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::chunked(bytes));
