//! The socket by which a program says how it is: what `$NOTIFY_SOCKET` names, as sd_notify(3) describes it.
//!
//! Each program has one of its own, so that a datagram needs no pid to be somebody's: grandchildren may speak for it.
//! It has a name in the kernel and not in a directory: it is there in a chroot, and gone with its last descriptor. Such
//! a name has no permissions, so the kernel is asked who sent each datagram. unix(7).

use std::{
    env,
    io::{self, IoSlice, IoSliceMut},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use nix::{
    cmsg_space,
    errno::Errno,
    sys::socket::{
        AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr,
        UnixCredentials, bind, getsockname, recvmsg, sendmsg, setsockopt, socket, sockopt,
    },
    unistd::geteuid,
};

pub use crate::protocol::notify::Note;
use crate::protocol::notify::{LONGEST, notes};

/// The receiving end.
#[derive(Debug)]
pub struct NotifySocket {
    fd: OwnedFd,
    name: String,
    /// Whose word counts, beside root's and that of our own user.
    speaker: u32,
}

impl NotifySocket {
    /// A new socket under a name that the kernel picks. It hears root, the user that this process runs as, and the user
    /// with the id `speaker`.
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when no descriptor is left.
    pub fn new(speaker: Option<u32>) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
        setsockopt(&fd, sockopt::PassCred, &true)?;
        bind(fd.as_raw_fd(), &UnixAddr::new_unnamed())?;
        let address: UnixAddr = getsockname(fd.as_raw_fd())?;
        let name = address.as_abstract().ok_or(Errno::EAFNOSUPPORT)?;
        let name = format!("@{}", String::from_utf8_lossy(name));
        Ok(Self { fd, name, speaker: speaker.unwrap_or_else(|| geteuid().as_raw()) })
    }

    /// A socket that was made by the program before this one, under that name.
    #[cfg(feature = "control")]
    pub fn over(fd: OwnedFd, name: String) -> Self {
        Self { fd, name, speaker: geteuid().as_raw() }
    }

    /// What `$NOTIFY_SOCKET` says: `@` and the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the next datagram says, without waiting; `None` when there is none. One from a stranger says nothing.
    pub fn receive(&self) -> Option<Vec<Note>> {
        let mut datagram = [0; LONGEST];
        let mut parts = [IoSliceMut::new(&mut datagram)];
        // Room for who sent it and for nothing else: descriptors that came along are closed by the kernel.
        let mut control = cmsg_space!(UnixCredentials);
        let received = loop {
            match recvmsg::<()>(
                self.fd.as_raw_fd(),
                &mut parts,
                Some(&mut control),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Err(Errno::EINTR) => {}
                received => break received.ok()?,
            }
        };
        let heard = received.cmsgs().is_ok_and(|mut messages| messages.any(|message| self.trusts(&message)));
        let length = received.bytes;
        Some(if heard { notes(&datagram[..length]).collect() } else { Vec::new() })
    }

    fn trusts(&self, message: &ControlMessageOwned) -> bool {
        let ControlMessageOwned::ScmCredentials(sender) = message else { return false };
        [0, geteuid().as_raw(), self.speaker].contains(&sender.uid())
    }
}

/// Tells this to whoever `$NOTIFY_SOCKET` names, if anybody; lines of `NAME=value`.
///
/// It never waits: a manager that does not listen is no reason not to serve. So does everything that fails here pass in
/// silence. sd_notify(3).
pub fn tell(states: &str) {
    send(states, None);
}

/// Gives the manager a descriptor to keep under this name, for the next start. sd_notify(3), `FDSTORE=1`.
pub fn entrust(name: &str, fd: BorrowedFd<'_>) {
    send(&format!("FDSTORE=1\nFDNAME={name}"), Some(fd));
}

/// Has the manager drop all that it keeps under this name.
pub fn take_back(name: &str) {
    tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"));
}

fn send(states: &str, fd: Option<BorrowedFd<'_>>) {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return };
    let address = match name.as_bytes() {
        [b'@', name @ ..] => UnixAddr::new_abstract(name),
        path => UnixAddr::new(path),
    };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fds: Vec<_> = fd.iter().map(AsRawFd::as_raw_fd).collect();
    let passed: Vec<_> = fd.iter().map(|_| ControlMessage::ScmRights(&fds)).collect();
    let sent = socket(AddressFamily::Unix, SockType::Datagram, flags, None).and_then(|socket| {
        let states = [IoSlice::new(states.as_bytes())];
        sendmsg(socket.as_raw_fd(), &states, &passed, MsgFlags::MSG_NOSIGNAL, Some(&address?))
    });
    if let Err(cause) = sent {
        log::debug!("cannot tell {name:?} how this server is: {cause}");
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    fn send(to: &NotifySocket, datagram: &[u8]) {
        let name = to.name().strip_prefix('@').unwrap();
        let address = SocketAddr::from_abstract_name(name).unwrap();
        UnixDatagram::unbound().unwrap().send_to_addr(datagram, &address).unwrap();
    }

    #[test]
    fn a_datagram_is_heard_in_order_and_garbage_is_not() {
        let socket = NotifySocket::new(None).unwrap();
        assert_eq!(socket.receive(), None);
        send(&socket, b"STATUS=loading\nREADY=1");
        send(&socket, b"");
        send(&socket, &[b'x'; 2 * LONGEST]);
        assert_eq!(socket.receive(), Some(vec![Note::Status("loading".into()), Note::Ready]));
        assert_eq!(socket.receive(), Some(vec![]));
        assert_eq!(socket.receive(), Some(vec![]));
        assert_eq!(socket.receive(), None);
    }

    #[test]
    fn each_socket_has_a_name_of_its_own() {
        let (one, two) = (NotifySocket::new(None).unwrap(), NotifySocket::new(None).unwrap());
        assert!(one.name().len() > 1 && one.name() != two.name());
    }
}
