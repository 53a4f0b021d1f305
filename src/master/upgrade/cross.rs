//! The master's side of both journeys: into a trial child, and into another program.

use std::{
    convert::Infallible,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use super::{
    VERSION,
    role::Role,
    state::{PackedOld, Rehearsal, State, state_file},
    trial::{self, Trial},
};
use crate::{
    master::{
        event::{Event, Program},
        supervisor::Supervisor,
        world::{Effect, World},
    },
    process::{
        Pid, death, fds,
        image::Image,
        limits,
        origin::{self, Origin},
        signal, spawn, words,
    },
    sys::luggage::{Luggage, claim},
};

/// Variables by which a trial child would speak to the parent of the whole server in its master's name.
const NOT_FOR_A_TRIAL: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The programs that this process may become, and what it shows if it is a trial.
#[derive(Debug)]
pub struct Programs {
    /// The one that an upgrade reads anew, if nobody names another.
    pub next: PathBuf,
    /// The one to go back to, while an upgrade may fail.
    pub old: Option<Old>,
    /// How to answer as a trial.
    pub rehearsal: Option<Rehearsal>,
}

impl Default for Programs {
    fn default() -> Self {
        Self { next: origin::note().program.clone(), old: None, rehearsal: None }
    }
}

/// A program to go back to.
#[derive(Debug)]
pub struct Old {
    image: Image,
    origin: Origin,
}

impl Old {
    /// The program as it crossed.
    ///
    /// # Errors
    /// When it did not come with the luggage.
    pub fn unpack(packed: PackedOld) -> io::Result<Self> {
        Ok(Self { image: claim(packed.image)?.into(), origin: packed.origin })
    }
}

impl World<'_> {
    /// Starts a trial child of a program: the answer comes when it has ended, or now if it could not be started.
    pub fn try_program(&mut self, binary: Option<PathBuf>, supervisor: &Supervisor) -> Effect {
        let path = binary.unwrap_or_else(|| self.programs.next.clone());
        let result =
            Image::open(&path).map_err(|cause| format!("cannot open {}: {}", path.display(), words(&cause)));
        let started = result.and_then(|image| {
            let started = self.start_trial(&path, &image, supervisor);
            let (pid, answer) =
                started.map_err(|cause| format!("cannot start a trial: {}", words(&cause)))?;
            Ok(Trial::new(path, image, pid, answer))
        });
        match started {
            Ok(trial) => {
                self.children.trial = Some(trial);
                Effect::None
            }
            Err(why) => Effect::Caused(Event::Tried { result: Err(why) }),
        }
    }

    fn start_trial(
        &mut self,
        path: &Path,
        image: &Image,
        supervisor: &Supervisor,
    ) -> io::Result<(Pid, OwnedFd)> {
        let (read, write) = trial::pipe()?;
        let file = state_file()?;
        let mut written = self.state(supervisor, None, &mut Luggage::default())?;
        // Of all that the state names, the listeners cross: a trial has no business with the rest.
        let mut luggage = Luggage::default();
        self.place.listeners.iter().for_each(|listener| drop(listener.pack(&mut luggage)));
        luggage.put(image);
        let (state, answer) = (luggage.put(&file), luggage.put(&write));
        written.luggage = luggage.tickets().to_vec();
        written.write(&file)?;
        let pid = spawn::fork(|| {
            let Err(cause) = self.become_trial(path, image, &luggage, &Role::Trial { state, answer });
            // The program did not get to it, so the answer is ours to give.
            let answer = format!("failed cannot execute {}: {}", path.display(), words(&cause));
            let _ = nix::unistd::write(&write, answer.as_bytes());
            1
        })?;
        Ok((pid, read))
    }

    /// The trial's first steps, in a child that has not yet executed anything.
    fn become_trial(
        &mut self,
        path: &Path,
        image: &Image,
        luggage: &Luggage,
        role: &Role,
    ) -> io::Result<Infallible> {
        // A group of its own, so that what it starts goes with it.
        let _ = nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0));
        drop(self.sources.take());
        if !death::bind_to_parent(self.pid) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        signal::reset_inherited();
        signal::default(libc::SIGPIPE)?;
        fds::silence_stdio()?;
        let mut origin = self.origin_of(path);
        origin.environment.retain(|(name, _)| NOT_FOR_A_TRIAL.iter().all(|other| name != other));
        let _lifted = luggage.lift()?;
        origin.run(image, role.variable(std::process::id()))
    }

    /// How the program at this path is to be started: as this one was, but that a program which was named is called by
    /// its name.
    fn origin_of(&self, path: &Path) -> Origin {
        let mut origin = origin::note().clone();
        if path != self.programs.next || origin.arguments.is_empty() {
            origin.arguments.splice(..origin.arguments.len().min(1), [path.into()]);
        }
        origin
    }

    /// Becomes another program; the answer is why it could not.
    pub fn cross(&mut self, to: Program, supervisor: &Supervisor) -> Event {
        // From here on no handler runs: what comes waits in the kernel for the handlers of the next program.
        let mask = signal::block_all();
        let result = self.become_program(to, supervisor);
        if let Ok(mask) = mask {
            signal::restore(&mask);
        }
        match to {
            Program::New => self.children.trial = None,
            // What the old program ran with is not known here: its generation gets what we run with.
            Program::Old => self.editions.insert(supervisor.generation(), self.editions.newest().clone()),
        }
        let Err(cause) = result;
        Event::CrossFailed { cause: words(&cause) }
    }

    fn become_program(&mut self, to: Program, supervisor: &Supervisor) -> io::Result<Infallible> {
        if let Some(sources) = &mut self.sources {
            sources.hold();
        }
        let mut luggage = Luggage::default();
        let file = state_file()?;
        let state = luggage.put(&file);
        match to {
            Program::New => {
                let trial = self.children.trial.as_ref().ok_or(io::ErrorKind::NotFound)?;
                luggage.put(&trial.image);
                let running = Image::running()?;
                let old = luggage.put(&running);
                let mut origin = origin::note().clone();
                origin.program.clone_from(&self.programs.next);
                let mut written =
                    self.state(supervisor, Some(PackedOld { image: old, origin }), &mut luggage)?;
                written.program.clone_from(&trial.path);
                written.write(&file)?;
                let role = Role::Successor { state, old }.variable(std::process::id());
                let _lifted = luggage.lift()?;
                self.origin_of(&trial.path).run(&trial.image, role)
            }
            Program::Old => {
                let old = self.programs.old.as_ref().ok_or(io::ErrorKind::NotFound)?;
                luggage.put(&old.image);
                let mut written = self.state(supervisor, None, &mut luggage)?;
                written.program.clone_from(&old.origin.program);
                written.write(&file)?;
                let role = Role::Returned { state, why: None }.variable(std::process::id());
                let _lifted = luggage.lift()?;
                old.origin.run(&old.image, role)
            }
        }
    }

    /// All that there is of this master, written down; the descriptors go into the luggage.
    fn state(
        &self,
        supervisor: &Supervisor,
        old: Option<PackedOld>,
        luggage: &mut Luggage,
    ) -> io::Result<State> {
        // Both are there in a master.
        let (Some(sources), Some(lifeline)) = (&self.sources, &self.lifeline) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let (inherited, held) = sources.unheard();
        let mut estate = Vec::new();
        (self.hooks.on_cross)(&mut |shared| estate.push(luggage.put(shared)));
        Ok(State {
            version: VERSION,
            name: self.place.name.clone(),
            began: self.began,
            workers: self.editions.newest().workers.least,
            most_workers: Some(self.editions.newest().workers.most),
            program: self.programs.next.clone(),
            old,
            supervisor: supervisor.clone(),
            listeners: self.place.listeners.iter().map(|listener| listener.pack(luggage)).collect(),
            desk: sources.pack(luggage),
            pid_file: self.place.pid_file.as_ref().map(|file| file.pack(luggage)),
            scoreboard: self.scoreboard.pack(luggage),
            lifeline: lifeline.pack(luggage),
            children: self.children.pack(luggage),
            adoption: self.adoption.clone(),
            descriptors_at_start: limits::descriptors_at_start(),
            inherited: inherited.to_vec(),
            held: held.to_vec(),
            estate,
            luggage: luggage.tickets().to_vec(),
        })
    }
}
