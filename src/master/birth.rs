//! How a child comes to be: what the master does before and after, and what a worker's first steps are.

use std::{io, mem, rc::Rc};

use super::{
    edition::{self, Work},
    event::{ChildId, Event},
    process::Process,
    program::{self, Newborn},
    world::World,
};
use crate::{
    error::Error,
    ipc::{
        channel::{self, Channel},
        ident::{Generation, RowId},
        message::{Accepts, Order, Report},
    },
    process::{
        program::{Program, ProgramError, Readiness},
        spawn,
    },
    sys::nursery::{self, Part},
    worker::{self, Seat, Serve},
};

impl World<'_> {
    /// Starts a child: a copy of this process, or another program.
    pub(super) fn spawn(&mut self, child: ChildId, generation: Generation, accepts: Accepts) -> Event {
        if let Err(cause) = self.place.reach(child.slot) {
            let cause = Error::system(format!("listen for slot {}", child.slot), cause);
            return Event::SpawnFailed { child, cause: cause.to_string() };
        }
        let Some(row) = self.scoreboard.take() else {
            return Event::SpawnFailed { child, cause: "cannot fork a worker: no row is free".to_owned() };
        };
        let begun = match self.editions.get(generation).map(|edition| edition.work.clone()) {
            Some(Work::Serve(serve)) => self
                .fork(&*serve, child, generation, accepts, row)
                .map_err(|cause| not_forked(cause).to_string()),
            // In a trial it would accept, and the clients are another's.
            #[cfg(feature = "control")]
            Some(Work::Run(_)) if self.programs.rehearsal.is_some() => self
                .fork(&program::Understudy, child, generation, accepts, row)
                .map_err(|cause| not_forked(cause).to_string()),
            Some(Work::Run(program)) => {
                self.start(&program, child, generation, row).map_err(|cause| cause.to_string())
            }
            None => Err(format!("cannot start a worker: generation {generation} is over")),
        };
        match begun {
            Ok(process) => {
                let pid = process.pid;
                self.children.insert(child, process);
                Event::Spawned { child, pid }
            }
            Err(cause) => {
                self.scoreboard.give_back(row);
                Event::SpawnFailed { child, cause }
            }
        }
    }

    fn fork(
        &mut self,
        serve: &dyn Serve,
        child: ChildId,
        generation: Generation,
        accepts: Accepts,
        row: RowId,
    ) -> io::Result<Process> {
        let (ours, theirs) = channel::pair()?;
        let pid = spawn::fork(|| {
            nursery::enter(Part::Worker);
            let seat = self.seat(child, generation, accepts, row, theirs);
            seat.map_or(1, |seat| worker::live(seat, serve))
        })?;
        Ok(Process { pid, channel: Some(ours), voices: None, row })
    }

    fn start(
        &mut self,
        program: &Program,
        child: ChildId,
        generation: Generation,
        row: RowId,
    ) -> Result<Process, ProgramError> {
        let edition = self.editions.get(generation);
        let listen = edition.map_or(&[][..], |edition| &edition.listen);
        let confinement = edition.map(|edition| Rc::clone(&edition.confinement)).unwrap_or_default();
        let newborn = Newborn {
            child,
            generation,
            name: &self.place.name,
            listeners: edition::choose(listen, self.place.listeners.iter().collect()),
            row: self.scoreboard.row(row),
            liveness: edition.and_then(|edition| edition.policy.liveness),
            confinement: &confinement,
        };
        let (pid, voices) = program::start(program, newborn)?;
        if program.readiness() == Readiness::Exec {
            self.known.push(Event::Ready { child });
        }
        Ok(Process { pid, channel: None, voices: Some(voices), row })
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
        drop(self.place.pid_file.take());
        let edition = self.editions.get(generation)?;
        self.children.forget();
        Some(Seat {
            name: self.place.name.clone(),
            slot: child.slot,
            generation,
            master: self.pid,
            listeners: edition::choose(&edition.listen, mem::take(&mut self.place.listeners))
                .into_iter()
                .map(|listener| listener.of_slot(child.slot.number()))
                .collect(),
            limits: edition.limits,
            confinement: Rc::clone(&edition.confinement),
            row: self.scoreboard.row(row),
            channel,
            tether,
            accepts,
        })
    }
}

/// Why there is no copy of this process, and what can be done about it. fork(2).
fn not_forked(cause: io::Error) -> Error {
    let remedy = match cause.raw_os_error() {
        Some(libc::EAGAIN) => "allow more processes: ulimit -u, pids.max",
        Some(libc::ENOMEM) => "free memory, or allow more: ulimit -v, memory.max",
        Some(libc::EMFILE | libc::ENFILE) => "allow more descriptors: ulimit -n, fs.file-max",
        Some(_) | None => return Error::system("fork a worker", cause),
    };
    Error::system("fork a worker", cause).remedy(remedy)
}
