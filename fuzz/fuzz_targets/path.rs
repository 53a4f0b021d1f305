//! The path of a URL: names that stay below the top, and one URL for them.
#![no_main]

use forkd::protocol::http::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| fuzzing::path(text));
