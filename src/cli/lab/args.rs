//! What can be typed behind `forkd lab`.

use std::{ffi::OsString, path::PathBuf};

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
    /// Run an experiment into an asciinema recording
    Record(Record),
    /// Check the programs of a whole class
    #[command(after_help = GRADE_EXAMPLES)]
    Grade(Grade),
    /// Print what the course notes have wrong, as a page
    Errata(List),
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

/// `forkd lab record`
#[derive(Debug, Args)]
pub struct Record {
    #[command(flatten)]
    pub run: Run,
    /// Where to write it [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// `forkd lab grade`
#[derive(Debug, Args)]
pub struct Grade {
    /// A directory with one directory for each learner, with programs named after experiments: zombie.py, daemon.c
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Print comma-separated values instead of a table
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    #[command(flatten)]
    pub view: List,
}

pub const EXAMPLES: &str = "\
Examples:
  forkd lab list                          the experiments in teaching order
  forkd lab run zombie                    what is left of a process that nobody collected
  forkd lab run zombie --step --lang zh   event by event, in Chinese
  forkd lab check zombie -- python3 mine.py
  forkd lab run --all --json              every check of the course, for a script
  forkd lab record zombie -o zombie.cast  a recording for asciinema
  forkd lab grade homework --csv          points for a class";

const CHECK_EXAMPLES: &str = "\
Without a program it says what the program must do.

Examples:
  forkd lab check zombie                  the task
  forkd lab check zombie -- python3 mine.py
  forkd lab check zombie --hint 2 -- ./mine";

const GRADE_EXAMPLES: &str = "\
One point for each claim whose checks all hold. Programs end in .py, .sh, .c or .rs, or can be run as they are.

Examples:
  forkd lab grade homework
  forkd lab grade homework --csv > points.csv";
