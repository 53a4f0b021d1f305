//! What can be typed behind the commands that look at processes.

use clap::{Args, ValueEnum};

use crate::cli::operate::args::Place;

/// `forkd tree`
#[derive(Debug, Args)]
pub struct Tree {
    /// Only these: a pid, a server's name, :PORT (who listens there) or a process's name [default: all]
    #[arg(value_name = "PID|NAME|:PORT|COMM")]
    pub target: Option<String>,
    #[command(flatten)]
    pub place: Place,
    /// Show it anew all the time; what has ended stays for some seconds
    #[arg(long, conflicts_with = "json")]
    pub watch: bool,
    /// Only zombies and whose duty they are; exit code 4 when there is one
    #[arg(long)]
    pub zombies: bool,
    /// Also the line of parents above
    #[arg(long)]
    pub parents: bool,
    /// Each process on a line of its own, and the threads of the kernel
    #[arg(short, long)]
    pub all: bool,
    /// Draw lines with characters that every terminal has
    #[arg(long)]
    pub ascii: bool,
}

/// `forkd why`
#[derive(Debug, Args)]
pub struct Why {
    /// The process
    #[arg(value_name = "PID", allow_negative_numbers = true)]
    pub pid: String,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
    /// The language of the explanation [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANG")]
    pub lang: Option<Language>,
}

/// The languages that explanations are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// English
    En,
    /// Simplified Chinese
    Zh,
}

/// `forkd decode`
#[derive(Debug, Args)]
pub struct Decode {
    /// What wait(2) gave, as a decimal number or as 0x and a hexadecimal one
    #[arg(value_name = "STATUS", allow_negative_numbers = true, required_unless_present = "structure")]
    pub status: Option<String>,
    /// Take the words for the bytes of a C structure, in a format of Python's struct module
    #[arg(long = "struct", id = "structure", value_name = "FORMAT")]
    pub structure: Option<String>,
    /// With --struct, the other way round: take the words for values, and print the bytes
    #[arg(long, requires = "structure")]
    pub pack: bool,
    /// With --struct, further words
    #[arg(value_name = "WORD", allow_negative_numbers = true, requires = "structure")]
    pub words: Vec<String>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `forkd doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
    /// The language of the findings [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, value_name = "LANG")]
    pub lang: Option<Language>,
    /// Print a service and a socket unit for systemd, instead
    #[arg(long, conflicts_with = "json")]
    pub systemd: bool,
}

pub const TREE_EXAMPLES: &str = "\
Exit codes: 0 done, 3 no such process, with --zombies 4 when there is one

Examples:
  forkd tree                              all processes
  forkd tree :8080                        who listens on port 8080, and their children
  forkd tree nginx --watch                all of that name, as they come and go
  forkd tree --zombies                    the dead that nobody collects, and whose duty they are";

pub const WHY_EXAMPLES: &str = "\
Examples:
  forkd why 4711                          its state, how it got there, who must act, what kill would do
  forkd why 4711 --lang zh                the same in Chinese";

pub const DECODE_EXAMPLES: &str = "\
Examples:
  forkd decode 768                        exited with code 3
  forkd decode 0x8b                       was killed by signal 11 (SEGV), core dumped
  forkd decode --struct i4sf 01000000 61736464 0000a03f
  forkd decode --struct '!ci' --pack a -1";

pub const DOCTOR_EXAMPLES: &str = "\
Examples:
  forkd doctor                            limits, signals, namespaces, kernel: what each means for a server
  forkd doctor --json | jq '.[] | select(.verdict != \"good\")'
  forkd doctor --systemd                  a service and its socket, to be saved and changed";
