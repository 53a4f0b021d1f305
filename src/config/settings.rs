//! What a server is told: where it listens, with how many workers of which model, under which limits.
//!
//! ```
//! use forkd::config::{Model, Settings, Workers};
//!
//! let mut settings = Settings::new("echo");
//! settings.listen.push("127.0.0.1:7007".parse()?);
//! settings.workers = Workers::Fixed(2);
//! assert_eq!(settings.model, Model::Event);
//! assert_eq!(settings.name_with_port(None), "echo-7007");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{path::PathBuf, time::Duration};

use super::{
    choices::{Balance, LogFormat, Model, Reap},
    name,
    recycling::Recycling,
    workers::Workers,
};
use crate::{
    error::{Error, Result},
    listener::Address,
    process::{
        privilege::{Master, Privileges},
        program::Program,
    },
};

/// Everything that a server is told. The defaults are the library's: no control socket, no pid file, no daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// What serves: `http`, `echo`; the first half of a name that nobody gave.
    pub command: String,
    /// How the other commands find the server; `None` until its listeners are bound, see
    /// [`Settings::name_with_port`].
    pub name: Option<String>,
    /// Where it listens, in the order of binding.
    pub listen: Vec<Address>,
    /// How many workers.
    pub workers: Workers,
    /// How a worker serves its connections.
    pub model: Model,
    /// How a worker of [`Model::PerConnection`] gets rid of its dead children.
    pub reap: Reap,
    /// How clients are dealt out among the workers; if nobody says, connections wait in one queue, and datagrams in one
    /// for each worker that can look after another's too.
    pub balance: Option<Balance>,
    /// The program that fills the slots in place of workers of ours; with [`Model::PerConnection`] one process of it
    /// for each connection.
    pub program: Option<Program>,
    /// The limits on workers and on clients.
    pub limits: Limits,
    /// When a worker is replaced although nothing is wrong with it.
    pub recycling: Recycling,
    /// What workers give up before they serve.
    pub privileges: Privileges,
    /// Where the control socket `NAME.sock` stands; `None` for a server that nobody asks.
    pub runtime_dir: Option<PathBuf>,
    /// The pid file; `None` for none, or for `NAME.pid` in the runtime directory where there is one.
    pub pid_file: Option<PathBuf>,
    /// Where log lines go, which of them and in which shape.
    pub log: LogSettings,
    /// More files that workers write and that [`reopen`](crate::logging::reopen) is about, such as an access log.
    pub logs: Vec<PathBuf>,
    /// Whether it leaves the terminal and its caller behind.
    pub daemon: bool,
}

/// The limits on a worker (boot, liveness, request, drain) and on a client's connection (the others). `None` is `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the fork of a worker until it says that it is ready.
    pub boot: Option<Duration>,
    /// How long a worker may work without a sign of life; one that waits is alive.
    pub liveness: Option<Duration>,
    /// How long it may work at one request, or one step of a session.
    pub request: Option<Duration>,
    /// From the order to drain until the worker is gone: the grace.
    pub drain: Option<Duration>,
    /// How long a silent kept connection lives on in a draining worker.
    pub linger: Duration,
    /// Between two messages of a client.
    pub idle: Option<Duration>,
    /// From the first byte of a message's head to its last.
    pub header: Option<Duration>,
    /// For each 16 KiB of a message's body to come.
    pub body: Option<Duration>,
    /// For each 16 KiB of an answer to be taken.
    pub write: Option<Duration>,
}

/// Where log lines go, which of them and in which shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The file; `None` is standard error, or for a daemon `NAME.log` in the runtime directory.
    pub file: Option<PathBuf>,
    /// The least important level that is written.
    pub level: log::LevelFilter,
    /// The shape of a line.
    pub format: LogFormat,
}

