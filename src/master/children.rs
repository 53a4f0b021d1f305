//! The master's own table of its processes: the only place that knows which pid is whose.
//!
//! A pid stands here from the fork until it was reaped, and not a moment longer: so a signal can never reach a
//! stranger that the kernel gave the number to.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use nix::errno::Errno;

use super::{
    action::Warning,
    event::{ChildId, Event, Sight},
    program::Voices,
    tail::Tail,
};
use crate::{
    ipc::{
        channel::{Channel, Received},
        ident::RowId,
        message::{Order, Report},
        scoreboard::{Reading, Scoreboard},
    },
    process::{Pid, exit::ExitStatus, signal, usage, wait},
};
#[cfg(feature = "control")]
use {
    super::{program, upgrade::Trial},
    crate::sys::luggage::{Luggage, Ticket, claim},
};

/// A message flood is read in portions, so that one child cannot keep the master from the others.
const MESSAGES_AT_ONCE: usize = 16;

/// One process of ours.
#[derive(Debug)]
pub struct Process {
    /// Its process number, which is also that of its process group.
    pub pid: Pid,
    /// The master's end of the channel; gone when the child closed its own. A program has none.
    pub channel: Option<Channel<Order, Report>>,
    /// What a program is heard by.
    pub voices: Option<Voices>,
    /// Its row of the scoreboard.
    pub row: RowId,
}

/// The table.
#[derive(Debug, Default)]
pub struct Children {
    processes: BTreeMap<ChildId, Process>,
    /// The trial child of an upgrade: no worker, but ours to reap.
    #[cfg(feature = "control")]
    pub trial: Option<Trial>,
}

/// A child on its way into another program; the process itself stays where it is.
#[cfg(feature = "control")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    child: ChildId,
    pid: i32,
    channel: Option<Ticket>,
    voices: Option<program::Packed>,
    row: RowId,
}

impl Children {
    /// Enters a child that was just forked.
    pub fn insert(&mut self, id: ChildId, process: Process) {
        self.processes.insert(id, process);
    }

    /// One child.
    pub fn get(&self, id: ChildId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether a process is one of ours.
    pub fn knows(&self, pid: Pid) -> bool {
        self.processes.values().any(|process| process.pid == pid) || self.is_trial(pid)
    }

    /// What a forked child does with its copy: it must hold nobody's channel open but its own.
    pub fn forget(&mut self) {
        self.processes.clear();
    }

    /// The descriptors to wait for: a worker has one, a program several.
    pub fn channels(&self) -> impl Iterator<Item = (ChildId, BorrowedFd<'_>)> {
        self.processes.iter().flat_map(|(id, process)| {
            let channel = process.channel.iter().map(AsFd::as_fd);
            let voices = process.voices.iter().flat_map(Voices::fds);
            channel.chain(voices).map(|fd| (*id, fd))
        })
    }

    /// What a child has to say.
    pub fn hear(&mut self, id: ChildId, events: &mut Vec<Event>) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if let Some(voices) = &mut process.voices {
            voices.hear(events);
        }
        for _ in 0..MESSAGES_AT_ONCE {
            let Some(channel) = &process.channel else { return };
            match channel.receive() {
                Received::Message(Report::Ready) => events.push(Event::Ready { child: id }),
                Received::Message(Report::Accepts(accepts)) => {
                    events.push(Event::Accepts { child: id, accepts });
                }
                Received::Message(Report::LastWords(words)) => {
                    let lines = Tail::from(&*words).into_lines();
                    events.push(Event::LastWords { child: id, words: Some(words), lines });
                }
                Received::Garbage => log::debug!("a message of pid {} is none of ours: dropped", process.pid),
                Received::Empty => return,
                Received::Closed => process.channel = None,
            }
        }
    }

    /// Collects those that ended, until nothing is left to collect: signals coalesce, the dead do not.
    ///
    /// Each is asked for by its own pid, so that a child that somebody else forked in this process (a library's, an
    /// application's) is left to whoever waits for it. See wait4(2).
    pub fn reap(&mut self, scoreboard: &mut Scoreboard, events: &mut Vec<Event>) {
        let dead: Vec<_> = self
            .processes
            .iter()
            .filter_map(|(id, process)| Some((*id, process.row, process.reap()?)))
            .collect();
        events.extend(self.reap_trial());
        for (id, row, exit) in dead {
            match exit.status {
                ExitStatus::Stopped(_) => events.push(Event::Stopped { child: id }),
                ExitStatus::Continued => events.push(Event::Continued { child: id }),
                ExitStatus::Exited(_) | ExitStatus::Signaled { .. } => {
                    self.bury(id, row, exit.status, scoreboard, events);
                }
            }
        }
    }

    fn bury(
        &mut self,
        id: ChildId,
        row: RowId,
        status: ExitStatus,
        scoreboard: &mut Scoreboard,
        events: &mut Vec<Event>,
    ) {
        // Its last words may still be in the channel.
        self.hear(id, events);
        let voices = self.processes.remove(&id).and_then(|process| process.voices);
        if let Some(mut voices) = voices {
            let (words, lines) = voices.last_words();
            // Who ends well has not said why it failed.
            let words = words.filter(|_| status != ExitStatus::Exited(0));
            events.push(Event::LastWords { child: id, words, lines });
        }
        let during = scoreboard.read(row).current;
        scoreboard.give_back(row);
        events.push(Event::Exited { child: id, status, during });
    }

    /// Warns a child that is late.
    pub fn warn(&self, id: ChildId, warning: Warning) {
        let signal = match warning {
            Warning::Abort => libc::SIGABRT,
            Warning::Terminate => libc::SIGTERM,
        };
        self.signal(id, |pid| signal::send(pid, signal));
    }

