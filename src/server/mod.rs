//! The library's front door: say where to listen and what to serve; the rest is the master's.
//!
//! ```no_run
//! fn main() -> forkd::Result<forkd::Outcome> {
//!     forkd::Server::bind("127.0.0.1:7007")
//!         .workers(4)
//!         .serve(|mut conn: forkd::Connection| conn.write_all(b"Thanks"))
//! }
//! ```

#[cfg(feature = "tokio")]
mod asynchronous;
mod blueprint;
mod datagrams;
mod event;
mod limits;
mod manager;
mod privileges;
mod programs;
mod run;

use std::{fmt, io, ops::RangeInclusive, path::PathBuf, process};

pub(crate) use blueprint::Blueprint;
#[cfg(feature = "cli")]
pub(crate) use blueprint::Estate;
use blueprint::Renewal;
pub use event::{Event, WorkerId};

use crate::{
    app::http::{Handler, Http, Request, Response},
    config::{Balance, Model, Reap, Settings, Workers},
    error::{Error, Result},
    listener::addr::Address,
    master::{Handled, Protocols},
    session::Application,
    worker::{Worker, connection::Connection, datagrams::DatagramFactory},
};

/// A server that has not been started: a master to be, and what its workers will do.
///
/// A `serve…` method binds the listeners, forks the workers and stays in the master until the server ends; it returns
/// in the master alone. By default there is no control socket, no pid file and no output, and the signals of the
/// table in the README are handled. A worker's panic or death costs its own connections; the master replaces it.
///
/// At SIGUSR2, or `forkd upgrade` where there is a control socket, the master becomes the program that stands at the path
/// of its start by then: that is executed in the same process with the same arguments, and its `serve…` goes on where this
/// one stopped. Until it gets there all signals are blocked, so what comes before should be short, and the same each
/// time. A trial child is executed before: it runs as far as `serve…`, which ends that process. execve(2).
///
/// # Errors
/// Each `serve…` method fails when the process has threads (fork(2) would copy only one), an address cannot be
/// listened on, a setting cannot be meant, or no worker could be brought to ready; the error says what to do.
pub struct Server<'a> {
    settings: Settings,
    /// The first thing that was wrong in what the builder was told; said when the server is started.
    fault: Option<Error>,
    model: Option<Model>,
    signals: Handled,
    on_event: OnEvent<'a>,
    on_reload: OnRenewal<'a>,
    on_bound: OnBound<'a>,
}

/// What is called for everything that happens.
type OnEvent<'a> = Box<dyn FnMut(&Event) + 'a>;

/// What is called at a reload.
type OnRenewal<'a> = Box<dyn FnMut() -> Result<Renewal> + 'a>;

/// What is called with the server's name once everything is bound.
type OnBound<'a> = Box<dyn FnOnce(&str) -> Result<()> + 'a>;

/// How a server ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Somebody asked it to stop, and every worker is gone.
    Stopped,
}

impl process::Termination for Outcome {
    fn report(self) -> process::ExitCode {
        match self {
            Self::Stopped => process::ExitCode::SUCCESS,
        }
    }
}

impl<'a> Server<'a> {
    /// A server on this address: `127.0.0.1:80`, `[::1]:80`, `:80`, `unix:/path`, `unix:@name`, `udp:127.0.0.1:9`,
    /// `fd:3`, `systemd:NAME`. Port 0 lets the kernel pick; [`Event::Started`] says which.
    pub fn bind(address: impl AsRef<str>) -> Self {
        Self::from_settings(Settings::new("server")).listen(address)
    }

    /// A server with these settings.
    pub fn from_settings(settings: Settings) -> Self {
        Self {
            settings,
            fault: None,
            model: None,
            signals: Handled::All,
            on_event: Box::new(|_| ()),
            on_reload: Box::new(|| Ok(Renewal::Workers(None))),
            on_bound: Box::new(|_| Ok(())),
        }
    }

    /// One more address.
    #[must_use]
    pub fn listen(mut self, address: impl AsRef<str>) -> Self {
        match address.as_ref().parse::<Address>() {
            Ok(address) => self.settings.listen.push(address),
            Err(cause) => self.fault = self.fault.or_else(|| Some(Error::usage(cause.to_string()))),
        }
        self
    }

    /// How many workers; without this as many as there are processors.
    #[must_use]
    pub fn workers(mut self, count: u32) -> Self {
        self.settings.workers = Workers::Fixed(count);
        self
    }

    /// As many workers as it takes: it begins with the least, takes more while all are busy and clients queue, and fewer
    /// again when it is quiet.
    ///
    /// ```
    /// let server = forkd::Server::bind("127.0.0.1:0").workers_within(2..=8);
    /// ```
    #[must_use]
    pub fn workers_within(mut self, range: RangeInclusive<u32>) -> Self {
        self.settings.workers = Workers::Between(*range.start(), *range.end());
        self
    }

    /// The server's name, in process titles and for the `forkd` command.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// How a worker serves its connections; sessions run in an event loop and handlers in blocking workers unless
    /// told otherwise.
    #[must_use]
    pub fn model(mut self, model: Model) -> Self {
        self.model = Some(model);
        self
    }

    /// How a worker of [`Model::PerConnection`] gets rid of its dead children.
    #[must_use]
    pub fn reap(mut self, reap: Reap) -> Self {
        self.settings.reap = reap;
        self
    }

