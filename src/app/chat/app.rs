//! The room as an application: which door a connection came by decides what is spoken on it.

use std::{
    io,
    net::UdpSocket,
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
    process,
    rc::Rc,
};

use super::{
    browser::Browser,
    lines::Lines,
    room::{Room, Rules},
    sqlite::{Keeping, Sqlite},
    store::Via,
};
use crate::{
    app::http::{Http, HttpSession},
    ipc::bus::Bus,
    worker::{
        Worker,
        session::{Application, Datagrams, Exchange, Flow, Limit, Peer, Session, Wake, Wakes},
    },
};

/// What a worker of a chat server is told.
pub struct Plan {
    /// Where the store is.
    pub store: PathBuf,
    /// For how long.
    pub keeping: Keeping,
    /// The bell, made before the fork.
    pub bus: Rc<Bus>,
    /// The room's rules.
    pub rules: Rules,
    /// How many of the listeners are for browsers: they come first. All others are for lines, but for one.
    pub browsers: usize,
    /// Which of the listeners is for datagrams.
    pub datagrams: Option<usize>,
}

/// The room in one worker.
pub struct Chat {
    room: Rc<Room>,
    http: Http<Browser>,
    browsers: usize,
}

/// One connection.
pub enum Visit {
    /// At the door of browsers.
    Browser(HttpSession<Browser>),
    /// At the door of lines.
    Lines(Lines),
}

/// The room receives datagrams by itself, in one worker at a time: see [`Room`].
#[derive(Debug, Clone, Copy)]
pub struct ByKeeper;

impl Chat {
    /// Opens the room in a worker.
    ///
    /// # Errors
    /// When the store cannot be opened, or no descriptor is left.
    pub fn open(worker: &Worker, plan: Plan) -> io::Result<Self> {
        let via = Via { slot: worker.slot(), pid: process::id() };
        let store = Sqlite::open(&plan.store, plan.keeping, via)?;
        let door = plan.datagrams.and_then(|number| worker.listeners().get(number));
        let door = door.map(|door| door.as_fd().try_clone_to_owned()).transpose()?.map(UdpSocket::from);
        let room = Room::open(Box::new(store), plan.bus, plan.rules, door)?;
        let http = Http::serving(Browser::new(Rc::clone(&room))).body_limit(Browser::LONGEST);
        Ok(Self { room, http, browsers: plan.browsers })
    }
}

impl Application for Chat {
    type Session = Visit;

    fn open(&self, peer: &Peer) -> Visit {
        if peer.listener < self.browsers {
            Visit::Browser(self.http.open(peer))
        } else {
            Visit::Lines(Lines::new(Rc::clone(&self.room)))
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.room.descriptor())
    }

    fn on_news(&self) -> io::Result<Wakes> {
        self.room.look()?;
        Ok(Wakes::Everyone)
    }
}

impl Session for Visit {
    fn on_open(&mut self, io: &mut Exchange<'_>) -> Flow {
        match self {
            Self::Browser(http) => http.on_open(io),
            Self::Lines(lines) => lines.on_open(io),
        }
    }

    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        match self {
            Self::Browser(http) => http.on_bytes(io),
            Self::Lines(lines) => lines.on_bytes(io),
        }
    }

    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        match self {
            Self::Browser(http) => http.on_end(io),
            Self::Lines(lines) => lines.on_end(io),
        }
    }

    fn on_wake(&mut self, io: &mut Exchange<'_>, wake: Wake) -> Flow {
        match self {
            Self::Browser(http) => http.on_wake(io, wake),
            Self::Lines(lines) => lines.on_wake(io, wake),
        }
    }

    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        match self {
            Self::Browser(http) => http.on_drain(io),
            Self::Lines(lines) => lines.on_drain(io),
        }
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, limit: Limit) -> Flow {
        match self {
            Self::Browser(http) => http.on_timeout(io, limit),
            Self::Lines(lines) => lines.on_timeout(io, limit),
        }
    }
}

impl Datagrams for ByKeeper {
    fn on_datagram(&mut self, _: &Peer, _: &[u8], _: &mut dyn FnMut(&[u8])) {}

    fn receives_itself(&self) -> bool {
        true
    }
}
