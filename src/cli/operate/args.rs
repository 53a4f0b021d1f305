//! What can be typed behind the commands that look at running servers and order them about.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{Result, cli::scale::Amount, config::parse};

/// Where servers are looked for, and how the answer is printed.
#[derive(Debug, Args)]
pub struct Place {
    /// Look for servers in this directory [default: as the serving commands]
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
}

/// Which server is meant.
#[derive(Debug, Args)]
pub struct Target {
    /// The server: its name, its master's pid, or :PORT [default: the only one that runs here]
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub place: Place,
}

/// `forkd stop`
#[derive(Debug, Args)]
pub struct Stop {
    #[command(flatten)]
    pub target: Target,
    /// Let nothing finish: end all workers at once
    #[arg(long)]
    pub now: bool,
}

/// `forkd reload`
#[derive(Debug, Args)]
pub struct Reload {
    #[command(flatten)]
    pub target: Target,
    /// How long the new workers may take to be ready [default: the boot limit for each]
    #[arg(long, value_name = "T", value_parser = parse::duration)]
    pub timeout: Option<Duration>,
}

/// `forkd upgrade`
#[derive(Debug, Args)]
pub struct Upgrade {
    #[command(flatten)]
    pub target: Target,
    /// The new binary [default: the path that the server was started by, read anew]
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// How long it may take until the new workers are ready [default: the boot limit for each]
    #[arg(long, value_name = "T", value_parser = parse::duration)]
    pub timeout: Option<Duration>,
}

/// `forkd scale`
#[derive(Debug, Args)]
pub struct Scale {
    /// The server, if not the only one, and then how many workers: N, or +N more, or -N fewer
    #[arg(value_name = "NAME|N", num_args = 1..=2, allow_negative_numbers = true)]
    pub words: Vec<String>,
    #[command(flatten)]
    pub place: Place,
}

impl Scale {
    /// The server that is meant, and what the last word says.
    pub fn split(&self) -> Result<(Option<&str>, Amount)> {
        match self.words.as_slice() {
            [name, amount] => Ok((Some(name), amount.parse()?)),
            [amount] => Ok((None, amount.parse()?)),
            [] | [_, _, _, ..] => Err(Amount::missing()),
        }
    }
}

pub const STATUS_EXAMPLES: &str = "\
Exit codes: 0 running, 3 not running, 4 degraded (a worker missing, a slot given up, a zombie)

Examples:
  forkd status                            the only server that runs here
  forkd status :8080                      the one on port 8080
  forkd status web --json | jq .workers";

pub const UPGRADE_EXAMPLES: &str = "\
The new binary is tried beside the running server first: with the same command line and the real listeners it brings
a worker to ready. Only then does the master become it, in the same process, and exchange the workers one by one.
If anything fails, the old binary and its workers serve on.

Examples:
  forkd upgrade                           after a package was installed over the running binary
  forkd upgrade web --binary ./forkd-new  another one
  kill -USR2 PID                          the same as the first";

pub const SCALE_EXAMPLES: &str = "\
Examples:
  forkd scale 8                           eight workers
  forkd scale web +1                      one more
  forkd scale web -1                      one fewer, which drains first";
