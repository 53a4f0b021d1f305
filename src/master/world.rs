//! The only writer to the world: forks, signals, answers, and lines in the log.

use std::{io, mem};

use super::{
    action::{Action, Ending, News},
    children::{Children, Process},
    desk::Desk,
    event::{ChildId, Event},
    news,
    place::Place,
    sources::{Ears, Handled, Sources},
    supervisor::{Policy, Supervisor},
};
#[cfg(feature = "control")]
use super::{
    action::{Outcome, Verdict},
    event::Caller,
    status,
};
use crate::{
    error::Result,
    ipc::{
        channel::{self, Channel},
        ident::{Generation, RowId},
        message::{Accepts, Order, Report},
        scoreboard::Scoreboard,
    },
    logging,
    process::{Pid, clock::Time, lifeline::Lifeline, spawn},
    worker::{self, Seat, Serve},
};
#[cfg(feature = "control")]
use crate::{ipc::control::wire::Answer, listener::Kind, listener::Listener};

/// What a master is to do.
pub struct Plan<'a> {
    /// What is spoken on stream listeners, for `status`: `http`, `tcp`.
    pub protocol: &'static str,
    /// How many workers.
    pub workers: u32,
    /// The limits on them.
    pub policy: Policy,
    /// The limits on their clients.
    pub limits: worker::Limits,
    /// What a worker does.
    pub application: &'a dyn Serve,
    /// What is held of the machine.
    pub place: Place,
}

/// What a master works with: all that can fail before there is anything to clean up.
pub struct Instruments {
    ears: Ears,
    scoreboard: Scoreboard,
    lifeline: Lifeline,
}

/// Who is told, and who is asked.
pub struct Hooks<'a> {
    /// Reads the configuration anew; called at each reload, before anything is forked. The answer is the number of
    /// workers, if it says one; an error fails the reload and leaves everything as it was.
    pub on_reload: Box<dyn FnMut() -> Result<Option<u32>> + 'a>,
    /// Called once, when every worker is ready, with their number.
    pub on_ready: Box<dyn FnMut(u32) + 'a>,
    /// Called for everything that happens.
    pub on_news: Box<dyn FnMut(&News) + 'a>,
}

/// What came of an action.
pub enum Effect {
    /// Nothing to tell.
    None,
    /// Something that the supervisor must know.
    Caused(Event),
    /// All is over.
    Ended(Ending),
}

/// The world as the master holds it.
pub struct World<'a> {
    plan: Plan<'a>,
    hooks: Hooks<'a>,
    /// `None` in a forked child, which has dropped it.
    sources: Option<Sources>,
    /// `None` in a forked child: the write end is the master's alone.
    lifeline: Option<Lifeline>,
    children: Children,
    scoreboard: Scoreboard,
    pid: Pid,
    #[cfg(feature = "control")]
    began: Time,
}

impl Instruments {
    /// Signal handlers, shared memory, the lifeline. Signals that come from now on are kept for the master.
    /// `inherited` names the signals that were ignored at the start: the kernel's own are ignored further.
    ///
    /// # Errors
    /// Those of pipe(2), memfd_create(2) and sigaction(2).
    pub fn new(handled: Handled, inherited: Vec<&'static str>) -> io::Result<Self> {
        let ears = Ears::new(handled, inherited)?;
        Ok(Self { ears, scoreboard: Scoreboard::new()?, lifeline: Lifeline::new()? })
    }
}

impl<'a> World<'a> {
    /// A world without children.
    pub fn new(mut plan: Plan<'a>, instruments: Instruments, hooks: Hooks<'a>) -> Self {
        let Instruments { ears, scoreboard, lifeline } = instruments;
        Self {
            sources: Some(Sources::new(ears, Desk::new(plan.place.control.take()))),
            plan,
            hooks,
            lifeline: Some(lifeline),
            children: Children::default(),
            scoreboard,
            pid: nix::unistd::getpid(),
            #[cfg(feature = "control")]
            began: Time::now(),
        }
    }

    /// Waits for what happens next.
    pub fn wait(&mut self, deadline: Option<Time>) -> Vec<Event> {
        let Some(sources) = &mut self.sources else { return Vec::new() };
        sources.wait(deadline, &mut self.children, &mut self.scoreboard)
    }

