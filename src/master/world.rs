//! The only writer to the world: forks, signals, answers, and lines in the log.

use std::io;
#[cfg(feature = "control")]
use std::os::fd::BorrowedFd;

use super::{
    action::{Action, Ending, News},
    adoption::Adoption,
    children::Children,
    desk::Desk,
    edition::{Edition, Editions},
    event::Event,
    news,
    place::Place,
    sources::{Ears, Handled, Sources},
    supervisor::Supervisor,
};
#[cfg(feature = "control")]
use super::{
    action::{Change, Outcome, Verdict},
    event::Caller,
    status,
    upgrade::{Old, Programs, State, Trial},
};
use crate::{
    error,
    ipc::{ident::Generation, message::Order, scoreboard::Scoreboard},
    process::{Pid, clock::Time, lifeline::Lifeline},
};
#[cfg(feature = "control")]
use crate::{
    ipc::control::{Pace, Request, wire::Answer},
    listener::{Kind, Listener},
};

/// What a master is to do.
pub struct Plan<'a> {
    /// The generation that it begins with: a program that takes over does not begin with the first.
    pub generation: Generation,
    /// What that runs with.
    pub edition: Edition<'a>,
    /// What is held of the machine.
    pub place: Place,
}

/// What a master works with: all that can fail before there is anything to clean up.
pub struct Instruments {
    ears: Ears,
    scoreboard: Scoreboard,
    lifeline: Lifeline,
    children: Children,
}

/// Who is told, and who is asked.
pub struct Hooks<'a> {
    /// Reads the configuration anew; called at each reload, before anything is bound or forked, with what the
    /// generation before runs with. An error fails the reload and leaves everything as it was.
    pub on_reload: OnReload<'a>,
    /// Called when another program takes over: puts the descriptors that it shares with workers of this one.
    #[cfg(feature = "control")]
    pub on_cross: OnCross<'a>,
    /// Called once, when every worker is ready, with their number.
    pub on_ready: Box<dyn FnMut(u32) + 'a>,
    /// Called for everything that happens.
    pub on_news: Box<dyn FnMut(&News) + 'a>,
}

/// What a generation to come runs with, from what the one before does.
pub type OnReload<'a> = Box<dyn FnMut(&Edition<'a>) -> error::Result<Edition<'a>> + 'a>;

/// What is shared with workers of another program.
#[cfg(feature = "control")]
pub type OnCross<'a> = Box<dyn Fn(&mut dyn FnMut(BorrowedFd<'_>)) + 'a>;

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
    pub(super) place: Place,
    pub(super) editions: Editions<'a>,
    pub(super) hooks: Hooks<'a>,
    /// `None` in a forked child, which has dropped it.
    pub(super) sources: Option<Sources>,
    /// `None` in a forked child: the write end is the master's alone.
    pub(super) lifeline: Option<Lifeline>,
    pub(super) children: Children,
    /// Who looks after the queue of a slot that nobody fills.
    pub(super) adoption: Adoption,
    pub(super) scoreboard: Scoreboard,
    /// What came of the actions so far beside their own effect.
    pub(super) known: Vec<Event>,
    pub(super) pid: Pid,
    #[cfg(feature = "control")]
    pub(super) began: Time,
    #[cfg(feature = "control")]
    pub(super) programs: Programs,
}

impl Instruments {
    /// Signal handlers, shared memory, the lifeline. Signals that come from now on are kept for the master.
    /// `inherited` names the signals that were ignored at the start: the kernel's own are ignored further.
    ///
    /// # Errors
    /// Those of pipe(2), memfd_create(2), epoll_create1(2) and sigaction(2).
    pub fn new(handled: Handled, inherited: Vec<String>) -> io::Result<Self> {
        let ears = Ears::new(handled, inherited)?;
        let (scoreboard, lifeline, children) = (Scoreboard::new()?, Lifeline::new()?, Children::new()?);
        Ok(Self { ears, scoreboard, lifeline, children })
    }
}

impl<'a> World<'a> {
    /// A world without children.
    pub fn new(mut plan: Plan<'a>, instruments: Instruments, hooks: Hooks<'a>) -> Self {
        let desk = Desk::new(plan.place.control.take());
        Self::over(plan, instruments, hooks, desk)
    }

    fn over(plan: Plan<'a>, instruments: Instruments, hooks: Hooks<'a>, desk: Desk) -> Self {
        let Instruments { ears, scoreboard, lifeline, children } = instruments;
        Self {
            sources: Some(Sources::new(ears, desk)),
            place: plan.place,
            editions: Editions::of(plan.generation, plan.edition),
            hooks,
            lifeline: Some(lifeline),
            children,
            adoption: Adoption::default(),
            scoreboard,
            known: Vec::new(),
            pid: nix::unistd::getpid(),
            #[cfg(feature = "control")]
            began: Time::now(),
            #[cfg(feature = "control")]
            programs: Programs::default(),
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
            Action::Prepare { generation } => return Effect::Caused(self.prepare(generation)),
            Action::Retire { generation } => self.retire(generation),
            Action::Finish(ending) => return Effect::Ended(ending),
            Action::Drain { child } => self.children.drain(child),
            Action::Kill { child } => self.children.kill(child),
            Action::Warn { child, warning } => self.children.warn(child, warning),
            Action::Look => {
                let sights = self.children.look(&self.scoreboard);
                return Effect::Caused(Event::Looked { sights, queue: self.place.queue() });
            }
            Action::Weigh => return Effect::Caused(Event::Weighed { weights: self.children.weigh() }),
            Action::Accept { child, accepts } => self.children.order(child, Order::Accept(accepts)),
            Action::CloseListeners => self.place.close_listeners(),
            Action::AnnounceReady => return self.announce(supervisor),
            Action::Tell(news) => {
                news::log(&news);
                (self.hooks.on_news)(&news);
                let ledger = supervisor.ledger();
                self.scoreboard.note_lives(ledger.spawned, &ledger.restarts);
                if matches!(news, News::Turned { .. }) || self.place.has_more_to_entrust() {
                    self.place.entrust();
                }
                #[cfg(feature = "control")]
                if let News::Turned { change: Change::Upgrade, .. } = news {
                    self.programs.old = None;
                }
            }
            Action::Reopen { caller } => self.reopen(caller),
            #[cfg(feature = "control")]
            Action::Answer { caller, verdict } => self.answer(caller, &answer_of(verdict)),
            #[cfg(feature = "control")]
            Action::Report { caller } => {
                let status = self.knowledge().document(supervisor);
                self.answer(caller, &Answer { status: Some(status), ..Answer::done("") });
            }
            #[cfg(feature = "control")]
            Action::Try { binary, .. } => return self.try_program(binary, supervisor),
            #[cfg(feature = "control")]
            Action::EndTrial => self.children.trial.iter().for_each(Trial::kill),
            #[cfg(not(feature = "control"))]
            Action::Try { .. } => return Effect::Caused(not_built()),
            #[cfg(not(feature = "control"))]
            Action::Answer { .. } | Action::Report { .. } | Action::EndTrial => {}
        }
        Effect::None
    }

