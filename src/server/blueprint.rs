//! Settings and an application, made into what a generation of workers runs with.

#[cfg(feature = "control")]
use std::os::fd::{BorrowedFd, OwnedFd};
use std::{fmt, io, path::Path, rc::Rc, sync::Arc};

use crate::{
    config::{Balance, Limits, Model, Reap, Settings, privileges},
    error::{Error, Result},
    listener::{Dealing, Queues},
    logging::files::{self, LogFile},
    master::{Edition, Policy, Protocols, RespawnPolicy, Work},
    process::program::Program,
    session::Application,
    worker::{
        self, Serve, Worker,
        blocking::Blocking,
        connection::Connection,
        datagrams::DatagramFactory,
        event_loop::EventLoop,
        per_connection::{self, PerConnection},
    },
};

/// What a server is told, and what it is to serve.
pub struct Blueprint<'a> {
    pub(super) settings: Settings,
    protocols: Protocols,
    work: Work<'a>,
    pub(super) estate: Rc<dyn Estate + 'a>,
    one_reader: bool,
}

/// What a master has for its application beside sockets, such as files: got ready before the first fork, and cleared
/// away at the end. A reload leaves it as it is; a program that takes over opens it again while workers live.
pub trait Estate {
    /// Everything is bound, and the server has this name.
    ///
    /// # Errors
    /// What keeps the server from starting.
    fn open(&self, name: &str) -> Result<()>;

