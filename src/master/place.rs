//! What a server holds of the machine before it forks: addresses, a lock, a control socket.
//!
//! Nothing is given back when one of these is merely dropped: a forked child drops its copies too. [`Place::leave`] is
//! the master's to call, once.

use std::{
    io, mem,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::fchown,
    },
    path::{Path, PathBuf},
};
#[cfg(feature = "control")]
use {super::upgrade::State, crate::listener::packed::Packed};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{edition, event::Queue};
use crate::{
    config::{Settings, runtime_dir},
    error::{Error, Result},
    ipc::{ident::Slot, notify},
    listener::{self, Address, BindError, Dealing, Listener, Queues, kept},
    logging::files,
    process::{
        pidfile::{PidFile, PidFileError},
        privilege::{Account, Confinement},
    },
};

/// How many clients may wait to be accepted; the kernel cuts it to `net.core.somaxconn`. See listen(2).
const BACKLOG: u32 = 4096;
/// The same for the control socket.
const CALLERS: u32 = 64;

/// See the module.
#[derive(Debug, Default)]
pub struct Place {
    /// The server's name.
    pub name: String,
    /// What its workers accept from. The master keeps them until it stops, so that a worker's death costs no queued
    /// connection.
    pub listeners: Vec<Listener>,
    /// The lock that says who we are.
    pub pid_file: Option<PidFile>,
    /// Where requests come in.
    pub control: Option<Listener>,
    /// The names under which a service manager keeps listeners of ours.
    entrusted: Vec<String>,
}

impl Place {
    /// Takes all of it, or nothing.
    ///
    /// # Errors
    /// An address that cannot be listened on, a lock that another server holds, a runtime directory that cannot be
    /// used; each with its remedy.
    pub fn take(settings: &Settings, dealing: Dealing, confinement: &Confinement) -> Result<Self> {
        let mut place = Self::default();
        match place.fill(settings, dealing, confinement) {
            Ok(()) => Ok(place),
            Err(cause) => {
                place.leave();
                Err(cause)
            }
        }
    }

    /// The same as another program held it, and what the settings name besides.
    ///
    /// # Errors
    /// For an address that cannot be listened on, or when something did not come with the luggage.
    #[cfg(feature = "control")]
    pub fn resume(settings: &Settings, dealing: Dealing, state: &State) -> Result<Self> {
        let claimed = || -> io::Result<Self> {
            let listeners = state.listeners.iter().cloned().map(Packed::unpack).collect::<io::Result<_>>()?;
            let pid_file = state.pid_file.clone().map(PidFile::unpack).transpose()?;
            Ok(Self { name: state.name.clone(), listeners, pid_file, ..Self::default() })
        };
        let mut place = claimed().map_err(|cause| Error::system("take over what was open", cause))?;
        place.listen(&settings.listen, dealing)?;
        Ok(place)
    }

    /// The same for a trial: it listens where the server does, and nothing of that is its own.
    ///
    /// # Errors
    /// As [`Place::resume`].
    #[cfg(feature = "control")]
    pub fn borrow(settings: &Settings, dealing: Dealing, state: &State) -> Result<Self> {
        let borrowed = state.listeners.iter().cloned().map(|packed| packed.borrowed().unpack());
        let listeners = borrowed.collect::<io::Result<_>>();
        let listeners = listeners.map_err(|cause| Error::system("take over what was open", cause))?;
        let mut place = Self { name: state.name.clone(), listeners, ..Self::default() };
        place.listen(&settings.listen, dealing)?;
        Ok(place)
    }

    /// Addresses come first, since a name may be made of a port; then the lock, which says who may take the name.
    fn fill(&mut self, settings: &Settings, dealing: Dealing, confinement: &Confinement) -> Result<()> {
        if let Some(user) = confinement.master() {
            self.take_as_root(settings, dealing, user)?;
            confinement.drop_master().map_err(|cause| Error::failed(cause.to_string()))?;
        }
        self.listen(&settings.listen, dealing)?;
        self.listeners = edition::choose(&settings.listen, mem::take(&mut self.listeners));
        let port = self.listeners.first().and_then(|listener| listener.local().port());
        self.name = settings.name_with_port(port);
        if let Some(dir) = &settings.runtime_dir {
            runtime_dir::prepare(dir, None)?;
        }
        if let Some(path) = pid_path(settings, &self.name) {
            self.pid_file = Some(PidFile::create(path).map_err(|cause| unlocked(cause, &self.name))?);
        }
        if let Some(dir) = &settings.runtime_dir {
            let path = dir.join(format!("{}.sock", self.name));
            self.control = Some(listener::bind_private(&path, CALLERS).map_err(unbound)?);
        }
        Ok(())
    }

