//! Addresses: names, ports, bytes and their order, each asked of the kernel or the system's own tables.

use std::{
    fs, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, ToSocketAddrs},
};

use nix::unistd::{Uid, gethostname, setuid};
use socket2::Socket;

use crate::{
    lab::{
        Lab, Outcome,
        sockets::{accept, call, letterbox, listener, local, port, receive, tcp, verdict},
    },
    sys::fork::exit_now,
};

pub fn run(lab: &mut Lab) -> Outcome {
    names(lab)?;
    services(lab)?;
    texts_and_bytes(lab)?;
    ports(lab)?;
    order(lab)
}

/// Who am I, and who is localhost?
fn names(lab: &mut Lab) -> Outcome {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")?;
    lab.check("hostname", name.trim(), gethostname()?.to_string_lossy());
    let found =
        ("localhost", 0).to_socket_addrs().map(|mut found| found.any(|one| one.ip() == Ipv4Addr::LOCALHOST));
    lab.check(
        "localhost",
        "127.0.0.1: true",
        found.map_or_else(|cause| cause.to_string(), |there| format!("127.0.0.1: {there}")),
    );
    lab.event("names", &[]);
    Ok(())
}

/// A service's port stands in a table. It says what is usual, and nothing about what runs.
fn services(lab: &mut Lab) -> Outcome {
    let table = fs::read_to_string("/etc/services").unwrap_or_default();
    if table.is_empty() {
        let why = lab.either("there is no /etc/services here", "这里没有 /etc/services").to_owned();
        lab.skip_checks(&["http"], &why);
    } else {
        let http = table.lines().find(|line| line.split_whitespace().next() == Some("http"));
        lab.check("http", "80/tcp", http.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("-"));
    }
    // A server at another port is reached there all the same.
    let moved = listener(1)?;
    lab.check("moved", "ok", verdict(call(port(&moved))));
    lab.event("services", &[]);
    Ok(())
}

/// Text for people, four or sixteen bytes for the kernel.
fn texts_and_bytes(lab: &mut Lab) -> Outcome {
    let bytes =
        |text: &str| text.parse::<Ipv4Addr>().map_or("refused".into(), |address| hex(&address.octets()));
    lab.check("four-bytes", "c0 a8 01 02", bytes("192.168.1.2"));
    lab.check("too-large", "refused", bytes("192.168.1.256"));
    // inet_pton(3) wants all four numbers; the resolver takes the short form of inet_aton(3) as well.
    let short = ("127.1", 0)
        .to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .map(|found| found.ip().to_string());
    lab.check(
        "short-form",
        "refused, 127.0.0.1",
        format!("{}, {}", bytes("127.1"), short.unwrap_or("-".into())),
    );
    lab.check("sixteen-bytes", 16, "::1".parse::<Ipv6Addr>().map_or(0, |address| address.octets().len()));
    lab.event("bytes", &[]);
    Ok(())
}

/// A port picks the program on the machine: one listener for each protocol, address and number.
fn ports(lab: &mut Lab) -> Outcome {
    lab.check(
        "too-high",
        "refused",
        "70000".parse::<u16>().map_or("refused".into(), |port| port.to_string()),
    );
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")?;
    let range: Vec<u16> = range.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    let one = listener(1)?;
    let at = port(&one);
    lab.check_that("picked", format!("{} - {}", range[0], range[1]), at, |at| {
        (range[0]..=range[1]).contains(at)
    });
    let reuses = lab.bug("reuse-port");
    let bind = |address: Ipv4Addr| {
        let second = tcp()?;
        if reuses {
            one.set_reuse_port(true)?;
            second.set_reuse_port(true)?;
        }
        second.bind(&SocketAddrV4::new(address, at).into())?;
        second.listen(1).map(|()| second)
    };
    lab.check("second", "EADDRINUSE", verdict(bind(Ipv4Addr::LOCALHOST)));
    lab.check("other-address", "ok", verdict(bind(Ipv4Addr::new(127, 0, 0, 2))));
    let other: io::Result<Socket> = letterbox().and_then(|_| {
        let socket = crate::lab::sockets::udp()?;
        socket.bind(&local(at)).map(|()| socket)
    });
    lab.check("other-protocol", "ok", verdict(other));
    lab.event("ports", &[("port", at.to_string())]);
    low_port(lab)
}

/// Low ports are for the privileged. The exit code of N is the error's number.
fn low_port(lab: &mut Lab) -> Outcome {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or("1024".into());
    if first.trim().parse::<u16>().is_ok_and(|first| first <= 80) {
        let why = lab
            .either("this machine lets everybody listen at port 80", "这台机器允许任何人监听 80 端口")
            .to_owned();
        lab.skip_checks(&["low-port"], &why);
        return Ok(());
    }
    let n = lab.actor('N', |_| {
        if Uid::current().is_root() {
            setuid(Uid::from_raw(65_534))?;
        }
        let bound = tcp()?.bind(&local(80));
        exit_now(bound.err().and_then(|cause| cause.raw_os_error()).unwrap_or(0))
    })?;
    lab.expect("low-port", format!("exit code {}", libc::EACCES), || {
        format!("exit code {}", n.who.status() >> 8)
    });
    Ok(())
}

/// The network's order is big-endian: the first byte is the most significant one.
fn order(lab: &mut Lab) -> Outcome {
    let host = if cfg!(target_endian = "little") { ["4", "262144", "2048"] } else { ["1024", "1024", "8"] };
    let seen = [1024_u16.to_be().to_string(), 1024_u32.to_be().to_string(), u16::from_be(8).to_string()];
    lab.check("order", host.join(", "), seen.join(", "));
    lab.check(
        "in-memory",
        hex(&0x0102_0304_u32.to_ne_bytes()),
        if cfg!(target_endian = "little") { "04 03 02 01" } else { "01 02 03 04" },
    );
    let door = listener(1)?;
    let table = fs::read_to_string("/proc/net/tcp")?;
    let suffix = format!(":{:04X}", port(&door));
    let line = table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .find(|address| address.ends_with(&suffix));
    let expected = format!("{:08X}{suffix}", u32::from_ne_bytes([127, 0, 0, 1]));
    lab.check("in-proc", expected, line.unwrap_or("-"));
    // Both ends agree, whatever their machines are.
    let (caller, (served, _)) = (call(port(&door))?, accept(&door)?);
    caller.send(&258_u16.to_be_bytes())?;
    let wire = receive(&served, 2)?;
    lab.check("on-the-wire", "01 02", hex(wire.as_bytes()));
    lab.event("order", &[]);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
