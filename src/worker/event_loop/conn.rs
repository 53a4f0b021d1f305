//! One connection of an event loop: a socket and its session. While it is idle it holds nothing else.
//!
//! What it needs beyond that (input that is half a message, output that its peer does not take yet) is its spill,
//! which is there only as long as it holds something.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::epoll::EpollFlags;

use crate::{
    ipc::row::Row,
    process::clock::Time,
    worker::{
        output::Output,
        session::Session,
        step::{Kept, Step, Taken, Then, step},
        taking::Taking,
    },
};

/// A connection in the table.
#[derive(Debug)]
pub struct Conn<S> {
    socket: OwnedFd,
    session: S,
    /// What its epoll registration asks for; nothing when it is not in the set yet.
    pub interest: EpollFlags,
    /// What comes once its output is sent.
    pub then: Then,
    /// Bytes since its clock began.
    pub progress: u64,
    /// When its session wants to be woken.
    pub alarm: Option<Time>,
    /// Whether the peer has said that it will send no more, and the session waits for something else.
    pub ended: bool,
    spill: Option<Box<Spill>>,
}

#[derive(Debug, Default)]
struct Spill {
    input: Kept,
    output: Output,
    taking: Taking,
}

impl<S: Session> Conn<S> {
    /// A connection that was accepted just now.
    pub fn new(socket: OwnedFd, session: S) -> Self {
        Self {
            socket,
            session,
            interest: EpollFlags::empty(),
            then: Then::Stay,
            progress: 0,
            alarm: None,
            ended: false,
            spill: None,
        }
    }

    /// Its socket.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Calls its session with what it kept and the fresh bytes behind that.
    ///
    /// # Errors
    /// The words of its panic.
    pub fn step(
        &mut self,
        kind: Step,
        fresh: &[u8],
        output: &mut Output,
        row: &Row,
        draining: bool,
        now: Time,
    ) -> Result<Taken, String> {
        match &mut self.spill {
            // The road of nearly every request: nothing was kept, and nothing is left.
            None => {
                let taken = step(&mut self.session, kind, fresh, output, row, draining, now)?;
                if taken.consumed < fresh.len() {
                    self.spill.get_or_insert_default().input.keep(fresh, taken.consumed);
                }
                Ok(taken)
            }
            Some(spill) => {
                let input = spill.input.join(fresh);
                let taken = step(&mut self.session, kind, input, output, row, draining, now)?;
                spill.input.keep(fresh, taken.consumed);
                self.let_go();
                Ok(taken)
            }
        }
    }

    /// Takes over what could not be sent at once.
    pub fn hold(&mut self, output: &mut Output) {
        let spill = self.spill.get_or_insert_default();
        spill.output = std::mem::take(output);
        spill.taking = Taking::begin(&self.socket);
    }

    /// What it holds to be sent.
    pub fn held(&mut self) -> Option<(BorrowedFd<'_>, &mut Output)> {
        let spill = self.spill.as_mut()?;
        Some((self.socket.as_fd(), &mut spill.output))
    }

    /// The kernel took so many bytes more. Whether the clock of its peer begins anew.
    pub fn took(&mut self, bytes: u64) -> bool {
        let Some(spill) = &mut self.spill else { return false };
        let anew = spill.taking.add(bytes);
        if anew {
            spill.taking = Taking::begin(&self.socket);
        }
        anew
    }

    /// Whether its peer takes what it is sent, though that has made no room: then its clock begins anew.
    pub fn goes_on(&mut self) -> bool {
        let Some(spill) = &mut self.spill else { return false };
        let anew = spill.taking.goes_on(&self.socket);
        if anew {
            spill.taking = Taking::begin(&self.socket);
        }
        anew
    }

    /// Gives back the memory that is no longer needed.
    pub fn let_go(&mut self) {
        if self.spill.as_ref().is_some_and(|spill| spill.input.is_empty() && spill.output.is_empty()) {
            self.spill = None;
        }
    }
}