    /// What a master has before it becomes this user: addresses that may take root, and what it could not be given later. What
    /// has a place in the file system comes after that, so that it is the user's and can be removed again.
    fn take_as_root(&mut self, settings: &Settings, dealing: Dealing, user: &Account) -> Result<()> {
        let ports: Vec<_> =
            settings.listen.iter().filter(|address| !matches!(address, Address::Unix(_))).cloned().collect();
        self.listen(&ports, dealing)?;
        if let Some(dir) = &settings.runtime_dir {
            runtime_dir::prepare(dir, Some(user))?;
        }
        let Account { user: Some(number), .. } = user else { return Ok(()) };
        let given = |cause| Error::system(format!("give what the master has to {user}"), cause);
        // A port may take root, and a group of sockets one owner.
        for slot in 1..=settings.workers.range().most {
            self.reach(Slot::new(slot)).map_err(given)?;
        }
        let mut sockets = self.listeners.iter().flat_map(Listener::sockets);
        sockets.try_for_each(|socket| fchown(socket, Some(*number), None)).map_err(given)?;
        files::all().iter().try_for_each(|log| log.give_to(*number, user.group())).map_err(given)
    }

    /// Listens on those of the addresses on which it does not yet, or on none of them.
    ///
    /// # Errors
    /// For an address that cannot be listened on.
    pub fn listen(&mut self, addresses: &[Address], dealing: Dealing) -> Result<()> {
        self.dealing(dealing)?;
        let before = self.listeners.len();
        for (index, address) in addresses.iter().enumerate() {
            // A port 0 that is named twice means two ports.
            let wanted = addresses[..=index].iter().filter(|other| *other == address).count();
            if self.listeners.iter().filter(|listener| listener.address() == address).count() >= wanted {
                continue;
            }
            match listener::bind(address, BACKLOG) {
                Ok(listener) => self.take_in(listener, dealing),
                Err(cause) => {
                    self.listeners.drain(before..).for_each(|listener| remove(&listener));
                    return Err(unbound(cause));
                }
            }
        }
        Ok(())
    }

    fn take_in(&mut self, listener: Listener, dealing: Dealing) {
        let queues = dealing.at(listener.address());
        let listener = listener.with(queues);
        // Somebody asked for a queue for each slot: nobody does so by default where it cannot be.
        if dealing.streams == Queues::PerSlot && listener.queues() == Queues::One {
            log::info!(
                "{} has one queue for all workers: it cannot be balanced by reuseport",
                listener.local()
            );
        }
        self.listeners.push(listener);
    }

    /// Has the listeners that there are keep to that: one queue can become several, but not the other way round.
    fn dealing(&mut self, dealing: Dealing) -> Result<()> {
        let too_many =
            |listener: &&mut Listener| dealing.at(listener.address()) == Queues::One && listener.count() > 1;
        if let Some(listener) = self.listeners.iter_mut().find(too_many) {
            let text = format!("cannot serve {} with one queue: it has one for each slot", listener.local());
            return Err(Error::usage(text).remedy("put balance back, or stop the server and start it"));
        }
        for listener in mem::take(&mut self.listeners) {
            let queues = dealing.at(listener.address());
            self.listeners.push(listener.with(queues));
        }
        Ok(())
    }

    /// Sees to it that this slot has a socket at each listener where every slot has its own. Where a master that has dropped
    /// itself may bind no more, the slot shares the queue of the first.
    ///
    /// # Errors
    /// Those of socket(2) and bind(2).
    pub fn reach(&mut self, slot: Slot) -> io::Result<()> {
        self.listeners.iter_mut().try_for_each(|listener| match listener.reach(slot.number(), BACKLOG) {
            Err(cause) if cause.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            reached => reached,
        })
    }

    /// How many slots have a socket of their own; none where all share one.
    pub fn sockets(&self) -> u32 {
        let own = self.listeners.iter().filter(|listener| listener.queues() == Queues::PerSlot);
        own.map(|listener| u32::try_from(listener.count()).unwrap_or(u32::MAX)).max().unwrap_or_default()
    }

