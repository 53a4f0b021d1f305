//! What can be typed: the commands. What can be typed behind each stands beside the code that runs it, and imports
//! nothing of this.

use clap::{Args, Parser, Subcommand};

use super::{
    chat,
    config::args as config,
    inspect::args as inspect,
    lab::args as lab,
    operate::args as operate,
    run, send,
    serving::{Serving, args as serving},
    sock,
    start::args as start,
    top,
    transfer::args as transfer,
    watch,
};

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
    #[command(after_help = start::EXAMPLES)]
    Start(start::Start),
    /// Show a server and its workers
    #[command(after_help = operate::STATUS_EXAMPLES)]
    Status(operate::Target),
    /// Drain a server and wait until it is gone
    Stop(operate::Stop),
    /// Replace all workers by new ones, without losing a request
    Reload(operate::Reload),
    /// Put a new binary in the place of the running one; the master keeps its pid
    #[command(after_help = operate::UPGRADE_EXAMPLES)]
    Upgrade(operate::Upgrade),
    /// Change the number of workers
    #[command(after_help = operate::SCALE_EXAMPLES, override_usage = "forkd scale [OPTIONS] [NAME] N|+N|-N")]
    Scale(operate::Scale),
    /// Stop accepting; the queue and the connections stay
    Pause(operate::Target),
    /// Accept again
    Resume(operate::Target),
    /// Open the log files again, after they were renamed
    Reopen(operate::Target),
    /// List the servers that run here
    List(operate::Place),
    /// Show processes as a tree: what each waits for, zombies, orphans
    #[command(after_help = inspect::TREE_EXAMPLES)]
    Tree(inspect::Tree),
    /// Explain why a process is as it is, and who must act
    #[command(after_help = inspect::WHY_EXAMPLES)]
    Why(inspect::Why),
    /// Show processes being made, ending and being reaped, as it happens
    #[command(after_help = watch::EXAMPLES)]
    Watch(watch::Watch),
    /// Show servers and their workers live, and order them about by keys
    #[command(after_help = top::EXAMPLES)]
    Top(operate::Target),
    /// Show listeners and connections, and every process that holds one
    #[command(after_help = sock::EXAMPLES)]
    Sock(sock::Sock),
    /// Say what a status means that wait(2) gave
    #[command(after_help = inspect::DECODE_EXAMPLES)]
    Decode(inspect::Decode),
    /// Learn: experiments on real processes and sockets that check themselves
    #[command(after_help = lab::EXAMPLES)]
    Lab(lab::Lab),
    /// List what a file server has
    #[command(after_help = transfer::LS_EXAMPLES)]
    Ls(transfer::Ls),
    /// Copy files from or to a file server
    #[command(after_help = transfer::CP_EXAMPLES)]
    Cp(transfer::Cp),
    /// Send text or typed lines to a server and print its replies
    #[command(after_help = send::EXAMPLES)]
    Send(send::Send),
    /// Show what a server would be told, and where each value comes from
    #[command(subcommand)]
    Config(config::Config),
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
    #[command(after_help = serving::HTTP_EXAMPLES)]
    Http(serving::Http),
    /// Send back what clients send, over TCP, Unix sockets and UDP
    #[command(after_help = serving::ECHO_EXAMPLES)]
    Echo(serving::Echo),
    /// Serve a directory to `forkd ls` and `forkd cp`: list, fetch, send, resume
    #[command(after_help = serving::FILES_EXAMPLES)]
    Files(serving::Files),
    /// Open a chat room to browsers, to nc and telnet, and to the UDP clients of the course
    #[command(after_help = chat::EXAMPLES)]
    Chat(chat::Chat),
    /// Run any program as the workers, on sockets that it inherits
    #[command(after_help = run::EXAMPLES, override_usage = "forkd run [OPTIONS] -- CMD [ARG]...")]
    Run(run::Run),
}

impl Serve {
    /// What the command has in common with the others.
    pub fn serving(&self) -> &dyn Serving {
        match self {
            Self::Http(http) => http,
            Self::Echo(echo) => echo,
            Self::Files(files) => files,
            Self::Run(run) => run,
            Self::Chat(chat) => chat,
        }
    }
}

/// `forkd completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  source <(forkd completions bash)
  forkd completions fish > ~/.config/fish/completions/forkd.fish";

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;
    use crate::cli::{scale::Amount, usage::grammar};

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
