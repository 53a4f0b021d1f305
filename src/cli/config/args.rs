//! What can be typed behind `forkd config`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// `forkd config`
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Show every value, and whether a default, a file, a flag or the environment says so
    #[command(after_help = EXAMPLES)]
    Print(Print),
}

/// `forkd config print`
#[derive(Debug, Args)]
pub struct Print {
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
    /// A configuration file, or a serving command with its flags
    #[arg(value_name = "FILE|COMMAND", required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  forkd config print servers.toml         every server of the file
  forkd config print http -w 2 --config web.toml
  forkd config print --json servers.toml | jq";