    /// Does one thing.
    pub fn perform(&mut self, action: Action, supervisor: &Supervisor) -> Effect {
        match action {
            Action::Spawn { child, generation, accepts } => {
                return Effect::Caused(self.spawn(child, generation, accepts));
            }
            Action::Prepare { .. } => return Effect::Caused(self.prepare()),
            Action::Finish(ending) => return Effect::Ended(ending),
            Action::Drain { child } => self.children.drain(child),
            Action::Kill { child } => self.children.kill(child),
            Action::Accept { child, accepts } => self.children.order(child, Order::Accept(accepts)),
            Action::CloseListeners => self.plan.place.close_listeners(),
            Action::AnnounceReady => (self.hooks.on_ready)(supervisor.target()),
            Action::Tell(news) => {
                news::log(&news);
                (self.hooks.on_news)(&news);
            }
            Action::Reopen => self.reopen(),
            #[cfg(feature = "control")]
            Action::Answer { caller, verdict } => self.answer(caller, &answer_of(verdict)),
            #[cfg(feature = "control")]
            Action::Report { caller } => {
                let status = self.known().document(supervisor);
                self.answer(caller, &Answer { status: Some(status), ..Answer::done("") });
            }
            #[cfg(not(feature = "control"))]
            Action::Answer { .. } | Action::Report { .. } => {}
        }
        Effect::None
    }

    /// Leaves nothing behind.
    pub fn leave(&self) {
        if let Some(sources) = &self.sources {
            sources.leave();
        }
        self.plan.place.leave();
    }

    fn prepare(&mut self) -> Event {
        match (self.hooks.on_reload)() {
            Ok(workers) => Event::Prepared { workers },
            Err(cause) => Event::PrepareFailed { cause: cause.to_string() },
        }
    }

    fn spawn(&mut self, child: ChildId, generation: Generation, accepts: Accepts) -> Event {
        match self.fork(child, generation, accepts) {
            Ok(pid) => Event::Spawned { child, pid },
            Err(cause) => Event::SpawnFailed { child, cause: cause.to_string() },
        }
    }

    fn fork(&mut self, child: ChildId, generation: Generation, accepts: Accepts) -> io::Result<Pid> {
        let row = self.scoreboard.take().ok_or(io::ErrorKind::QuotaExceeded)?;
        let forked = channel::pair().and_then(|(ours, theirs)| {
            let pid = spawn::fork(|| {
                let seat = self.seat(child, generation, accepts, row, theirs);
                seat.map_or(1, |seat| worker::live(seat, self.plan.application))
            })?;
            Ok(Process { pid, channel: Some(ours), row })
        });
        match forked {
            Ok(process) => {
                let pid = process.pid;
                self.children.insert(child, process);
                Ok(pid)
            }
            Err(cause) => {
                self.scoreboard.give_back(row);
                Err(cause)
            }
        }
    }

    /// The child's side of the fork: it drops what is the master's and takes what is its own. Its memory is a copy;
    /// what is dropped here is dropped nowhere else.
    fn seat(
        &mut self,
        child: ChildId,
        generation: Generation,
        accepts: Accepts,
        row: RowId,
        channel: Channel<Report, Order>,
    ) -> Option<Seat> {
        let tether = self.lifeline.take()?.reader().ok()?;
        drop(self.sources.take());
        drop(self.plan.place.pid_file.take());
        self.children.forget();
        Some(Seat {
            name: self.plan.place.name.clone(),
            slot: child.slot,
            generation,
            master: self.pid,
            listeners: mem::take(&mut self.plan.place.listeners),
            limits: self.plan.limits,
            row: self.scoreboard.row(row),
            channel,
            tether,
            accepts,
        })
    }

    fn reopen(&self) {
        if let Err(cause) = logging::reopen() {
            log::error!("cannot open the log again: {cause} (the old file is still written to)");
        }
        self.children.order_all(Order::Reopen);
    }
}

#[cfg(feature = "control")]
impl World<'_> {
    fn known(&self) -> status::Known<'_> {
        let Self { plan, children, scoreboard, began, .. } = self;
        status::Known { plan, children, scoreboard, began: *began }
    }

    fn answer(&mut self, caller: Caller, answer: &Answer) {
        if let Some(sources) = &mut self.sources {
            sources.desk().answer(caller, answer);
        }
    }
}

#[cfg(feature = "control")]
impl Plan<'_> {
    /// What is spoken on a listener.
    pub fn protocol_of(&self, listener: &Listener) -> &'static str {
        match listener.kind() {
            Kind::Stream => self.protocol,
            Kind::Datagram => "udp",
        }
    }
}

#[cfg(feature = "control")]
fn answer_of(Verdict { outcome, text }: Verdict) -> Answer {
    match outcome {
        Outcome::Done => Answer::done(text),
        Outcome::Failed => Answer::failed(text),
        Outcome::Refused => Answer::refused(text),
    }
}
