//! From settings to a running master, in order: whatever can fail for the user's sake fails before the first fork.

use std::{cell::RefCell, collections::hash_map::RandomState, hash::BuildHasher, rc::Rc};

use super::{Blueprint, Event, OnBound, OnEvent, OnRenewal, Outcome, Renewal, Server, manager};
#[cfg(feature = "control")]
use crate::master::upgrade::{Beginning, Rehearsal, State};
use crate::{
    config::{Range, Settings, privileges},
    error::{Error, Result},
    ipc::ident::Generation,
    listener::Listener,
    logging,
    master::{
        Edition, Ending, Handled, Hooks, Instruments, Master, News, OnReload, Place, Plan,
        upgrade::{self, Arrival},
    },
    process::{death, fds, limits, memory, origin, signal, spawn, title},
};

impl<'a> Server<'a> {
    /// Binds, forks and supervises until the end; or goes on with what another program has begun in this process.
    pub(super) fn run<'x>(self, plan: impl FnOnce(Settings) -> Result<Blueprint<'x>>) -> Result<Outcome>
    where
        'a: 'x,
    {
        let ending = self.live(plan).inspect_err(|cause| upgrade::abandon(&cause.to_string()))?;
        match ending {
            Ending::Stopped => Ok(Outcome::Stopped),
            Ending::Failed(why) => Err(Error::failed(why)),
        }
    }

    fn live<'x>(self, plan: impl FnOnce(Settings) -> Result<Blueprint<'x>>) -> Result<Ending>
    where
        'a: 'x,
    {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let arrival = upgrade::arrive()?;
        let blueprint = plan(self.settings)?;
        blueprint.settings.validate()?;
        let Self { signals, on_event, on_reload, on_bound, .. } = self;
        let start = Start { blueprint, signals, on_event, on_reload, on_bound };
        match arrival {
            Arrival::First => start.anew(),
            #[cfg(feature = "control")]
            Arrival::Trial(state, rehearsal) => rehearsal.end(start.on_trial(&state, &rehearsal)),
            #[cfg(feature = "control")]
            Arrival::Successor(state, beginning) => start.going_on(*state, beginning),
        }
    }
}

/// A server whose settings are known.
struct Start<'x> {
    blueprint: Blueprint<'x>,
    signals: Handled,
    on_event: OnEvent<'x>,
    on_reload: OnRenewal<'x>,
    on_bound: OnBound<'x>,
}

impl<'x> Start<'x> {
    /// As a server of its own.
    fn anew(self) -> Result<Ending> {
        let inherited = prepare_process()?;
        let instruments = self.instruments(inherited)?;
        let edition = self.blueprint.edition()?;
        let place = Place::take(&self.blueprint.settings, self.blueprint.dealing(), &edition.confinement)?;
        let (estate, name) = (Rc::clone(&self.blueprint.estate), place.name.clone());
        (self.on_bound)(&name).and_then(|()| estate.open(&name)).inspect_err(|_| place.leave())?;
        show("master", &place.name);
        let seed = RandomState::new().hash_one(&place.name);
        let hooks = hooks(&place, &self.blueprint, self.on_reload, self.on_event);
        let plan = Plan { generation: Generation::FIRST, edition, place };
        // Whatever is forked from here on has less to copy.
        memory::settle();
        let ending = Master::new(plan, instruments, hooks, seed).run();
        estate.close(&name);
        Ok(ending)
    }

    fn instruments(&self, inherited: Vec<&'static str>) -> Result<Instruments> {
        let inherited = inherited.into_iter().map(str::to_owned).collect();
        Instruments::new(self.signals, inherited).map_err(|cause| Error::system("start a master", cause))
    }
}

#[cfg(feature = "control")]
impl<'x> Start<'x> {
    /// As a trial child: everything but what others would notice. It logs nothing, for the log is the running server's.
    fn on_trial(mut self, state: &State, rehearsal: &Rehearsal) -> Result<Ending> {
        log::set_max_level(log::LevelFilter::Off);
        let inherited = prepare_process()?;
        let instruments = self.instruments(inherited)?;
        let place = Place::borrow(&self.blueprint.settings, self.blueprint.dealing(), state)?;
        upgrade::settle(&state.luggage);
        (self.on_bound)(&place.name)?;
        show("trial", &place.name);
        self.on_event = Box::new(|_| ());
        let hooks = hooks(&place, &self.blueprint, self.on_reload, self.on_event);
        let edition = self.blueprint.edition()?;
        if edition.confinement.master().is_some_and(|user| !user.is_ours()) {
            return Err(Error::failed("cannot drop the master by an upgrade: what it has is root's")
                .remedy("stop the server and start it"));
        }
        let plan = Plan { generation: Generation::FIRST, edition, place };
        Ok(Master::rehearse(plan, instruments, hooks, rehearsal.clone()).run())
    }