    /// Keeps of the listeners at each address as many as are wanted there; closes the others, and removes their socket
    /// files.
    pub fn keep(&mut self, wanted: impl Fn(&Address) -> usize) {
        let mut kept: Vec<Listener> = Vec::new();
        for listener in self.listeners.drain(..) {
            let there = kept.iter().filter(|other| other.address() == listener.address()).count();
            if there < wanted(listener.address()) {
                kept.push(listener);
            } else {
                remove(&listener);
            }
        }
        self.listeners = kept;
    }

    /// Gives a service manager the listeners to keep, so that their queues outlive this process, and takes back those
    /// that are no longer listened on.
    ///
    /// A name may mean several sockets and is taken back as a whole: so whatever still has it is given again.
    pub fn entrust(&mut self) {
        let sockets: Vec<_> = self.listeners.iter().flat_map(named).collect();
        let names: Vec<_> = sockets.iter().map(|(name, _)| name.clone()).collect();
        let mut before = mem::replace(&mut self.entrusted, names.clone());
        before.extend(kept::drop_rest());
        let count = |among: &[String], name: &String| among.iter().filter(|other| *other == name).count();
        let mut gone: Vec<_> =
            before.iter().filter(|name| count(&names, name) < count(&before, name)).collect();
        gone.dedup();
        gone.iter().for_each(|name| notify::take_back(name));
        for (name, socket) in sockets {
            if !before.contains(&name)
                || gone.contains(&&name)
                || count(&names, &name) > count(&before, &name)
            {
                notify::entrust(&name, socket);
            }
        }
    }

    /// Whether it has made sockets since it last entrusted them.
    pub fn has_more_to_entrust(&self) -> bool {
        !self.entrusted.is_empty() && self.listeners.iter().flat_map(named).count() > self.entrusted.len()
    }

    /// Whether clients wait to be accepted: a listening socket is readable then, of whatever family. poll(2).
    pub fn queue(&self) -> Queue {
        let mut doors: Vec<_> =
            self.listeners.iter().map(|listener| PollFd::new(listener.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut doors, PollTimeout::ZERO) {
            Ok(1..) => Queue::Waiting,
            Ok(_) | Err(_) => Queue::Empty,
        }
    }

    /// Takes no new client any more. The queues live as long as a worker holds them.
    pub fn close_listeners(&mut self) {
        for listener in self.listeners.drain(..) {
            remove(&listener);
        }
    }

    /// Removes what would outlive the process: socket files and the pid file.
    pub fn leave(&self) {
        for listener in self.listeners.iter().chain(&self.control) {
            remove(listener);
        }
        if let Some(file) = &self.pid_file {
            file.remove();
        }
    }
}

/// Removes a listener's socket file, if it has one and it is still its own.
pub fn remove(listener: &Listener) {
    if let Err(cause) = listener.remove_path() {
        log::warn!("cannot remove {}: {cause}", listener.local());
    }
}

/// The sockets of a listener that can be kept, with their names.
fn named(listener: &Listener) -> impl Iterator<Item = (String, BorrowedFd<'_>)> {
    listener.numbered().filter_map(|(slot, fd)| Some((kept::name_of(listener.address(), slot)?, fd)))
}

fn pid_path(settings: &Settings, name: &str) -> Option<PathBuf> {
    let default = || Some(settings.runtime_dir.as_ref()?.join(format!("{name}.pid")));
    settings.pid_file.clone().or_else(default)
}

fn unbound(cause: BindError) -> Error {
    if cause.is_usage() { Error::usage(cause.to_string()) } else { Error::failed(cause.to_string()) }
}

fn unlocked(cause: PidFileError, name: &str) -> Error {
    match cause {
        PidFileError::Locked { path, pid } => {
            let holder =
                pid.map_or_else(|| "another server".to_owned(), |pid| format!("the server with pid {pid}"));
            Error::failed(format!("cannot start {name}: {holder} holds {}", shown(&path)))
                .remedy("stop it, or give this one another --name or --pid-file")
        }
        PidFileError::Unsafe { path, why } => {
            Error::failed(format!("cannot use pid file {}: {why}", shown(&path)))
                .remedy("name another with --pid-file")
        }
        PidFileError::System { path, cause } => {
            Error::system(format!("write pid file {}", shown(&path)), cause)
                .remedy("name another with --pid-file")
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
