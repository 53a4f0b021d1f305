//! Groups of receivers: a datagram to a multicast address reaches every socket that has joined it.
//!
//! A broadcast needs none of this: every socket on all addresses gets it.

use std::{collections::BTreeSet, io, net::IpAddr};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags, net::if_::if_nametoindex};
use socket2::{InterfaceIndexOrAddress, Socket};

/// Joins the group at every interface that is up, so that it does not matter by which one a datagram comes. ip(7),
/// ipv6(7).
///
/// Several programs may listen to one group: each gets every datagram.
///
/// # Errors
/// When no interface takes part.
pub fn join(socket: &Socket, group: IpAddr) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut joined = false;
    for index in interfaces()? {
        let done = match group {
            IpAddr::V4(group) => socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(index)),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, index),
        };
        match done {
            Ok(()) => joined = true,
            Err(error) => last = error,
        }
    }
    if joined { Ok(()) } else { Err(last) }
}

/// The numbers of the interfaces that are up.
fn interfaces() -> io::Result<BTreeSet<u32>> {
    let up = getifaddrs()?.filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP));
    // One may be gone since.
    Ok(up.filter_map(|interface| if_nametoindex(interface.interface_name.as_str()).ok()).collect())
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, UdpSocket},
        os::fd::AsFd,
        time::Duration,
    };

    use crate::listener::{Local, bind};

    #[test]
    fn every_listener_of_a_group_gets_what_is_sent_to_it() {
        let first = bind(&"udp:239.255.70.7:0".parse().unwrap(), 1).unwrap();
        let Local::Inet(group) = *first.local() else { panic!("an internet address") };
        let second = bind(&format!("udp:{group}").parse().unwrap(), 1).unwrap();
        let sender = socket2::Socket::from(UdpSocket::bind("127.0.0.1:0").unwrap());
        sender.set_multicast_if_v4(&Ipv4Addr::LOCALHOST).unwrap();
        sender.send_to(b"to all", &group.into()).unwrap();
        for listener in [first, second] {
            let socket = UdpSocket::from(listener.as_fd().try_clone_to_owned().unwrap());
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut buffer = [0; 16];
            let (count, _) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..count], b"to all");
        }
    }
}