    /// As the program that takes over. No signal is let through before its handlers stand.
    fn going_on(self, state: State, beginning: Beginning) -> Result<Ending> {
        prepare_room()?;
        limits::went_on_from(state.descriptors_at_start);
        let place = Place::resume(&self.blueprint.settings, self.blueprint.dealing(), &state)?;
        let (estate, name) = (Rc::clone(&self.blueprint.estate), place.name.clone());
        let brought = state.estate().map_err(|cause| Error::system("take over what workers share", cause))?;
        estate.take_over(brought)?;
        (self.on_bound)(&name).and_then(|()| estate.open(&name))?;
        show("master", &place.name);
        let hooks = hooks(&place, &self.blueprint, self.on_reload, self.on_event);
        let generation = match beginning {
            Beginning::New => state.supervisor.newest(),
            Beginning::Returned | Beginning::Spared(_) => state.supervisor.generation(),
        };
        let luggage = state.luggage.clone();
        let plan = Plan { generation, edition: self.blueprint.edition()?, place };
        let master = Master::resume(plan, hooks, self.signals, state, beginning);
        let master = master.map_err(|cause| Error::system("take over from the program before", cause))?;
        upgrade::settle(&luggage);
        signal::unblock_all();
        let ending = master.run();
        estate.close(&name);
        Ok(ending)
    }
}

fn hooks<'x>(
    place: &Place,
    blueprint: &Blueprint<'x>,
    on_reload: OnRenewal<'x>,
    on_event: OnEvent<'x>,
) -> Hooks<'x> {
    let protocols = blueprint.protocols();
    let url = |(number, listener): (usize, &Listener)| listener.url(protocols.scheme(number));
    let urls: Vec<_> = place.listeners.iter().enumerate().map(url).collect();
    let (name, estate) = (place.name.clone(), Rc::clone(&blueprint.estate));
    #[cfg(feature = "control")]
    let crossing = Rc::clone(&estate);
    let drain = blueprint.settings.limits.drain;
    let on_event = Rc::new(RefCell::new(on_event));
    let on_news = Rc::clone(&on_event);
    Hooks {
        #[cfg(feature = "control")]
        on_cross: Box::new(move |put| crossing.cross(put)),
        on_reload: renewing(blueprint.settings.clone(), on_reload),
        on_ready: Box::new(move |workers| {
            let (name, urls) = (name.clone(), urls.clone());
            manager::ready(workers, &urls);
            (on_event.borrow_mut())(&Event::Started { name, workers, urls });
        }),
        on_news: Box::new(move |news| {
            manager::hear(news, drain);
            if let News::Exited { .. } = news {
                estate.mourn();
            }
            if let Some(event) = Event::from_news(news) {
                (on_news.borrow_mut())(&event);
            }
        }),
    }
}

/// What a reload does before anything is bound or forked: it asks for what is new and says whether that can be meant.
/// `settings` are those of the start.
fn renewing<'x>(settings: Settings, mut renew: OnRenewal<'x>) -> OnReload<'x> {
    Box::new(move |edition| match renew()? {
        Renewal::Workers(workers) => {
            settings.validate()?;
            let confinement = Rc::new(privileges::settle(&settings)?);
            let workers = workers.map_or(edition.workers, Range::fixed);
            Ok(Edition { workers, confinement, ..edition.clone() })
        }
        Renewal::Blueprint(blueprint) => {
            settings.check_successor(&blueprint.settings)?;
            blueprint.settings.validate()?;
            blueprint.edition()
        }
    })
}

/// Makes good what this process was started with: closed standard descriptors, ignored or blocked signals. Answers
/// the names of those signals.
fn prepare_process() -> Result<Vec<&'static str>> {
    prepare_room()?;
    let inherited = signal::reset_inherited();
    if !inherited.is_empty() {
        let names = inherited.join(",");
        let facts = [("event", "signals-reset".into()), ("signals", names.as_str().into())];
        logging::event(log::Level::Warn, "signals ignored or blocked at the start were reset", &facts);
    }
    Ok(inherited)
}

/// The part of it that a program which goes on with another one's work needs too.
fn prepare_room() -> Result<()> {
    origin::note();
    spawn::single_threaded().map_err(|threads| {
        Error::failed(format!("cannot fork workers: {threads}")).remedy("start the server before any thread")
    })?;
    fds::ensure_stdio()
        .map_err(|cause| Error::system("open /dev/null for a closed standard descriptor", cause))?;
    // Each connection is a descriptor of its worker: the soft limit is there for programs that use select(2).
    limits::raise_descriptors(u64::MAX)
        .map_err(|cause| Error::system("raise the limit on descriptors", cause))?;
    // Connection processes whose parent is gone come to the master, so that none waits for a slow init as a zombie.
    death::become_subreaper().map_err(|cause| Error::system("adopt orphans", cause))
}

/// Says in ps(1) and pstree(1) what this process is.
fn show(role: &str, name: &str) {
    title::reserve();
    title::set(&format!("forkd: {role} {name}"));
    // Without it they show the program's name, which is no harm.
    let _ = title::set_comm(&format!("forkd-{role}"));
}