    /// Another program takes over in this process, while workers live: puts what both should share.
    #[cfg(feature = "control")]
    fn cross(&self, _put: &mut dyn FnMut(BorrowedFd<'_>)) {}

    /// What the program before has put, in its order; called before [`open`](Estate::open).
    ///
    /// # Errors
    /// What keeps the server from going on.
    #[cfg(feature = "control")]
    fn take_over(&self, _brought: Vec<OwnedFd>) -> Result<()> {
        Ok(())
    }

    /// A worker is gone, and may have left something behind.
    fn mourn(&self);

    /// No worker is left.
    fn close(&self, name: &str);
}

impl Estate for () {
    fn open(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn mourn(&self) {}

    fn close(&self, _: &str) {}
}

/// What a reload may change.
pub(super) enum Renewal {
    /// The number of workers, if it says one.
    Workers(Option<u32>),
    /// Everything.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "the command line reads its settings anew"))]
    Blueprint(Box<Blueprint<'static>>),
}

impl<'a> Blueprint<'a> {
    /// Whatever serves.
    pub fn new(settings: Settings, protocols: impl Into<Protocols>, application: impl Serve + 'a) -> Self {
        Self::over(settings, protocols, Work::Serve(Rc::new(application)))
    }

    fn over(settings: Settings, protocols: impl Into<Protocols>, work: Work<'a>) -> Self {
        Self { settings, protocols: protocols.into(), work, estate: Rc::new(()), one_reader: false }
    }

    /// Sessions on stream listeners and `datagrams` on the others, by the model of the settings.
    pub fn of_sessions<A: Application>(
        settings: Settings,
        protocols: impl Into<Protocols>,
        make: impl Fn(&Worker) -> io::Result<A> + 'a,
        datagrams: Option<DatagramFactory>,
    ) -> Self {
        let application: Rc<dyn Serve + 'a> = match settings.model {
            Model::Event => Rc::new(EventLoop::new(make).datagrams(datagrams)),
            Model::Blocking => Rc::new(Blocking::sessions(make).datagrams(datagrams)),
            Model::PerConnection => {
                Rc::new(PerConnection::sessions(make, reap(settings.reap)).datagrams(datagrams))
            }
        };
        Self::over(settings, protocols, Work::Serve(application))
    }

    /// A function that reads and writes at will.
    ///
    /// # Errors
    /// A usage error for the event model, which such a function would hold up.
    pub fn of_handler(
        settings: Settings,
        handler: impl Fn(Connection) -> io::Result<()> + 'a,
    ) -> Result<Self> {
        let reaping = reap(settings.reap);
        match settings.model {
            Model::Event => {
                Err(Error::usage("cannot serve a handler by the event model: it would block the loop")
                    .remedy("use the blocking or per-connection model, or serve_session"))
            }
            Model::Blocking => Ok(Self::new(settings, "tcp", Blocking::handler(handler))),
            Model::PerConnection => Ok(Self::new(settings, "tcp", PerConnection::handler(handler, reaping))),
        }
    }

    /// Any program, in place of workers of ours; or one process of it for each connection, by that model.
    pub fn of_program(settings: Settings, program: Program) -> Self {
        let settings = Settings { program: Some(program.clone()), ..settings };
        let program = Rc::new(program);
        let work = match settings.model {
            Model::PerConnection => {
                Work::Serve(Rc::new(PerConnection::programs(program, reap(settings.reap))))
            }
            Model::Event | Model::Blocking => Work::Run(program),
        };
        Self::over(settings, "tcp", work)
    }

    /// The same with something beside it.
    #[cfg(feature = "cli")]
    #[must_use]
    pub fn with_estate(self, estate: impl Estate + 'a) -> Self {
        Self { estate: Rc::new(estate), ..self }
    }

    /// What is spoken on its stream listeners.
    pub fn protocols(&self) -> Protocols {
        self.protocols
    }

    /// The settings.
    #[cfg(feature = "cli")]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The same with one reader for all datagrams.
    #[cfg(feature = "cli")]
    #[must_use]
    pub fn with_one_reader(self) -> Self {
        Self { one_reader: true, ..self }
    }

    /// With how many queues its listeners are bound. Of two workers at one datagram socket one wakes in vain, so that
    /// each has its own unless told otherwise.
    pub(super) fn dealing(&self) -> Dealing {
        let or = |otherwise| match self.settings.balance {
            _ if !self.work.looks_after_others() => Queues::One,
            Some(Balance::Shared) => Queues::One,
            Some(Balance::Reuseport) => Queues::PerSlot,
            None => otherwise,
        };
        let datagrams = if self.one_reader { Queues::One } else { or(Queues::PerSlot) };
        Dealing { streams: or(Queues::One), datagrams }
    }

    /// What a generation of workers is to run with.
    ///
    /// # Errors
    /// When workers cannot give up what they should; names are looked up anew.
    pub(super) fn edition(&self) -> Result<Edition<'a>> {
        let confinement = privileges::settle(&self.settings)?;
        #[cfg(feature = "sandbox")]
        for gap in confinement.gaps() {
            crate::logging::event(log::Level::Warn, gap, &[("event", "sandbox".into())]);
        }
        Ok(Edition {
            confinement: Rc::new(confinement),
            protocols: self.protocols,
            listen: self.settings.listen.clone(),
            dealing: self.dealing(),
            workers: self.settings.workers.range(),
            policy: policy(&self.settings, &self.work),
            limits: client_limits(&self.settings.limits),
            logs: self.settings.logs.iter().map(|path| open(path)).collect::<Result<_>>()?,
            work: self.work.clone(),
        })
    }
}

impl fmt::Debug for Blueprint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Opens a log of workers, which may not be able to do so themselves.
fn open(path: &Path) -> Result<Arc<LogFile>> {
    files::open(path).map_err(|cause| {
        Error::system(format!("open access log {}", path.display()), cause)
            .remedy("name another with --access-log; - is standard output")
    })
}

fn policy(Settings { limits, recycling, .. }: &Settings, work: &Work<'_>) -> Policy {
    Policy {
        taking: work.taking(),
        recycling: *recycling,
        boot: limits.boot,
        liveness: limits.liveness,
        request: limits.request,
        drain: limits.drain,
        respawn: RespawnPolicy::default(),
        pausing: work.pausing(),
    }
}

fn client_limits(limits: &Limits) -> worker::Limits {
    worker::Limits {
        idle: limits.idle,
        header: limits.header,
        body: limits.body,
        write: limits.write,
        linger: limits.linger,
        drain: limits.drain,
        liveness: limits.liveness,
        request: limits.request,
    }
}

/// The worker's word for the setting's: `worker` knows nothing of settings.
fn reap(setting: Reap) -> per_connection::Reap {
    match setting {
        Reap::Wait => per_connection::Reap::Wait,
        Reap::Ignore => per_connection::Reap::Ignore,
        Reap::DoubleFork => per_connection::Reap::DoubleFork,
    }
}
