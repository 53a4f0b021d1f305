//! The flags that every serving command takes, and the settings that follow from them.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use log::LevelFilter;

use super::{
    paths::{absolute, absolute_address},
    recycling::Recycling,
    rights::Rights,
};
use crate::{
    Error, Result, Worker,
    app::http::{AccessFormat, AccessLog},
    config::{
        Balance, Limits, LogFormat, LogSettings, Model, Reap, Settings, Workers, parse,
        runtime_dir::{self, Environment},
    },
    listener::Address,
};

/// The words for [`LevelFilter`].
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// The flags that every serving command takes.
#[derive(Debug, Args)]
pub struct Common {
    /// Listen here, may be repeated: 127.0.0.1:80, [::1]:80, :80 (all addresses), unix:/path, unix:@name, udp:ADDR,
    /// fd:3, systemd:NAME; with port 0 the kernel picks one
    #[arg(short, long, value_name = "ADDR", help_heading = WORK)]
    pub listen: Vec<Address>,
    /// How many workers; auto is one for each processor; MIN..MAX takes more while all are busy and clients queue, and
    /// fewer when it is quiet
    #[arg(short, long, value_name = "N|MIN..MAX|auto", default_value = "auto", help_heading = WORK)]
    pub workers: Workers,
    /// How a worker serves: many connections at once, one after the other, or a fork for each
    #[arg(long, value_name = "M", default_value = "event", help_heading = WORK, value_parser = words::<Model>(Model::WORDS))]
    pub model: Model,
    /// With per-connection, what becomes of the dead: wait for them, ignore SIGCHLD, or fork twice
    #[arg(long, value_name = "R", default_value = "wait", help_heading = WORK, value_parser = words::<Reap>(Reap::WORDS))]
    pub reap: Reap,
    /// One accept queue for all workers, or one for each by SO_REUSEPORT, all held by the master [default: shared; for
    /// udp: reuseport]
    #[arg(long, value_name = "B", help_heading = WORK, value_parser = words::<Balance>(Balance::WORDS))]
    pub balance: Option<Balance>,

    /// Leave the terminal; return when all workers are ready, or with the reason why not
    #[arg(short, long, help_heading = RUN)]
    pub daemon: bool,
    /// How the other commands find it [default: command and port, as in http-8080]
    #[arg(long, value_name = "NAME", help_heading = RUN)]
    pub name: Option<String>,
    /// Where NAME.sock and NAME.pid stand [default: $RUNTIME_DIRECTORY, $XDG_RUNTIME_DIR/forkd, /run/forkd for root,
    /// else /tmp/forkd-UID]
    #[arg(long, value_name = "DIR", help_heading = RUN)]
    pub runtime_dir: Option<PathBuf>,
    /// The pid file [default: NAME.pid in the runtime directory]
    #[arg(long, value_name = "FILE", help_heading = RUN)]
    pub pid_file: Option<PathBuf>,
    /// Read the rest of what it is told from this TOML file, whose keys are the names of these flags; flags win
    #[arg(long, value_name = "FILE", help_heading = RUN)]
    pub config: Option<PathBuf>,
    /// Read and check everything, bind nothing
    #[arg(long, help_heading = RUN)]
    pub check: bool,

