//! One process of ours, as the master holds it: its number, and what it is heard by.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

#[cfg(feature = "control")]
use super::{event::ChildId, program};
use super::{interest::Interest, program::Voices};
#[cfg(feature = "control")]
use crate::{
    ipc::scoreboard::Scoreboard,
    sys::luggage::{Luggage, Ticket, claim},
};
use crate::{
    ipc::{
        channel::Channel,
        ident::RowId,
        message::{Order, Report},
    },
    process::{Pid, signal, wait},
};

/// See the module.
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

impl Process {
    /// From now on it is heard.
    ///
    /// # Errors
    /// As [`Interest::enter`].
    pub fn enter(&self, interest: &Interest) -> io::Result<()> {
        self.fds().try_for_each(|fd| interest.enter(self.pid, fd))
    }

    /// It is heard no more.
    pub fn leave(&self, interest: &Interest) {
        self.fds().for_each(|fd| interest.leave(fd));
    }

    /// A worker is heard by one descriptor, a program by several.
    fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let voices = self.voices.iter().flat_map(Voices::fds);
        self.channel.iter().map(AsFd::as_fd).chain(voices)
    }

    /// Says of an order that it could not be sent.
    pub fn note(&self, sent: io::Result<()>) {
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
    pub fn reap(&self) -> Option<wait::Exit> {
        if self.voices.is_some() && wait::has_ended(self.pid) {
            // The one that ended is in the group still, so that there is somebody to signal.
            let _ = signal::send_group(self.pid, libc::SIGKILL);
        }
        wait::watch(self.pid).ok()?
    }
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

#[cfg(feature = "control")]
impl Process {
    /// Puts what it is heard by into the luggage.
    pub fn pack(&self, child: ChildId, luggage: &mut Luggage) -> Packed {
        Packed {
            child,
            pid: self.pid.as_raw(),
            channel: self.channel.as_ref().map(|channel| luggage.put(channel)),
            voices: self.voices.as_ref().map(|voices| voices.pack(luggage)),
            row: self.row,
        }
    }
}

#[cfg(feature = "control")]
impl Packed {
    /// The same as it was.
    ///
    /// # Errors
    /// When a descriptor did not come with the luggage.
    pub fn unpack(self, scoreboard: &Scoreboard) -> io::Result<(ChildId, Process)> {
        let Self { child, pid, channel, voices, row } = self;
        let channel = channel.map(claim).transpose()?.map(Channel::over);
        let voices = voices.map(|voices| voices.unpack(scoreboard.row(row))).transpose()?;
        Ok((child, Process { pid: Pid::from_raw(pid), channel, voices, row }))
    }
}
