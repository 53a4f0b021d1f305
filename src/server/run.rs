//! From settings to a running master, in order: whatever can fail for the user's sake fails before the first fork.

use std::{cell::RefCell, collections::hash_map::RandomState, hash::BuildHasher};

use super::{Blueprint, Event, Outcome, Renewal, Server};
use crate::{
    config::Settings,
    error::{Error, Result},
    logging,
    master::{Edition, Ending, Hooks, Instruments, Master, OnReload, Place, Plan},
    process::{death, fds, limits, signal, spawn, title},
};

impl Server<'_> {
    /// Binds, forks and supervises until the end.
    pub(super) fn run<'x>(self, plan: impl FnOnce(Settings) -> Result<Blueprint<'x>>) -> Result<Outcome> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let blueprint = plan(self.settings)?;
        blueprint.settings.validate()?;
        let inherited = prepare_process()?;
        let instruments = Instruments::new(self.signals, inherited);
        let instruments = instruments.map_err(|cause| Error::system("start a master", cause))?;
        let place = Place::take(&blueprint.settings)?;
        (self.on_bound)(&place.name).inspect_err(|_| place.leave())?;
        show(&place.name);
        let urls: Vec<_> =
            place.listeners.iter().map(|listener| listener.url(blueprint.protocol())).collect();
        let name = place.name.clone();
        let seed = RandomState::new().hash_one(&name);
        let plan = Plan { edition: blueprint.edition(), place };
        let on_event = RefCell::new(self.on_event);
        let hooks = Hooks {
            on_reload: renewing(blueprint.settings, self.on_reload),
            on_ready: Box::new(|workers| {
                let (name, urls) = (name.clone(), urls.clone());
                (on_event.borrow_mut())(&Event::Started { name, workers, urls });
            }),
            on_news: Box::new(|news| {
                if let Some(event) = Event::from_news(news) {
                    (on_event.borrow_mut())(&event);
                }
            }),
        };
        match Master::new(plan, instruments, hooks, seed).run() {
            Ending::Stopped => Ok(Outcome::Stopped),
            Ending::Failed(why) => Err(Error::failed(why)),
        }
    }
}

/// What a reload does before anything is bound or forked: it asks for what is new and says whether that can be meant.
/// `settings` are those of the start.
fn renewing<'x>(settings: Settings, mut renew: Box<dyn FnMut() -> Result<Renewal> + 'x>) -> OnReload<'x> {
    Box::new(move |edition| match renew()? {
        Renewal::Workers(workers) => {
            settings.validate()?;
            Ok(Edition { workers: workers.unwrap_or(edition.workers), ..edition.clone() })
        }
        Renewal::Blueprint(blueprint) => {
            blueprint.settings.validate()?;
            settings.check_successor(&blueprint.settings)?;
            Ok(blueprint.edition())
        }
    })
}

/// Makes good what this process was started with: closed standard descriptors, ignored or blocked signals. Answers
/// the names of those signals.
fn prepare_process() -> Result<Vec<&'static str>> {
    spawn::single_threaded().map_err(|threads| {
        Error::failed(format!("cannot fork workers: {threads}")).remedy("start the server before any thread")
    })?;
    fds::ensure_stdio()
        .map_err(|cause| Error::system("open /dev/null for a closed standard descriptor", cause))?;
    // Each connection is a descriptor of its worker: the soft limit is there for programs that use select(2).
    limits::raise_descriptors(u64::MAX)
        .map_err(|cause| Error::system("raise the limit on descriptors", cause))?;
    // Connection processes whose parent is gone come to the master, so that none waits for a slow init as a zombie.
    death::become_subreaper().map_err(|cause| Error::system("adopt orphans", cause))?;
    let inherited = signal::reset_inherited();
    if !inherited.is_empty() {
        let names = inherited.join(",");
        let facts = [("event", "signals-reset".into()), ("signals", names.as_str().into())];
        logging::event(log::Level::Warn, "signals ignored or blocked at the start were reset", &facts);
    }
    Ok(inherited)
}

/// Says in ps(1) and pstree(1) what this process is.
fn show(name: &str) {
    title::reserve();
    title::set(&format!("forkd: master {name}"));
    // Without it they show the program's name, which is no harm.
    let _ = title::set_comm("forkd-master");
}
