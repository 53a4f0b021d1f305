//! The command-line program: see `forkd --help`.

use std::process::ExitCode;

/// A process that serves one connection has memory of its own from the start; all others have the system's.
#[global_allocator]
static ALLOCATOR: forkd::cli::Allocator = forkd::cli::Allocator;

fn main() -> ExitCode {
    forkd::cli::main()
}