    fn announce(&mut self, supervisor: &Supervisor) -> Effect {
        #[cfg(feature = "control")]
        if let Some(rehearsal) = &self.programs.rehearsal {
            rehearsal.passed();
            let request = Request::Stop(Pace::Drain);
            return Effect::Caused(Event::Asked { request, caller: None });
        }
        self.place.entrust();
        (self.hooks.on_ready)(supervisor.target());
        Effect::None
    }

    /// Whether this is but a trial of a program.
    pub(super) fn is_trial(&self) -> bool {
        #[cfg(feature = "control")]
        return self.programs.rehearsal.is_some();
        #[cfg(not(feature = "control"))]
        false
    }

    /// What came of the actions so far beside their own effect.
    pub fn known(&mut self) -> impl Iterator<Item = Event> {
        self.known.drain(..)
    }

    /// Leaves nothing behind.
    pub fn leave(&mut self) {
        #[cfg(feature = "control")]
        self.children.trial.iter_mut().for_each(Trial::end);
        if let Some(sources) = &self.sources {
            sources.leave();
        }
        self.place.leave();
    }

    /// Reads the configuration anew and binds what it names and nobody listens on yet.
    fn prepare(&mut self, generation: Generation) -> Event {
        let before = self.editions.newest();
        let workers = before.workers;
        let edition = (self.hooks.on_reload)(before);
        match edition
            .and_then(|edition| self.place.listen(&edition.listen, edition.dealing).map(|()| edition))
        {
            Ok(edition) => {
                let policy = edition.policy;
                let workers = (edition.workers != workers).then_some(edition.workers);
                self.editions.insert(generation, edition);
                Event::Prepared { workers, policy }
            }
            Err(cause) => Event::PrepareFailed { cause: cause.to_string() },
        }
    }

    /// Closes what this generation alone listened on. Its workers hold their own copies until they drain.
    fn retire(&mut self, generation: Generation) {
        self.editions.retire(generation);
        let editions = &self.editions;
        self.place.keep(|address| editions.listeners_at(address));
    }
}

#[cfg(feature = "control")]
impl<'a> World<'a> {
    /// The world as the program before left it. Whatever of it cannot be had, nothing is lost by asking.
    ///
    /// # Errors
    /// When something did not come with the luggage, or there is no room for it.
    pub fn resume(plan: Plan<'a>, hooks: Hooks<'a>, handled: Handled, state: State) -> io::Result<Self> {
        let ears = Ears::new(handled, state.inherited)?.with_held(state.held);
        let scoreboard = Scoreboard::unpack(state.scoreboard)?;
        let children = Children::unpack(state.children, &scoreboard)?;
        let instruments =
            Instruments { ears, scoreboard, lifeline: Lifeline::unpack(state.lifeline)?, children };
        let desk = Desk::unpack(state.desk)?;
        let old = state.old.map(Old::unpack).transpose()?;
        let world = Self::over(plan, instruments, hooks, desk);
        let programs = Programs { next: state.program, old, rehearsal: None };
        Ok(Self { adoption: state.adoption, began: state.began, programs, ..world })
    }

    fn knowledge(&self) -> status::Known<'_> {
        let Self { place, editions, children, scoreboard, began, .. } = self;
        status::Known { place, edition: editions.newest(), children, scoreboard, began: *began }
    }

    pub(super) fn answer(&mut self, caller: Caller, answer: &Answer) {
        if let Some(sources) = &mut self.sources {
            sources.desk().answer(caller, answer);
        }
    }
}

#[cfg(feature = "control")]
impl Edition<'_> {
    /// What is spoken on a listener, the one with this number.
    pub fn protocol_of(&self, number: usize, listener: &Listener) -> &'static str {
        match listener.kind() {
            Kind::Stream => self.protocols.of(number),
            Kind::Datagram => "udp",
        }
    }
}

#[cfg(feature = "control")]
pub fn answer_of(Verdict { outcome, text, lines }: Verdict) -> Answer {
    let answer = match outcome {
        Outcome::Done => Answer::done(text),
        Outcome::Failed => Answer::failed(text),
        Outcome::Refused => Answer::refused(text),
    };
    Answer { lines, ..answer }
}

#[cfg(not(feature = "control"))]
fn not_built() -> Event {
    Event::Tried { result: Err("this program was built without the feature \"control\"".to_owned()) }
}
