//! What the kernel says of a socket, where `nix` does not ask.

use std::{
    io::{self, IoSliceMut},
    mem::{self, MaybeUninit},
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::check;

/// Receives a packet, and the descriptor that came with it, if one did: close-on-exec from birth. recvmsg(2),
/// `SCM_RIGHTS` in unix(7).
///
/// # Errors
/// Those of recvmsg(2).
pub fn receive(socket: impl AsFd, packet: &mut [u8]) -> nix::Result<(usize, Option<OwnedFd>)> {
    let mut room = nix::cmsg_space!(libc::c_int);
    let mut packet = [IoSliceMut::new(packet)];
    let fd = socket.as_fd().as_raw_fd();
    let message = recvmsg::<()>(fd, &mut packet, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut carried = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            // SAFETY: the kernel has just made these descriptors for us, and nobody else knows their numbers.
            carried.extend(numbers.into_iter().map(|number| unsafe { OwnedFd::from_raw_fd(number) }));
        }
    }
    Ok((message.bytes, carried.into_iter().next()))
}

/// How many connections wait in the accept queue of a listening TCP socket, and how many may. tcp(7), `TCP_INFO`.
///
/// # Errors
/// `EOPNOTSUPP` on a socket that is not TCP.
pub fn accept_queue(listener: impl AsFd) -> io::Result<(u32, u32)> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = mem::size_of::<libc::tcp_info>() as libc::socklen_t;
    let fd = listener.as_fd().as_raw_fd();
    // SAFETY: the kernel writes at most `length` bytes to the live place that is that long.
    check(unsafe {
        libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut length)
    })?;
    // SAFETY: all zeroes is a valid tcp_info, and the kernel wrote over a part of it.
    let info = unsafe { info.assume_init() };
    // For a listener the kernel gives these two fields another meaning: tcp_diag's queue and limit.
    Ok((info.tcpi_unacked, info.tcpi_sacked))
}

/// How much of what was sent the peer has not taken yet: in bytes for TCP, in memory for a Unix-domain socket. `SIOCOUTQ`
/// in tcp(7).
///
/// # Errors
/// Those of ioctl(2).
pub fn untaken(socket: impl AsFd) -> io::Result<u64> {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes an int to the live place of one. TIOCOUTQ is the same number as SIOCOUTQ.
    check(unsafe { libc::ioctl(socket.as_fd().as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) })?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
        os::unix::net::UnixStream,
    };

    use super::*;

    #[test]
    fn the_accept_queue_counts_who_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (empty, backlog) = accept_queue(&listener).unwrap();
        assert!(empty == 0 && backlog > 0);
        let _waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(accept_queue(&listener).unwrap(), (1, backlog));
    }

    #[test]
    fn a_socket_of_another_kind_has_no_such_queue() {
        assert!(accept_queue(UnixStream::pair().unwrap().0).is_err());
    }

    #[test]
    fn what_a_peer_has_taken_is_not_waiting_for_it() {
        let (mut here, mut there) = UnixStream::pair().unwrap();
        assert_eq!(untaken(&here).unwrap(), 0);
        here.write_all(b"words").unwrap();
        assert!(untaken(&here).unwrap() >= 5);
        there.read_exact(&mut [0; 5]).unwrap();
        assert_eq!(untaken(&here).unwrap(), 0);
    }
}