    /// Write the log at the end of this file [default: standard error; with -d NAME.log in the runtime directory]
    #[arg(long, value_name = "FILE", help_heading = LOG)]
    pub log_file: Option<PathBuf>,
    /// The least important level that is logged
    #[arg(long, value_name = "LEVEL", default_value = "info", help_heading = LOG, value_parser = words::<LevelFilter>(&LEVELS))]
    pub log_level: LevelFilter,
    /// Words with key=value after them, or one JSON object per line
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = LOG, value_parser = words::<LogFormat>(LogFormat::WORDS))]
    pub log_format: LogFormat,

    /// Write a line for each answered request at the end of this file, or on standard output (-); the master opens it
    #[arg(long, value_name = "FILE|-", help_heading = LOG)]
    pub access_log: Option<PathBuf>,
    /// The format of such a line
    #[arg(long, value_name = "FORMAT", default_value = "combined", help_heading = LOG, value_parser = ["combined", "json"])]
    pub access_format: String,

    /// From the fork of a worker until it is ready
    #[arg(long, value_name = "T", default_value = "30s", help_heading = WORKER_LIMITS)]
    pub boot_timeout: Limit,
    /// How long a worker may work without a sign of life; one that waits for clients is alive
    #[arg(long, value_name = "T", default_value = "60s", help_heading = WORKER_LIMITS)]
    pub liveness_timeout: Limit,
    /// How long it may work at one request
    #[arg(long, value_name = "T", default_value = "off", help_heading = WORKER_LIMITS)]
    pub request_timeout: Limit,
    /// From the order to drain until the worker is gone; then it is killed
    #[arg(long, value_name = "T", default_value = "30s", help_heading = WORKER_LIMITS)]
    pub drain_timeout: Limit,
    /// How long a draining worker lets a silent kept connection live
    #[arg(long, value_name = "T", default_value = "1s", help_heading = WORKER_LIMITS, value_parser = parse::duration)]
    pub linger: Duration,

    #[command(flatten)]
    pub recycling: Recycling,

    /// Between two messages of a client
    #[arg(long, value_name = "T", default_value = "60s", help_heading = CLIENT_LIMITS)]
    pub idle_timeout: Limit,
    /// From the first byte of a message's head to its last
    #[arg(long, value_name = "T", default_value = "10s", help_heading = CLIENT_LIMITS)]
    pub header_timeout: Limit,
    /// For each 16 KiB of a message's body to come
    #[arg(long, value_name = "T", default_value = "30s", help_heading = CLIENT_LIMITS)]
    pub body_timeout: Limit,
    /// For each 16 KiB of an answer to be taken
    #[arg(long, value_name = "T", default_value = "30s", help_heading = CLIENT_LIMITS)]
    pub write_timeout: Limit,

    #[command(flatten)]
    pub rights: Rights,
}

const WORK: &str = "Listen and work";
const RUN: &str = "Run";
const LOG: &str = "Log";
const WORKER_LIMITS: &str = "Limits on workers (500ms, 30s, 2m, off)";
const CLIENT_LIMITS: &str = "Limits on clients (500ms, 30s, 2m, off)";

/// A limit as it is typed: `None` is `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse::limit(text).map(Self)
    }
}

impl Common {
    /// The settings that follow, for the command of this name, with all paths absolute: a daemon leaves the
    /// directory of its caller.
    ///
    /// # Errors
    /// When the current directory is gone and a path is relative.
    pub fn settings(&self, command: &str) -> Result<Settings> {
        let named = self.runtime_dir.as_deref().map(absolute).transpose()?;
        let mut settings = Settings::new(command);
        settings.privileges = self.rights.privileges()?;
        let environment = Environment::of_this_process();
        let environment = match settings.privileges.master_to_be() {
            Some(user) => environment.of_user(user),
            None => environment,
        };
        let runtime_dir = runtime_dir::resolve(named.as_deref(), &environment)?;
        settings.name.clone_from(&self.name);
        settings.listen = self.listen.iter().map(absolute_address).collect::<Result<_>>()?;
        settings.workers = self.workers;
        settings.model = self.model;
        settings.reap = self.reap;
        settings.balance = self.balance;
        settings.limits = self.limits();
        settings.recycling = self.recycling.setting();
        settings.runtime_dir = Some(runtime_dir);
        settings.pid_file = self.pid_file.as_deref().map(absolute).transpose()?;
        settings.log = LogSettings {
            file: self.log_file.as_deref().map(absolute).transpose()?,
            level: self.log_level,
            format: self.log_format,
        };
        settings.daemon = self.daemon;
        Ok(settings)
    }

    /// The access log, for a command that answers requests.
    ///
    /// # Errors
    /// A usage error for a daemon's standard output, which nobody reads.
    pub fn access(&self) -> Result<Option<AccessLog>> {
        let Some(path) = &self.access_log else { return Ok(None) };
        let json = self.access_format == "json";
        let format = if json { AccessFormat::Json } else { AccessFormat::Combined };
        if path.as_os_str() != "-" {
            return Ok(Some(AccessLog::file(absolute(path)?, format)));
        }
        if self.daemon {
            return Err(Error::usage(
                "cannot write the access log of a daemon to standard output: it has none",
            )
            .remedy("name a file with --access-log"));
        }
        Ok(Some(AccessLog::output(format)))
    }

