//! Networks of an experiment's own: namespaces, in which an ordinary user is root and may capture packets.
//! network_namespaces(7), user_namespaces(7), packet(7).

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    process::{Command, Stdio},
};

use nix::{
    sched::{CloneFlags, setns, unshare},
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, socket},
    unistd::{getgid, getuid},
};

use super::{Lab, Outcome, look::Who};

/// Puts the stage into a network without neighbours, with a loopback that is up.
///
/// # Errors
/// A reason to skip, where the machine does not let an ordinary user make one.
pub fn move_out(lab: &Lab) -> Outcome {
    let (user, group) = (getuid(), getgid());
    let moved = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)
        .map_err(io::Error::from)
        .and_then(|()| fs::write("/proc/self/setgroups", "deny"))
        .and_then(|()| fs::write("/proc/self/uid_map", format!("0 {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("0 {group} 1")));
    moved.map_err(|cause| {
        let en = format!("no namespaces for ordinary users here: {cause}");
        lab.skip(&en, &format!("这里普通用户不能创建命名空间：{cause}"))
    })?;
    ip(&["link", "set", "lo", "up"]).map_err(|cause| {
        let en = format!("the command ip (iproute2) cannot be used: {cause}");
        lab.skip(&en, &format!("不能使用命令 ip（iproute2）：{cause}"))
    })
}

/// Runs ip(8).
///
/// # Errors
/// When it is missing, and when it fails.
pub fn ip(words: &[&str]) -> io::Result<()> {
    let done = Command::new("ip").args(words).stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(io::Error::other(format!("ip {}: {said}", words.join(" "))))
}

/// Does something as a process of another host, which is where `who` lives, and comes back.
///
/// # Errors
/// Those of setns(2), and of what is done.
pub fn over_there<T>(who: Who, deed: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let home = fs::File::open("/proc/self/ns/net")?;
    setns(fs::File::open(format!("/proc/{}/ns/net", who.pid))?, CloneFlags::CLONE_NEWNET)?;
    let done = deed();
    setns(home, CloneFlags::CLONE_NEWNET)?;
    done
}

/// Everything that goes over the network of this namespace from now on.
#[derive(Debug)]
pub struct Capture(OwnedFd);

impl Capture {
    /// Begins to listen in.
    ///
    /// # Errors
    /// `EPERM` without the right to.
    pub fn begin() -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(Self(socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?))
    }

    /// The frames of IPv4 that have come since the last look. On a loopback each passes twice, going out and coming in:
    /// those that come in are shown.
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut bytes = [0; 65_600];
        while let Ok((count, from)) = recv_frame(&self.0, &mut bytes) {
            if from != libc::PACKET_OUTGOING {
                frames.extend(Frame::parse(&bytes[..count]));
            }
        }
        frames
    }
}

fn recv_frame(fd: &OwnedFd, bytes: &mut [u8]) -> nix::Result<(usize, u8)> {
    // No flag of its own: the socket does not wait.
    let _ = MsgFlags::empty();
    let (count, from) = recvfrom::<LinkAddr>(fd.as_raw_fd(), bytes)?;
    Ok((count, from.map_or(0, |from| from.pkttype())))
}

/// One frame, peeled layer by layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The length of all of it.
    pub length: usize,
    /// The length of the Ethernet header.
    pub ethernet: usize,
    /// The length of the IP header.
    pub ip: usize,
    /// `TCP` or `UDP`.
    pub protocol: &'static str,
    /// The length of that header.
    pub transport: usize,
    /// The flags of TCP that begin and end: SYN, FIN, RST; and ACK.
    pub flags: u8,
    /// What it was all for.
    pub data: Vec<u8>,
}

/// The flags of a TCP header, RFC 9293 section 3.1.
pub const FIN: u8 = 1;
/// A connection begins.
pub const SYN: u8 = 2;
/// An earlier number is confirmed.
pub const ACK: u8 = 16;

impl Frame {
    const ETHERNET: usize = 14;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let packet = bytes.get(Self::ETHERNET..).filter(|_| bytes[12..14] == [0x08, 0x00])?;
        let ip = usize::from(packet.first()? & 0x0f) * 4;
        let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let segment = packet.get(ip..total)?;
        let (protocol, transport, flags) = match packet[9] {
            6 => ("TCP", usize::from(segment.get(12)? >> 4) * 4, segment.get(13)? & (FIN | SYN | ACK)),
            17 => ("UDP", 8, 0),
            _ => return None,
        };
        let data = segment.get(transport..)?.to_vec();
        Some(Self { length: bytes.len(), ethernet: Self::ETHERNET, ip, protocol, transport, flags, data })
    }

    /// What the frame says, in a word or two.
    pub fn word(&self) -> String {
        let named = [(SYN, "SYN"), (FIN, "FIN")].into_iter().filter(|(flag, _)| self.flags & flag != 0);
        let mut words: Vec<_> = named.map(|(_, word)| word).collect();
        if !self.data.is_empty() {
            words.push("data");
        } else if self.flags & ACK != 0 && self.flags & FIN == 0 {
            words.push("ACK");
        }
        words.join("+")
    }
}
