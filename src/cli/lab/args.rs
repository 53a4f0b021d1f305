//! What can be typed behind `forkd lab`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use crate::cli::inspect::args::Language;

/// `forkd lab`
#[derive(Debug, Args)]
pub struct Lab {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with experiments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the experiments in teaching order
    List(List),
    /// Run an experiment: story, live view, checks, explanation
    Run(Run),
    /// Check a program of your own in the same way
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Explain what an experiment shows, with man pages and RFCs
    Explain(Explain),
    /// Print the code of an experiment
    Show(Show),
}

/// How texts and results are given.
#[derive(Debug, Args)]
pub struct List {
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
    /// The language of all texts [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANG")]
    pub lang: Option<Language>,
}

/// `forkd lab run`
#[derive(Debug, Args)]
pub struct Run {
    /// The experiment, see forkd lab list
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub id: Option<String>,
    /// Run all of them
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub view: List,
    /// Wait for Enter before each event
    #[arg(long, conflicts_with_all = ["json", "all"])]
    pub step: bool,
    /// What chance is made of: the same number, the same run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Run a broken variant, whose check must fail
    #[arg(long, value_name = "NAME", conflicts_with = "all")]
    pub bug: Option<String>,
}

/// `forkd lab check`
#[derive(Debug, Args)]
pub struct Check {
    /// The experiment, see forkd lab list
    #[arg(value_name = "ID")]
    pub id: String,
    /// Also print a hint: 1 is a nudge, 3 is nearly the solution
    #[arg(long, value_name = "STEP", value_parser = clap::value_parser!(u8).range(1..=3))]
    pub hint: Option<u8>,
    #[command(flatten)]
    pub view: List,
    /// What chance is made of
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The program and its arguments; {port} becomes a free port, which $PORT has too
    #[arg(value_name = "CMD", last = true)]
    pub program: Vec<OsString>,
}

/// `forkd lab explain`
#[derive(Debug, Args)]
pub struct Explain {
    /// The experiment, see forkd lab list
    #[arg(value_name = "ID")]
    pub id: String,
    /// The language [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANG")]
    pub lang: Option<Language>,
}

/// `forkd lab show`
#[derive(Debug, Args)]
pub struct Show {
    /// The experiment, see forkd lab list
    #[arg(value_name = "ID")]
    pub id: String,
}

pub const EXAMPLES: &str = "\
Examples:
  forkd lab list                          the experiments in teaching order
  forkd lab run zombie                    what is left of a process that nobody collected
  forkd lab run zombie --step --lang zh   event by event, in Chinese
  forkd lab check zombie -- python3 mine.py
  forkd lab run --all --json              every check of the course, for a script";

const CHECK_EXAMPLES: &str = "\
Without a program it says what the program must do.

Examples:
  forkd lab check zombie                  the task
  forkd lab check zombie -- python3 mine.py
  forkd lab check zombie --hint 2 -- ./mine";
