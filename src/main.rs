//! The command-line program: see `forkd --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    forkd::cli::main()
}
