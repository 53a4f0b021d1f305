//! What can be typed: commands, flags, and what `--help` says about them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{common::Common, inspect::args as inspect, scale::Amount};
use crate::config::parse;

/// A pre-fork server for Unix: a master binds, forks workers that accept, and looks after them.
#[derive(Debug, Parser)]
#[command(
    name = "forkd",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Line {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Those that serve.
    #[command(flatten)]
    Serve(Box<Serve>),
    /// Start the servers of a configuration file
    #[command(after_help = super::start::EXAMPLES)]
    Start(super::start::Start),
    /// Show a server and its workers
    #[command(after_help = STATUS_EXAMPLES)]
    Status(Target),
    /// Drain a server and wait until it is gone
    Stop(Stop),
    /// Replace all workers by new ones, without losing a request
    Reload(Reload),
    /// Put a new binary in the place of the running one; the master keeps its pid
    #[command(after_help = UPGRADE_EXAMPLES)]
    Upgrade(Upgrade),
    /// Change the number of workers
    #[command(after_help = SCALE_EXAMPLES, override_usage = "forkd scale [OPTIONS] [NAME] N|+N|-N")]
    Scale(Scale),
    /// Stop accepting; the queue and the connections stay
    Pause(Target),
    /// Accept again
    Resume(Target),
    /// Open the log files again, after they were renamed
    Reopen(Target),
    /// List the servers that run here
    List(Place),
    /// Show processes as a tree: what each waits for, zombies, orphans
    #[command(after_help = inspect::TREE_EXAMPLES)]
    Tree(inspect::Tree),
    /// Explain why a process is as it is, and who must act
    #[command(after_help = inspect::WHY_EXAMPLES)]
    Why(inspect::Why),
    /// Show processes being made, ending and being reaped, as it happens
    #[command(after_help = super::watch::EXAMPLES)]
    Watch(super::watch::Watch),
    /// Show servers and their workers live, and order them about by keys
    #[command(after_help = super::top::EXAMPLES)]
    Top(Target),
    /// Show listeners and connections, and every process that holds one
    #[command(after_help = super::sock::EXAMPLES)]
    Sock(super::sock::Sock),
    /// Say what a status means that wait(2) gave
    #[command(after_help = inspect::DECODE_EXAMPLES)]
    Decode(inspect::Decode),
    /// Learn: experiments on real processes and sockets that check themselves
    #[command(after_help = super::lab::args::EXAMPLES)]
    Lab(super::lab::args::Lab),
    /// List what a file server has
    #[command(after_help = LS_EXAMPLES)]
    Ls(Ls),
    /// Copy files from or to a file server
    #[command(after_help = CP_EXAMPLES)]
    Cp(Cp),
    /// Send text or typed lines to a server and print its replies
    #[command(after_help = SEND_EXAMPLES)]
    Send(Send),
    /// Show what a server would be told, and where each value comes from
    #[command(subcommand)]
    Config(super::config::Config),
    /// Look for what of this machine will hurt a server
    #[command(after_help = inspect::DOCTOR_EXAMPLES)]
    Doctor(inspect::Doctor),
    /// Print the completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
    /// Print the manual page
    #[command(after_help = "Examples:\n  forkd man | man -l -")]
    Man,
}

/// The commands that serve.
#[derive(Debug, Subcommand)]
pub enum Serve {
    /// Serve a directory over HTTP/1.1
    #[command(after_help = HTTP_EXAMPLES)]
    Http(Http),
    /// Send back what clients send, over TCP, Unix sockets and UDP
    #[command(after_help = ECHO_EXAMPLES)]
    Echo(Echo),
    /// Serve a directory to `forkd ls` and `forkd cp`: list, fetch, send, resume
    #[command(after_help = FILES_EXAMPLES)]
    Files(Files),
    /// Open a chat room to browsers, to nc and telnet, and to the UDP clients of the course
    #[command(after_help = super::chat::EXAMPLES)]
    Chat(super::chat::Chat),
    /// Run any program as the workers, on sockets that it inherits
    #[command(after_help = super::run::EXAMPLES, override_usage = "forkd run [OPTIONS] -- CMD [ARG]...")]
    Run(super::run::Run),
}

