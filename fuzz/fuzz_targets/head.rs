//! The head of a request, at once and byte by byte: one meaning, and what is refused stays refused.
#![no_main]

use forkd::protocol::http::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| fuzzing::head(bytes));