    /// What the rows of all children say.
    pub fn look(&self, scoreboard: &Scoreboard) -> Vec<Sight> {
        let sight = |(id, process): (&ChildId, &Process)| {
            let row = scoreboard.read(process.row);
            // Where an application of its own drives, nobody counts requests: a connection that is gone is one at least.
            let served = row.requests.max(row.accepted.saturating_sub(row.active));
            let Reading { due, request_due, active, current: during, .. } = row;
            Sight { child: *id, due, request_due, during, served, active }
        };
        self.processes.iter().map(sight).collect()
    }

    /// How much memory each has in use, where the kernel says so.
    pub fn weigh(&self) -> Vec<(ChildId, u64)> {
        self.processes.iter().filter_map(|(id, process)| Some((*id, usage::resident(process.pid)?))).collect()
    }

    /// Asks a child to drain. See signal(7).
    pub fn drain(&self, id: ChildId) {
        if let Some(voices) = self.processes.get(&id).and_then(|process| process.voices.as_ref()) {
            voices.draining();
        }
        self.signal(id, |pid| signal::send(pid, libc::SIGTERM));
    }

    /// Ends a child and all that it left in its process group. The child is not reaped yet, so the group is still its.
    pub fn kill(&self, id: ChildId) {
        self.signal(id, |pid| {
            let group = signal::send_group(pid, libc::SIGKILL);
            // Killed in the first moment of its life it may not be the leader of a group yet.
            group.or_else(|_| signal::send(pid, libc::SIGKILL))
        });
    }

    /// Sends an order to every child that listens.
    pub fn order_all(&self, order: Order) {
        for id in self.processes.keys() {
            self.order(*id, order);
        }
    }

    /// Sends an order to every child that listens, with a copy of a file.
    pub fn lend_all(&self, order: Order, file: BorrowedFd<'_>) {
        for process in self.processes.values() {
            let sent = process.channel.as_ref().map_or(Ok(()), |channel| channel.send_with(&order, file));
            process.note(sent);
        }
    }

    /// Sends an order to a child with a copy of a socket.
    ///
    /// # Errors
    /// Those of sendmsg(2); when there is no such child.
    pub fn lend(&self, id: ChildId, order: Order, socket: BorrowedFd<'_>) -> io::Result<()> {
        let channel = self.processes.get(&id).and_then(|process| process.channel.as_ref());
        channel.ok_or(io::ErrorKind::NotConnected)?.send_with(&order, socket)
    }

    /// Sends an order to a child.
    pub fn order(&self, id: ChildId, order: Order) {
        if let Some(process) = self.processes.get(&id) {
            process.note(process.channel.as_ref().map_or(Ok(()), |channel| channel.send(&order)));
        }
    }

    fn signal(&self, id: ChildId, send: impl Fn(Pid) -> io::Result<()>) {
        // A child without an entry was never born: its failed fork is still on the way to the supervisor.
        let Some(process) = self.processes.get(&id) else { return };
        match send(process.pid) {
            Err(cause) if cause.raw_os_error() != Some(Errno::ESRCH as i32) => {
                log::error!("cannot signal pid {}: {cause}", process.pid);
            }
            Ok(()) | Err(_) => {}
        }
    }
}

#[cfg(not(feature = "control"))]
impl Children {
    fn is_trial(&self, _: Pid) -> bool {
        false
    }

    fn reap_trial(&mut self) -> Option<Event> {
        None
    }
}

#[cfg(feature = "control")]
impl Children {
    fn is_trial(&self, pid: Pid) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.is(pid))
    }

    fn reap_trial(&mut self) -> Option<Event> {
        self.trial.as_mut()?.reap()
    }

    /// Puts the channels into the luggage, and says which process is whose.
    pub fn pack(&self, luggage: &mut Luggage) -> Vec<Packed> {
        let pack = |(child, process): (&ChildId, &Process)| Packed {
            child: *child,
            pid: process.pid.as_raw(),
            channel: process.channel.as_ref().map(|channel| luggage.put(channel)),
            voices: process.voices.as_ref().map(|voices| voices.pack(luggage)),
            row: process.row,
        };
        self.processes.iter().map(pack).collect()
    }

    /// The table as it was.
    ///
    /// # Errors
    /// When a channel did not come with the luggage.
    pub fn unpack(packed: Vec<Packed>, scoreboard: &Scoreboard) -> io::Result<Self> {
        let unpack = |Packed { child, pid, channel, voices, row }: Packed| {
            let channel = channel.map(claim).transpose()?.map(Channel::over);
            let voices = voices.map(|voices| voices.unpack(scoreboard.row(row))).transpose()?;
            Ok((child, Process { pid: Pid::from_raw(pid), channel, voices, row }))
        };
        let processes = packed.into_iter().map(unpack).collect::<io::Result<_>>()?;
        Ok(Self { processes, trial: None })
    }
}

impl Process {
    /// Says of an order that it could not be sent.
    fn note(&self, sent: io::Result<()>) {
        match sent {
            // It has ended, and is not reaped yet.
            Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => {
                log::warn!("cannot send an order to pid {}: {cause}", self.pid);
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Reaps it, if it has ended. What a program leaves in its process group goes with it, and before it: once its
    /// leader is reaped the number may be a stranger's. A worker's connection processes have a lifeline of their own.
    fn reap(&self) -> Option<wait::Exit> {
        if self.voices.is_some() && wait::has_ended(self.pid) {
            // The one that ended is in the group still, so that there is somebody to signal.
            let _ = signal::send_group(self.pid, libc::SIGKILL);
        }
        wait::watch(self.pid).ok()?
    }
}
