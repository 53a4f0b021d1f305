//! Descriptors that cross exec: by number, for that is all that survives.
//!
//! Every descriptor that we open is close-on-exec from birth. Those that the next program needs lose that flag just
//! before exec(2), and get it back should the call return. The next program *claims* a copy of each: the original stays
//! as it came, so that until [`leave_behind`] it can still be handed to yet another program as if nothing had happened.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use super::check;

/// A descriptor on its way: its number, in this program and in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket(RawFd);

/// All that is to cross.
#[derive(Debug, Default)]
pub struct Luggage(Vec<Ticket>);

/// While it lives, the luggage has no close-on-exec flag. It is dropped when exec has failed.
#[derive(Debug)]
pub struct Lifted<'a>(&'a Luggage);

impl Ticket {
    /// The ticket with this number, as it stands in the environment of the next program.
    pub fn numbered(number: RawFd) -> Self {
        Self(number)
    }

    /// Its number.
    pub fn number(self) -> RawFd {
        self.0
    }
}

impl Luggage {
    /// One more; it must stay open until exec.
    pub fn put(&mut self, fd: impl AsFd) -> Ticket {
        let ticket = Ticket(fd.as_fd().as_raw_fd());
        self.0.push(ticket);
        ticket
    }

    /// All of it so far.
    pub fn tickets(&self) -> &[Ticket] {
        &self.0
    }

    /// Lets it pass through exec as long as the answer lives. fcntl(2), `FD_CLOEXEC`.
    ///
    /// # Errors
    /// `EBADF` when one was closed meanwhile.
    pub fn lift(&self) -> io::Result<Lifted<'_>> {
        let lifted = Lifted(self);
        self.0.iter().try_for_each(|ticket| set_flags(*ticket, 0))?;
        Ok(lifted)
    }
}

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        for ticket in &self.0.0 {
            let _ = set_flags(*ticket, libc::FD_CLOEXEC);
        }
    }
}

/// A copy of a descriptor that came across exec, close-on-exec as all of ours. The original stays where it is. fcntl(2).
///
/// # Errors
/// `EBADF` when nothing is open there; `PermissionDenied` for one that did not come across exec, and so is somebody's.
pub fn claim(ticket: Ticket) -> io::Result<OwnedFd> {
    // SAFETY: F_GETFD takes any number and touches no memory.
    let flags = check(unsafe { libc::fcntl(ticket.0, libc::F_GETFD) })?;
    if flags & libc::FD_CLOEXEC != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // SAFETY: as above; the call makes a descriptor that nobody else knows.
    let copy = check(unsafe { libc::fcntl(ticket.0, libc::F_DUPFD_CLOEXEC, 3) })?;
    // SAFETY: it was made just now, for this owner.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Closes the originals, once there is no way back.
pub fn leave_behind(tickets: &[Ticket]) {
    for ticket in tickets {
        // One that is none of the luggage any more has the flag of ours, and is left alone.
        drop(super::inherited::adopt(ticket.0));
    }
}

fn set_flags(ticket: Ticket, flags: i32) -> io::Result<()> {
    // SAFETY: F_SETFD takes any number and touches no memory.
    check(unsafe { libc::fcntl(ticket.0, libc::F_SETFD, flags) }).map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    fn flag(fd: impl AsFd) -> FdFlag {
        FdFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFD).unwrap())
    }

    #[test]
    fn luggage_passes_exec_only_while_it_is_lifted() {
        let file = File::open("/dev/null").unwrap();
        let mut luggage = Luggage::default();
        let ticket = luggage.put(&file);
        assert_eq!(claim(ticket).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        let lifted = luggage.lift().unwrap();
        assert_eq!(flag(&file), FdFlag::empty());
        assert_eq!(flag(claim(ticket).unwrap()), FdFlag::FD_CLOEXEC);
        drop(lifted);
        assert_eq!(flag(&file), FdFlag::FD_CLOEXEC);
        leave_behind(luggage.tickets());
        assert_eq!(flag(&file), FdFlag::FD_CLOEXEC, "what is ours is not closed by number");
    }

    #[test]
    fn luggage_with_a_hole_does_not_travel() {
        let mut luggage = Luggage::default();
        let file = File::open("/dev/null").unwrap();
        luggage.put(&file);
        luggage.0.push(Ticket(1 << 20));
        assert_eq!(luggage.lift().unwrap_err().raw_os_error(), Some(libc::EBADF));
        assert_eq!(flag(&file), FdFlag::FD_CLOEXEC);
    }
}