    /// How clients are dealt out among the workers. If nobody says, connections wait in one queue for all, and datagrams
    /// in one for each worker, which needs an address of one machine: what is sent to many would reach each of them.
    /// Whatever accepts by itself ([`Server::serve_async`], [`Server::program`]) shares one queue.
    #[must_use]
    pub fn balance(mut self, balance: Balance) -> Self {
        self.settings.balance = Some(balance);
        self
    }

    /// Where the control socket and the pid file stand: the server can then be found by the `forkd` command.
    #[cfg(feature = "control")]
    #[must_use]
    pub fn runtime_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.settings.runtime_dir = Some(dir.into());
        self
    }

    /// A file that holds the master's pid, and whose lock says that it runs.
    #[must_use]
    pub fn pid_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.pid_file = Some(path.into());
        self
    }

    /// Leaves all signals but SIGCHLD to the program. A worker still drains at TERM, INT and QUIT.
    #[must_use]
    pub fn without_signals(mut self) -> Self {
        self.signals = Handled::ChildOnly;
        self
    }

    /// Calls this in the master for everything that happens: a worker was spawned, is ready, exited. It should be
    /// quick, and must not start threads: the master forks.
    #[must_use]
    pub fn on_event(mut self, hook: impl FnMut(&Event) + 'a) -> Self {
        self.on_event = Box::new(hook);
        self
    }

    /// Calls this in the master at each reload, before anything is forked: it reads the program's configuration anew
    /// and may answer another number of workers. Its error fails the reload, and everything stays as it was.
    #[must_use]
    pub fn on_reload(mut self, mut hook: impl FnMut() -> Result<Option<u32>> + 'a) -> Self {
        self.on_reload = Box::new(move || hook().map(Renewal::Workers));
        self
    }

    /// Calls this in the master at each reload, before anything is bound or forked: it makes anew what the next
    /// generation runs with. Its error fails the reload, and everything stays as it was.
    #[cfg(feature = "cli")]
    pub(crate) fn on_renewal(mut self, mut hook: impl FnMut() -> Result<Blueprint<'static>> + 'a) -> Self {
        self.on_reload = Box::new(move || hook().map(|blueprint| Renewal::Blueprint(Box::new(blueprint))));
        self
    }

    /// Calls this once everything is bound and the server has its name, before anything is forked: what it opens,
    /// every worker has. Its error ends the start.
    #[cfg(feature = "cli")]
    pub(crate) fn on_bound(mut self, hook: impl FnOnce(&str) -> Result<()> + 'a) -> Self {
        self.on_bound = Box::new(hook);
        self
    }

    /// Serves each connection by a function that reads and writes at will: one connection at a time in each worker, or
    /// with [`Model::PerConnection`] one in each process. An error that it returns ends its connection and is a line
    /// in the log.
    ///
    /// # Errors
    /// See [`Server`].
    pub fn serve(self, handler: impl Fn(Connection) -> io::Result<()>) -> Result<Outcome> {
        let model = self.model.unwrap_or(Model::Blocking);
        self.run(|settings| Blueprint::of_handler(Settings { model, ..settings }, handler))
    }

    /// Serves HTTP/1.1 by a function from a request to an answer; see [`forkd::http`](crate::http). A panic in it is an
    /// answer 500 and a line in the log.
    ///
    /// ```no_run
    /// # use forkd::{Server, http::Response};
    /// # fn start() -> forkd::Result<forkd::Outcome> {
    /// Server::bind("127.0.0.1:8080").serve_http(|request| Response::text(format!("you asked for {}", request.path())))
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Server`].
    pub fn serve_http(self, handler: impl Fn(&Request<'_>) -> Response) -> Result<Outcome> {
        self.serve_protocol("http", |_| Ok(Http::new(&handler)), None)
    }

    /// Serves HTTP/1.1 by a handler that `make` makes in each worker, after the fork: a [`Router`](crate::http::Router), or
    /// a type of your own that also takes bodies as they come.
    ///
    /// ```no_run
    /// # use forkd::{Server, http::{Response, Router}};
    /// # fn start() -> forkd::Result<forkd::Outcome> {
    /// Server::bind("127.0.0.1:8080").serve_handler(|worker| {
    ///     let slot = worker.slot();
    ///     Ok(Router::new().get("/slot", move |_| Response::text(slot.to_string())))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Server`].
    pub fn serve_handler<H: Handler>(self, make: impl Fn(&Worker) -> io::Result<H>) -> Result<Outcome> {
        self.serve_protocol("http", |worker| make(worker).map(Http::serving), None)
    }

    /// Serves a protocol of your own. The function is called in each worker, after the fork, and makes what opens a
    /// session for each connection.
    ///
    /// # Errors
    /// See [`Server`].
    pub fn serve_session<A: Application>(self, make: impl Fn(&Worker) -> io::Result<A>) -> Result<Outcome> {
        self.serve_protocol("tcp", make, None)
    }

    /// Serves sessions on stream listeners and `datagrams` on the others.
    pub(crate) fn serve_protocol<A: Application>(
        self,
        protocol: impl Into<Protocols>,
        make: impl Fn(&Worker) -> io::Result<A>,
        datagrams: Option<DatagramFactory>,
    ) -> Result<Outcome> {
        let model = self.model.unwrap_or(Model::Event);
        self.run(|settings| {
            Ok(Blueprint::of_sessions(Settings { model, ..settings }, protocol, make, datagrams))
        })
    }

    /// Serves by this, whatever the builder was told about settings.
    #[cfg(feature = "cli")]
    pub(crate) fn serve_blueprint(self, blueprint: Blueprint<'_>) -> Result<Outcome> {
        self.run(|_| Ok(blueprint))
    }
}

impl fmt::Debug for Server<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("settings", &self.settings)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}
