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
    interest::Interest,
    process::Process,
    tail::Tail,
};
use crate::{
    ipc::{
        channel::Received,
        message::{Order, Report},
        scoreboard::{Reading, Scoreboard},
    },
    process::{Pid, exit::ExitStatus, signal, usage},
};
#[cfg(feature = "control")]
use {
    super::{process::Packed, upgrade::Trial},
    crate::sys::luggage::Luggage,
};

/// A message flood is read in portions, so that one child cannot keep the master from the others.
const MESSAGES_AT_ONCE: usize = 16;

/// The table.
#[derive(Debug)]
pub struct Children {
    processes: BTreeMap<ChildId, Process>,
    /// The same by pid.
    ids: BTreeMap<Pid, ChildId>,
    /// What they are heard by; `None` in a forked child, which has dropped it.
    interest: Option<Interest>,
    /// The trial child of an upgrade: no worker, but ours to reap.
    #[cfg(feature = "control")]
    pub trial: Option<Trial>,
}

impl Children {
    /// A table without children.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when no descriptor is left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            processes: BTreeMap::new(),
            ids: BTreeMap::new(),
            interest: Some(Interest::new()?),
            #[cfg(feature = "control")]
            trial: None,
        })
    }

    /// Enters a child that was just forked. One that cannot be heard is of no use.
    pub fn insert(&mut self, id: ChildId, process: Process) {
        let pid = process.pid;
        let heard = self.interest.as_ref().map_or(Ok(()), |interest| process.enter(interest));
        self.ids.insert(pid, id);
        self.processes.insert(id, process);
        if let Err(cause) = heard {
            log::error!("cannot listen to pid {pid}: {cause} (raise fs.epoll.max_user_watches)");
            self.kill(id);
        }
    }

    /// One child.
    pub fn get(&self, id: ChildId) -> Option<&Process> {
        self.processes.get(&id)
    }

    /// Whether a process is one of ours.
    pub fn knows(&self, pid: Pid) -> bool {
        self.ids.contains_key(&pid) || self.is_trial(pid)
    }

    /// What a forked child does with its copy: it must hold nobody's channel open but its own.
    pub fn forget(&mut self) {
        self.interest = None;
        self.processes.clear();
    }

    /// What to wait for: readable when one of them has something to say.
    pub fn voice(&self) -> Option<BorrowedFd<'_>> {
        self.interest.as_ref().map(AsFd::as_fd)
    }

    /// What those have to say who have something to say.
    pub fn hear(&mut self, events: &mut Vec<Event>) {
        for pid in self.interest.as_ref().map(Interest::ready).unwrap_or_default() {
            if let Some(id) = self.ids.get(&pid) {
                self.hear_one(*id, events);
            }
        }
    }

    fn hear_one(&mut self, id: ChildId, events: &mut Vec<Event>) {
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
                Received::Closed => {
                    let channel = process.channel.take();
                    channel
                        .iter()
                        .zip(&self.interest)
                        .for_each(|(channel, list)| list.leave(channel.as_fd()));
                }
            }
        }
    }

    /// Takes in what the kernel has to say of this process: its end, or that it was stopped or goes on. `None` if it is
    /// none of ours, or there is nothing.
    pub fn reap(&mut self, pid: Pid, scoreboard: &mut Scoreboard, events: &mut Vec<Event>) -> Option<()> {
        if self.is_trial(pid) {
            return self.reap_trial().map(|event| events.push(event));
        }
        let id = *self.ids.get(&pid)?;
        let exit = self.processes.get(&id)?.reap()?;
        match exit.status {
            ExitStatus::Stopped(_) => events.push(Event::Stopped { child: id }),
            ExitStatus::Continued => events.push(Event::Continued { child: id }),
            ExitStatus::Exited(_) | ExitStatus::Signaled { .. } => {
                self.bury(id, exit.status, scoreboard, events);
            }
        }
        Some(())
    }

    /// Asks for each of ours by its own pid: for where the kernel names somebody first who is not ours to reap. wait4(2).
    pub fn reap_each(&mut self, scoreboard: &mut Scoreboard, events: &mut Vec<Event>) {
        let pids: Vec<_> = self.ids.keys().copied().chain(self.trial_pid()).collect();
        for pid in pids {
            self.reap(pid, scoreboard, events);
        }
    }

    fn bury(
        &mut self,
        id: ChildId,
        status: ExitStatus,
        scoreboard: &mut Scoreboard,
        events: &mut Vec<Event>,
    ) {
        // Its last words may still be in the channel.
        self.hear_one(id, events);
        let Some(process) = self.processes.remove(&id) else { return };
        self.ids.remove(&process.pid);
        self.interest.iter().for_each(|interest| process.leave(interest));
        let row = process.row;
        if let Some(mut voices) = process.voices {
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

    fn trial_pid(&self) -> Option<Pid> {
        None
    }

    fn reap_trial(&mut self) -> Option<Event> {
        None
    }
}

#[cfg(feature = "control")]
impl Children {
    fn is_trial(&self, pid: Pid) -> bool {
        self.trial_pid() == Some(pid)
    }

    fn trial_pid(&self) -> Option<Pid> {
        self.trial.as_ref().and_then(Trial::pid)
    }

    fn reap_trial(&mut self) -> Option<Event> {
        self.trial.as_mut()?.reap()
    }

    /// Puts the channels into the luggage, and says which process is whose.
    pub fn pack(&self, luggage: &mut Luggage) -> Vec<Packed> {
        self.processes.iter().map(|(id, process)| process.pack(*id, luggage)).collect()
    }

    /// The table as it was.
    ///
    /// # Errors
    /// When a channel did not come with the luggage.
    pub fn unpack(packed: Vec<Packed>, scoreboard: &Scoreboard) -> io::Result<Self> {
        let mut children = Self::new()?;
        for packed in packed {
            let (id, process) = packed.unpack(scoreboard)?;
            children.insert(id, process);
        }
        Ok(children)
    }
}