    /// Says that a command that answers no requests has no lines for an access log.
    pub fn warn_of_access(&self, command: &'static str) -> impl Fn(&Worker) + use<> {
        let wanted = self.access_log.is_some();
        move |worker| {
            if wanted && worker.slot() == 1 {
                log::warn!("forkd {command} answers no HTTP requests: nothing is written to the access log");
            }
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            boot: self.boot_timeout.0,
            liveness: self.liveness_timeout.0,
            request: self.request_timeout.0,
            drain: self.drain_timeout.0,
            linger: self.linger,
            idle: self.idle_timeout.0,
            header: self.header_timeout.0,
            body: self.body_timeout.0,
            write: self.write_timeout.0,
        }
    }
}

/// A parser for one of these words, which stand in the help and in suggestions.
pub fn words<T>(words: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(|word| word.parse::<T>())
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;
    use proptest::prelude::*;

    use super::*;
    use crate::config::{self, Spread};
    use crate::{
        cli::{
            args::{Command, Line, Serve},
            serving::args::{Echo, Http},
            usage::grammar,
        },
        process::privilege::Privileges,
    };

    fn common(line: &str) -> Common {
        let matches = grammar().try_get_matches_from(line.split(' ')).expect(line);
        let command = Line::from_arg_matches(&matches).expect(line).command;
        if let Command::Serve(command) = command
            && let Serve::Http(Http { common, .. }) | Serve::Echo(Echo { common }) = *command
        {
            return common;
        }
        panic!("no serving command: {line}")
    }

    #[test]
    fn without_flags_the_settings_are_the_defaults() {
        let settings = common("forkd echo").settings("echo").expect("settings");
        let mut expected = Settings::new("echo");
        expected.listen = vec!["127.0.0.1:7007".parse().expect("an address")];
        expected.runtime_dir.clone_from(&settings.runtime_dir);
        assert!(settings.runtime_dir.is_some());
        assert_eq!(settings, expected);
    }

    #[test]
    fn each_flag_ends_in_its_setting() {
        let line = "forkd http -l :80 -l unix:@web -w 3 --model per-connection --reap double-fork --balance reuseport -d --name web \
            --runtime-dir /run/x --pid-file /run/x.pid --log-file /log --log-level debug --log-format json \
            --boot-timeout 1s --liveness-timeout 6s --request-timeout 7s --drain-timeout off --linger 0s --idle-timeout 2s --header-timeout 3s \
            --body-timeout 4s --write-timeout 5s --max-requests 8~9 --max-memory 1K --max-age 10s~11s";
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let expected = Settings {
            command: "http".into(),
            name: Some("web".into()),
            listen: vec![Address::AnyTcp(80), Address::Abstract("web".into())],
            workers: Workers::Fixed(3),
            model: Model::PerConnection,
            reap: Reap::DoubleFork,
            balance: Some(Balance::Reuseport),
            program: None,
            privileges: Privileges::default(),
            logs: Vec::new(),
            limits: Limits {
                boot: seconds(1),
                liveness: seconds(6),
                request: seconds(7),
                drain: None,
                linger: Duration::ZERO,
                idle: seconds(2),
                header: seconds(3),
                body: seconds(4),
                write: seconds(5),
            },
            recycling: config::Recycling {
                requests: Some(Spread { least: 8, jitter: 9 }),
                memory: Some(1024),
                age: seconds(10).zip(seconds(11)).map(|(least, jitter)| Spread { least, jitter }),
            },
            runtime_dir: Some("/run/x".into()),
            pid_file: Some("/run/x.pid".into()),
            log: LogSettings {
                file: Some("/log".into()),
                level: LevelFilter::Debug,
                format: LogFormat::Json,
            },
            daemon: true,
        };
        assert_eq!(common(line).settings("http").expect("settings"), expected);
    }

    #[test]
    fn relative_paths_mean_the_callers_directory() {
        let line = "forkd http -l unix:web.sock --pid-file p --log-file l --runtime-dir r";
        let settings = common(line).settings("http").expect("settings");
        let here = std::env::current_dir().expect("a directory");
        assert_eq!(settings.listen, [Address::Unix(here.join("web.sock"))]);
        assert_eq!(settings.pid_file, Some(here.join("p")));
        assert_eq!(settings.log.file, Some(here.join("l")));
        assert_eq!(settings.runtime_dir, Some(here.join("r")));
    }

    proptest! {
        #[test]
        fn no_command_line_makes_the_grammar_panic(words in proptest::collection::vec("[-a-z0-9:=+@/]{0,12}", 0..5)) {
            let line = ["forkd", "http"].into_iter().map(str::to_owned).chain(words);
            let _ = grammar().try_get_matches_from(line);
        }
    }
}