/// `forkd http`
#[derive(Debug, Args)]
pub struct Http {
    /// The directory to serve
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub site: super::site::SiteFlags,
    #[command(flatten)]
    pub common: Common,
}

/// `forkd echo`
#[derive(Debug, Args)]
pub struct Echo {
    #[command(flatten)]
    pub common: Common,
}

/// A size, or `off`. Under its own name, since clap takes an `Option` for a flag that may be left out.
type MaybeSize = Option<u64>;

/// `forkd files`
#[derive(Debug, Args)]
pub struct Files {
    /// The directory to serve
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Let files be fetched, and none be sent
    #[arg(long)]
    pub read_only: bool,
    /// Take nothing that would make all files together larger than this: 500M, 20G, or off
    #[arg(long, value_name = "SIZE", default_value = "off", value_parser = parse::size)]
    pub quota: MaybeSize,
    #[command(flatten)]
    pub common: Common,
}

/// `forkd ls`
#[derive(Debug, Args)]
pub struct Ls {
    /// tcp://127.0.0.1:7008/path
    #[arg(value_name = "URL", required = true)]
    pub urls: Vec<super::transfer::url::Url>,
    /// Print one JSON document and nothing else
    #[arg(long)]
    pub json: bool,
}

/// `forkd cp`
#[derive(Debug, Args)]
pub struct Cp {
    /// What to copy, and to where: tcp://127.0.0.1:7008/path on one side, a path of this machine on the other
    #[arg(value_name = "URL|PATH", required = true, num_args = 2..)]
    pub ends: Vec<super::transfer::url::End>,
    /// Copy directories with all that is in them; files that are there with the same length and time are left out
    #[arg(short, long)]
    pub recursive: bool,
}

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
    #[arg(long, value_name = "T", value_parser = crate::config::parse::duration)]
    pub timeout: Option<std::time::Duration>,
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
    #[arg(long, value_name = "T", value_parser = crate::config::parse::duration)]
    pub timeout: Option<std::time::Duration>,
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
    pub fn split(&self) -> crate::Result<(Option<&str>, Amount)> {
        match self.words.as_slice() {
            [name, amount] => Ok((Some(name), amount.parse()?)),
            [amount] => Ok((None, amount.parse()?)),
            [] | [_, _, _, ..] => Err(Amount::missing()),
        }
    }
}

/// `forkd send`
#[derive(Debug, Args)]
pub struct Send {
    /// 127.0.0.1:7007, :7007, udp:127.0.0.1:7007, unix:/path or unix:@name
    #[arg(value_name = "ADDR")]
    pub address: super::send::Destination,
    /// What to send, joined by blanks; without it the lines of standard input
    #[arg(value_name = "TEXT", trailing_var_arg = true, allow_hyphen_values = true)]
    pub text: Vec<String>,
}

/// `forkd completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

const HTTP_EXAMPLES: &str = "\
Examples:
  forkd http                              this directory on 127.0.0.1:8080
  forkd http -l :80 -w 4 /srv/www         four workers, all addresses
  forkd http -d --name web /srv/www       as a daemon: forkd status web, forkd stop web";

const ECHO_EXAMPLES: &str = "\
Examples:
  forkd echo                              TCP on 127.0.0.1:7007
  forkd echo -l :7007 -l udp::7007        TCP and UDP, all addresses
  forkd echo --model per-connection --reap double-fork
                                          a process for each connection; see it with pstree";

const FILES_EXAMPLES: &str = "\
Examples:
  forkd files /srv/files                  on 127.0.0.1:7008
  forkd files --read-only -l :7008 -d     this directory, to be fetched only, as a daemon";

const LS_EXAMPLES: &str = "\
Examples:
  forkd ls tcp://127.0.0.1:7008/          all of it
  forkd ls tcp://:7008/books --json | jq";

