//! What a generation runs with: where it listens, what it serves, under which limits.
//!
//! A reload makes a new edition beside the old one. Until the new generation is trusted both are kept, so that either
//! side can fork workers of its own kind; then the one that lost is let go.

use std::{borrow::Borrow, rc::Rc, sync::Arc};

use super::{
    policy::{Pausing, Policy},
    protocols::Protocols,
};
use crate::{
    config::Range,
    ipc::ident::Generation,
    listener::{Address, Dealing, Listener},
    logging::files::LogFile,
    process::{privilege::Confinement, program::Program},
    worker::{self, Serve, Taking},
};

/// See the module.
#[derive(Clone)]
pub struct Edition<'a> {
    /// What is spoken on stream listeners, for `status`.
    pub protocols: Protocols,
    /// Where its workers accept, of all that the master listens on.
    pub listen: Vec<Address>,
    /// With how many queues.
    pub dealing: Dealing,
    /// How many workers its settings ask for. Somebody may have scaled it since: a reload changes the number only if
    /// the settings did.
    pub workers: Range,
    /// The limits on them.
    pub policy: Policy,
    /// The limits on their clients.
    pub limits: worker::Limits,
    /// What its workers give up.
    pub confinement: Rc<Confinement>,
    /// The logs that its workers write beside the common one, open.
    #[expect(dead_code, reason = "they stay open as long as somebody holds them")]
    pub logs: Vec<Arc<LogFile>>,
    /// What fills the slots.
    pub work: Work<'a>,
}

/// What a child does.
#[derive(Clone)]
pub enum Work<'a> {
    /// It is a worker of ours: a copy of the master that serves.
    Serve(Rc<dyn Serve + 'a>),
    /// It is another program.
    Run(Rc<Program>),
}

impl Work<'_> {
    /// The word for it, beside those of the worker models.
    pub fn model(&self) -> &'static str {
        match self {
            Self::Serve(serve) => serve.model(),
            Self::Run(_) => "program",
        }
    }

    /// How many clients it takes at a time.
    pub fn taking(&self) -> Taking {
        match self {
            Self::Serve(serve) => serve.taking(),
            Self::Run(_) => Taking::Many,
        }
    }

    /// Whether one of its workers can take from the queue of another's slot too.
    pub fn looks_after_others(&self) -> bool {
        match self {
            Self::Serve(serve) => serve.looks_after_others(),
            Self::Run(_) => false,
        }
    }

    /// Whether it can be told to leave the queue alone.
    pub fn pausing(&self) -> Pausing {
        match self {
            Self::Serve(_) => Pausing::Possible,
            Self::Run(_) => Pausing::Impossible,
        }
    }
}

/// The editions of the generations that are alive, oldest first: one, and during a reload two.
pub struct Editions<'a>(Vec<(Generation, Edition<'a>)>);

impl<'a> Editions<'a> {
    /// Those of a program in which this generation is the first.
    pub fn of(generation: Generation, edition: Edition<'a>) -> Self {
        Self(vec![(generation, edition)])
    }

    /// That of this generation, if it is alive.
    pub fn get(&self, generation: Generation) -> Option<&Edition<'a>> {
        self.0.iter().find(|(number, _)| *number == generation).map(|(_, edition)| edition)
    }

    /// The youngest: there is always one.
    pub fn newest(&self) -> &Edition<'a> {
        &self.0[self.0.len() - 1].1
    }

    /// One more.
    pub fn insert(&mut self, generation: Generation, edition: Edition<'a>) {
        self.0.push((generation, edition));
    }

    /// Lets one go, unless it is the last.
    pub fn retire(&mut self, generation: Generation) {
        if self.0.len() > 1 {
            self.0.retain(|(number, _)| *number != generation);
        }
    }

    /// How many listeners at this address they need.
    pub fn listeners_at(&self, address: &Address) -> usize {
        let count = |edition: &Edition<'_>| edition.listen.iter().filter(|other| *other == address).count();
        self.0.iter().map(|(_, edition)| count(edition)).max().unwrap_or_default()
    }
}

/// Those of the listeners on which an edition accepts, in the order in which it names them.
pub fn choose<L: Borrow<Listener>>(listen: &[Address], mut listeners: Vec<L>) -> Vec<L> {
    let mut take = |address: &Address| {
        let place = listeners.iter().position(|listener| listener.borrow().address() == address)?;
        Some(listeners.remove(place))
    };
    listen.iter().filter_map(&mut take).collect()
}
