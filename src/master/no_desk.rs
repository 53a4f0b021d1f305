//! A master without a control socket, for a library that was built without one: nobody calls, nobody is answered.

use std::os::fd::BorrowedFd;

use nix::poll::PollFlags;

use super::event::Event;
use crate::{listener::Listener, process::clock::Time};

/// Where nobody comes.
#[derive(Debug, Default)]
pub struct Desk;

/// Nobody.
#[derive(Debug, Clone, Copy)]
pub enum Visitor {}

impl Desk {
    /// A desk where nobody comes.
    pub fn new(_: Option<Listener>) -> Self {
        Self
    }

    /// Nothing to remove.
    pub fn leave(&self) {}

    /// Nothing to poll.
    pub fn fds(&self) -> impl Iterator<Item = (Visitor, BorrowedFd<'_>, PollFlags)> {
        std::iter::empty()
    }

    /// Nobody waits.
    pub fn deadline(&self) -> Option<Time> {
        None
    }

    /// Nobody is there to lose patience with.
    pub fn expire(&mut self, _now: Time) {}

    /// Nobody says anything.
    pub fn attend(&mut self, visitor: Visitor, _events: &mut Vec<Event>) {
        match visitor {}
    }
}