const CP_EXAMPLES: &str = "\
What was interrupted goes on where it was cut: give the same command again.

Examples:
  forkd cp tcp://127.0.0.1:7008/big.iso .
  forkd cp *.txt tcp://127.0.0.1:7008/notes/
  forkd cp -r tcp://127.0.0.1:7008/books ~/books";

const STATUS_EXAMPLES: &str = "\
Exit codes: 0 running, 3 not running, 4 degraded (a worker missing, a slot given up, a zombie)

Examples:
  forkd status                            the only server that runs here
  forkd status :8080                      the one on port 8080
  forkd status web --json | jq .workers";

const UPGRADE_EXAMPLES: &str = "\
The new binary is tried beside the running server first: with the same command line and the real listeners it brings
a worker to ready. Only then does the master become it, in the same process, and exchange the workers one by one.
If anything fails, the old binary and its workers serve on.

Examples:
  forkd upgrade                           after a package was installed over the running binary
  forkd upgrade web --binary ./forkd-new  another one
  kill -USR2 PID                          the same as the first";

const SCALE_EXAMPLES: &str = "\
Examples:
  forkd scale 8                           eight workers
  forkd scale web +1                      one more
  forkd scale web -1                      one fewer, which drains first";

const SEND_EXAMPLES: &str = "\
Examples:
  forkd send :7007 hello                  one line to TCP, the reply printed
  forkd send udp:127.0.0.1:7007 hello     one datagram, one reply
  forkd send unix:/run/echo.sock < file   all of standard input";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(forkd completions bash)
  forkd completions fish > ~/.config/fish/completions/forkd.fish";

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::cli::usage::grammar;

    fn parse(line: &str) -> Command {
        let matches = grammar().try_get_matches_from(line.split(' ')).expect(line);
        Line::from_arg_matches(&matches).expect(line).command
    }

    #[test]
    fn scale_takes_a_name_before_its_number_and_flags_anywhere() {
        let table = [
            ("forkd scale 4", None, Amount::To(4), false),
            ("forkd scale -1", None, Amount::Down(1), false),
            ("forkd scale web +2", Some("web"), Amount::Up(2), false),
            ("forkd scale web -1 --json", Some("web"), Amount::Down(1), true),
            ("forkd scale --json web -1", Some("web"), Amount::Down(1), true),
            ("forkd scale --runtime-dir /r :80 -1", Some(":80"), Amount::Down(1), false),
            ("forkd scale web --runtime-dir /r -1", Some("web"), Amount::Down(1), false),
        ];
        for (line, name, amount, json) in table {
            let Command::Scale(scale) = parse(line) else { panic!("not scale: {line}") };
            assert_eq!(scale.split().expect(line), (name, amount), "{line}");
            assert_eq!(scale.place.json, json, "{line}");
        }
    }

    #[test]
    fn scale_without_a_number_is_a_usage_error() {
        for line in ["forkd scale", "forkd scale web", "forkd scale 4 web"] {
            let Command::Scale(scale) = parse(line) else { panic!("not scale: {line}") };
            assert_eq!(scale.split().expect_err(line).exit_code(), 2);
        }
    }

    #[test]
    fn flags_stand_before_or_after_the_name() {
        for line in [
            "forkd status --runtime-dir /r --json web",
            "forkd status web --json --runtime-dir /r",
            "forkd status --json web --runtime-dir=/r",
        ] {
            let Command::Status(target) = parse(line) else { panic!("not status: {line}") };
            assert_eq!(target.name.as_deref(), Some("web"), "{line}");
            assert_eq!(target.place.runtime_dir, Some("/r".into()), "{line}");
            assert!(target.place.json, "{line}");
        }
    }

    #[test]
    fn a_text_to_send_may_look_like_flags() {
        let Command::Send(send) = parse("forkd send :7007 --name -x 1") else { panic!("not send") };
        assert_eq!(send.text, ["--name", "-x", "1"]);
    }
}
