//! The load generator of `scripts/bench`: one thread, one epoll set, a closed loop over a fixed number of connections.
//!
//! Every answer is checked (status 200, the length of the body; of an echo, its bytes), every request that gets none is counted by what
//! became of it, and the run is bounded in time. It prints one line of JSON.
//!
//! ```text
//! cargo bench --bench load -- to=127.0.0.1:8080 path=/ connections=64 seconds=2 body=13
//! cargo bench --bench load -- to=127.0.0.1:8080 mode=one-shot wait=spin
//! cargo bench --bench load -- to=127.0.0.1:8080 depth=16
//! cargo bench --bench load -- to=127.0.0.1:7007 mode=echo-udp body=64
//! cargo bench --bench load                          (no plan: the generator is put to the test itself)
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that measures says what it found")]

mod answer;
mod client;
mod plan;
mod run;
mod selfcheck;
mod tally;

use std::process::ExitCode;

use plan::Plan;

fn main() -> ExitCode {
    // Cargo itself passes `--bench`; a plan has no dashes.
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let outcome = if words.is_empty() { selfcheck::all() } else { measure(&words) };
    match outcome {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(text) => {
            eprintln!("load: {text}");
            ExitCode::FAILURE
        }
    }
}

fn measure(words: &[String]) -> Result<String, String> {
    let plan = Plan::read(words)?;
    let tally = run::run(&plan).map_err(|cause| format!("cannot load {}: {cause}", plan.to))?;
    Ok(tally.json())
}
