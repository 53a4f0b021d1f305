//! Two hosts: who can reach a server, depending on the address that it has bound.

use std::{
    io,
    mem::MaybeUninit,
    net::{Ipv4Addr, SocketAddrV4},
};

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::{
    Lab, Outcome,
    look::Who,
    network::{ip, move_out, over_there},
    sockets::{answer, port, receive, tcp, udp, verdict},
};

const HERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The highest address of 10.9.0.0/26.
const EVERYBODY: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 63);

pub fn run(lab: &mut Lab) -> Outcome {
    move_out(lab)?;
    let b = lab.actor('B', |cue| {
        unshare(CloneFlags::CLONE_NEWNET)?; // B is the second host
        cue.wait()
    })?;
    let ours = std::fs::read_link("/proc/self/ns/net")?.to_string_lossy().into_owned();
    lab.until("a second network", || b.who.link("ns/net").filter(|theirs| *theirs != ours))?;
    cable(b.who)?;
    lab.event("cable", &[("pid", b.pid().to_string())]);
    reach(lab, b.who)?;
    computed(lab)?;
    broadcast(lab, b.who)?;
    ping(lab, b.who)
}

/// A cable between the two: one plug here, one there.
fn cable(there: Who) -> io::Result<()> {
    let pid = there.pid.to_string();
    ip(&["link", "add", "plug-a", "type", "veth", "peer", "name", "plug-b", "netns", &pid])?;
    ip(&["address", "add", "10.9.0.1/26", "broadcast", "+", "dev", "plug-a"])?;
    ip(&["link", "set", "plug-a", "up"])?;
    over_there(there, || {
        ip(&["link", "set", "lo", "up"])?;
        ip(&["address", "add", "10.9.0.2/26", "broadcast", "+", "dev", "plug-b"])?;
        ip(&["link", "set", "plug-b", "up"])
    })?;
    ip(&["route", "add", "default", "via", "10.9.0.2"])
}

/// Three servers by two addresses from two hosts.
fn reach(lab: &mut Lab, there: Who) -> Outcome {
    let wide = lab.bug("all-addresses");
    for (name, bound, expected) in [
        ("bound-loopback", Ipv4Addr::LOCALHOST, "yes no no"),
        ("bound-own", HERE, "no yes yes"),
        ("bound-all", Ipv4Addr::UNSPECIFIED, "yes yes yes"),
    ] {
        let door = tcp()?;
        door.bind(&SocketAddrV4::new(if wide { Ipv4Addr::UNSPECIFIED } else { bound }, 0).into())?;
        door.listen(5)?;
        let at = port(&door);
        let call = |to: Ipv4Addr| tcp()?.connect(&SocketAddrV4::new(to, at).into());
        let seen = [call(Ipv4Addr::LOCALHOST), call(HERE), over_there(there, || call(HERE))];
        lab.check(name, expected, seen.map(|result| if result.is_ok() { "yes" } else { "no" }).join(" "));
        if bound == Ipv4Addr::UNSPECIFIED {
            // Each host's 127.0.0.1 is itself.
            lab.check("not-there", "ECONNREFUSED", verdict(over_there(there, || call(Ipv4Addr::LOCALHOST))));
        }
    }
    lab.event("matrix", &[]);
    Ok(())
}

/// Network, broadcast address and gateway are computed and configured; no number is special.
fn computed(lab: &mut Lab) -> Outcome {
    let mask = u32::MAX << (32 - 26);
    let own = u32::from(HERE);
    let seen = [Ipv4Addr::from(own & mask), Ipv4Addr::from(own | !mask)];
    lab.check("mask", "10.9.0.0, 10.9.0.63", format!("{}, {}", seen[0], seen[1]));
    let routes = std::fs::read_to_string("/proc/net/route")?;
    let gateway = routes
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words[1] == "00000000");
    let gateway = gateway
        .and_then(|words| u32::from_str_radix(words[2], 16).ok())
        .map(|raw| Ipv4Addr::from(raw.to_ne_bytes()));
    lab.check("gateway", THERE, gateway.map_or("-".into(), |gateway| gateway.to_string()));
    Ok(())
}

/// One datagram to the highest address of the network reaches the other host.
fn broadcast(lab: &mut Lab, there: Who) -> Outcome {
    let ear = over_there(there, || {
        let socket = udp()?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into())?;
        Ok(socket)
    })?;
    let mouth = udp()?;
    mouth.set_broadcast(true)?;
    let to = |address| SocketAddrV4::new(address, port(&ear)).into();
    lab.check("everybody", 3, answer(mouth.send_to(b"all", &to(EVERYBODY))));
    lab.check("heard", "all", answer(receive(&ear, 100)));
    lab.event("broadcast", &[]);
    Ok(())
}

/// An echo of ICMP asks the other kernel, not a program: it may answer where nobody serves.
fn ping(lab: &mut Lab, there: Who) -> Outcome {
    lab.check("ping", "answered", echo_request(THERE).unwrap_or_else(|cause| cause.to_string()));
    let nobody = tcp()?.connect(&SocketAddrV4::new(THERE, 80).into());
    lab.check("no-server", "ECONNREFUSED", verdict(nobody));
    lab.event("ping", &[]);
    over_there(there, || ip(&["link", "set", "plug-b", "down"]))?;
    ip(&["link", "set", "plug-a", "down"])?;
    lab.check("pulled", "ENETUNREACH", verdict(udp()?.send_to(b"x", &SocketAddrV4::new(THERE, 9).into())));
    lab.event("pulled", &[]);
    Ok(())
}

/// What ping(8) does, once. RFC 792.
fn echo_request(to: Ipv4Addr) -> io::Result<String> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
    // Type 8, code 0, checksum, identifier, sequence number.
    let mut request = [8, 0, 0, 0, 0x12, 0x34, 0, 1];
    let sum: u32 = request.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    request[2..4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    socket.send_to(&request, &SocketAddrV4::new(to, 0).into())?;
    loop {
        let mut packet = [MaybeUninit::uninit(); 1500];
        let (count, from) = socket.recv_from(&mut packet)?;
        let sender = from.as_socket_ipv4().map(|from| *from.ip());
        // The IP header comes along: 20 bytes.
        if count >= 28 && sender == Some(to) {
            return Ok("answered".into());
        }
    }
}