impl Settings {
    /// The defaults for a server of this kind, which listens nowhere yet.
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            name: None,
            listen: Vec::new(),
            workers: Workers::Auto,
            model: Model::Event,
            reap: Reap::Wait,
            balance: None,
            program: None,
            limits: Limits::default(),
            recycling: Recycling::default(),
            privileges: Privileges::default(),
            runtime_dir: None,
            pid_file: None,
            log: LogSettings::default(),
            logs: Vec::new(),
            daemon: false,
        }
    }

    /// The name that was given, or the one made of command and port. Once the listeners are bound, `port` is the one
    /// that the kernel picked for the first of them; it replaces a port 0 and nothing else.
    pub fn name_with_port(&self, port: Option<u16>) -> String {
        match (&self.name, self.listen.first()) {
            (Some(name), _) => name.clone(),
            (None, Some(address)) => name::default(&self.command, address, port),
            (None, None) => self.command.clone(),
        }
    }

    /// Settles the name, and the files that follow from it in the runtime directory: the pid file, and a daemon's log.
    /// Called once the listeners are bound, with the port that the kernel gave the first of them.
    ///
    /// # Errors
    /// A usage error for a name that does not fit, see [`name::check`].
    pub fn settle(&mut self, port: Option<u16>) -> Result<()> {
        let name = self.name_with_port(port);
        name::check(&name, self.runtime_dir.as_deref())?;
        if let Some(dir) = &self.runtime_dir {
            self.pid_file.get_or_insert_with(|| name::pid_file(dir, &name));
            if self.daemon {
                self.log.file.get_or_insert_with(|| name::log_file(dir, &name));
            }
        }
        self.name = Some(name);
        Ok(())
    }

    /// Where the control socket stands, once the settings are settled and there is a runtime directory.
    pub fn control_socket(&self) -> Option<PathBuf> {
        Some(name::control_socket(self.runtime_dir.as_deref()?, self.name.as_deref()?))
    }

    /// Says whether a running server with these settings can go over to those: its name, its files and its log are what
    /// others find it by.
    ///
    /// # Errors
    /// A usage error that names the setting.
    pub fn check_successor(&self, next: &Self) -> Result<()> {
        let (rights, rights_next) = (&self.privileges, &next.privileges);
        let dropped = rights.master == Master::Drops;
        let differs = [
            ("name", next.name.is_some() && next.name != self.name),
            ("runtime-dir", next.runtime_dir != self.runtime_dir),
            ("pid-file", next.pid_file != self.pid_file),
            ("log-file", next.log.file != self.log.file),
            ("log-level", next.log.level != self.log.level),
            ("log-format", next.log.format != self.log.format),
            ("balance", next.balance != self.balance),
            ("daemon", next.daemon != self.daemon),
            ("drop-master", rights_next.master != rights.master),
            ("user", dropped && rights_next.user != rights.user),
            ("group", dropped && rights_next.group != rights.group),
        ];
        match differs.iter().find(|(_, differs)| *differs) {
            Some((key, _)) => Err(Error::usage(format!("cannot change {key} by a reload"))
                .remedy("put it back, or stop the server and start it")),
            None => Ok(()),
        }
    }

    /// Says whether these settings can be meant, before anything is bound.
    ///
    /// # Errors
    /// A usage error for settings without a listener, with an impossible number of workers or name, or with a program
    /// that cannot be run; a failure when the limit on descriptors does not suffice.
    pub fn validate(&self) -> Result<()> {
        // A program may have other work than clients.
        if self.listen.is_empty() && (self.program.is_none() || self.model == Model::PerConnection) {
            return Err(Error::usage("cannot serve without an address").remedy("listen on 127.0.0.1:8080"));
        }
        self.workers.validate()?;
        name::check(&self.name_with_port(None), self.runtime_dir.as_deref())?;
        let confinement = super::privileges::settle(self)?;
        if let Some(program) = &self.program {
            if self.recycling.requests.is_some() && self.model != Model::PerConnection {
                return Err(Error::usage(
                    "cannot replace a program by max-requests: nobody counts its requests",
                )
                .remedy("take max-age or max-memory"));
            }
            program.check(confinement.root()).map_err(|cause| Error::usage(cause.to_string()))?;
        }
        self.check_balance()?;
        super::descriptors::check(self)
    }

    /// Whether there is anything to deal out so, and anybody who can look after another's queue.
    fn check_balance(&self) -> Result<()> {
        if self.balance != Some(Balance::Reuseport) {
            return Ok(());
        }
        if let Some(program) = self.program.as_ref().filter(|_| self.model != Model::PerConnection) {
            let text = format!(
                "cannot balance by reuseport: {program} would leave the queue of a dead worker alone"
            );
            return Err(Error::usage(text).remedy("leave --balance out, or add --per-connection"));
        }
        if !self.listen.iter().any(Address::can_have_many_queues) {
            return Err(Error::usage(
                "cannot balance by reuseport: no address here can have more than one queue",
            )
            .remedy("leave --balance out, or listen on a TCP address, or on udp: with one address"));
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        Self {
            boot: seconds(30),
            liveness: seconds(60),
            request: None,
            drain: seconds(30),
            linger: Duration::from_secs(1),
            idle: seconds(60),
            header: seconds(10),
            body: seconds(30),
            write: seconds(30),
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { file: None, level: log::LevelFilter::Info, format: LogFormat::Text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(address: &str) -> Settings {
        let mut settings = Settings::new("http");
        settings.listen.push(address.parse().expect("an address"));
        settings
    }

    #[test]
    fn the_defaults_can_be_served() {
        on("127.0.0.1:8080").validate().expect("valid");
    }

    #[test]
    fn a_server_without_an_address_or_workers_is_a_usage_error() {
        assert_eq!(Settings::new("http").validate().unwrap_err().exit_code(), 2);
        for count in [0, Workers::MAX + 1] {
            let mut settings = on("127.0.0.1:8080");
            settings.workers = Workers::Fixed(count);
            let error = settings.validate().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
    }

    #[test]
    fn a_given_name_wins_over_command_and_port() {
        let mut settings = on("127.0.0.1:0");
        assert_eq!(settings.name_with_port(Some(41234)), "http-41234");
        settings.name = Some("web".into());
        assert_eq!(settings.name_with_port(Some(41234)), "web");
    }

    #[test]
    fn a_settled_server_has_its_files_under_its_name() {
        let mut settings = on("127.0.0.1:0");
        settings.runtime_dir = Some("/run/forkd".into());
        settings.daemon = true;
        settings.settle(Some(41234)).expect("settled");
        assert_eq!(settings.control_socket(), Some("/run/forkd/http-41234.sock".into()));
        assert_eq!(settings.pid_file, Some("/run/forkd/http-41234.pid".into()));
        assert_eq!(settings.log.file, Some("/run/forkd/http-41234.log".into()));
        let again = settings.clone();
        settings.settle(None).expect("settled again");
        assert_eq!(settings, again);
    }

    #[test]
    fn a_server_of_the_library_has_no_files() {
        let mut settings = on("127.0.0.1:80");
        settings.settle(Some(80)).expect("settled");
        assert_eq!((settings.control_socket(), settings.pid_file, settings.log.file), (None, None, None));
    }
}
