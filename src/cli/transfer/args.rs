//! What can be typed behind `forkd ls` and `forkd cp`.

use clap::Args;

use super::url::{End, Url};

/// `forkd ls`
#[derive(Debug, Args)]
pub struct Ls {
    /// tcp://127.0.0.1:7008/path
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<Url>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `forkd cp`
#[derive(Debug, Args)]
pub struct Cp {
    /// What to copy, and to where: tcp://127.0.0.1:7008/path on one side, a path of this machine on the other
    #[arg(value_name = "URL|PATH", required = true, num_args = 2..)]
    pub ends: Vec<End>,
    /// Copy directories with all that is in them; files that are there with the same length and time are left out
    #[arg(short, long)]
    pub recursive: bool,
}

pub const LS_EXAMPLES: &str = "\
Examples:
  forkd ls tcp://127.0.0.1:7008/          all of it
  forkd ls tcp://:7008/books --json | jq";

pub const CP_EXAMPLES: &str = "\
What was interrupted goes on where it was cut: give the same command again.

Examples:
  forkd cp tcp://127.0.0.1:7008/big.iso .
  forkd cp *.txt tcp://127.0.0.1:7008/notes/
  forkd cp -r tcp://127.0.0.1:7008/books ~/books";
