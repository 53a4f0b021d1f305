//! The phone call: a TCP server step by step, and what becomes of it when a step is left out.

use std::{
    env,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd,
    process::{Command, Stdio},
};

use nix::unistd::{Uid, setuid};
use socket2::{Domain, Socket, Type};

use crate::{
    lab::{
        Lab, Outcome,
        sockets::{
            Protocol, accept, answer, call, door_of, letterbox, listener, local, peer, port, queue, receive,
            receive_all, states_at, tcp, verdict,
        },
    },
    sys::fork::exit_now,
};

pub fn run(lab: &mut Lab) -> Outcome {
    one_after_the_other(lab)?;
    if lab.is_exam() {
        return Ok(());
    }
    leave_one_out(lab)?;
    a_file_like_others(lab)?;
    one_door_many_rooms(lab)?;
    raw(lab)?;
    asked_of_the_system(lab)
}

/// A serves one client after the other: the second waits in the queue until the first has hung up.
fn one_after_the_other(lab: &mut Lab) -> Outcome {
    let only_one = lab.bug("one-shot");
    let a = lab.subject(|_| {
        let door = listener(5)?; // socket, bind, listen
        loop {
            let (mut client, from) = accept(&door)?;
            loop {
                let message = receive(&client, 1024)?;
                if message.is_empty() {
                    break; // the client has hung up
                }
                println(&format!("{:?} says {message}", peer(&from)))?;
                client.write_all(b"Thanks")?;
            }
            if only_one {
                return Ok(());
            }
        }
    })?;
    let at = door_of(lab, a.who, Protocol::Tcp)?;
    lab.event("listening", &[("port", at.to_string())]);
    let first = call(at)?;
    lab.check("thanks", "Thanks", answer(first.send(b"hello").and_then(|_| receive(&first, 100))));
    let second = call(at)?;
    second.send(b"second")?;
    lab.expect("waits", 1, || queue(at).0);
    lab.event("two-clients", &[]);
    drop(first);
    lab.check("second", "Thanks", answer(receive(&second, 100)));
    drop(second);
    let third = call(at).and_then(|third| third.send(b"third").and_then(|_| receive(&third, 100)));
    lab.check("third", "Thanks", answer(third));
    lab.expect("printed", "hello, second, third", || {
        let output = a.output();
        ["hello", "second", "third"]
            .into_iter()
            .filter(|word| output.contains(word))
            .collect::<Vec<_>>()
            .join(", ")
    });
    lab.event("served", &[]);
    Ok(())
}

fn println(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{text}")
}

/// socket, bind, listen, accept, send: each step left out once. The kernel says what is missing.
fn leave_one_out(lab: &mut Lab) -> Outcome {
    let deaf = tcp()?;
    deaf.bind(&local(0))?;
    lab.check("no-listen", "EINVAL", verdict(accept(&deaf)));
    lab.check("udp-listen", "EOPNOTSUPP", verdict(letterbox()?.listen(1)));
    lab.check("no-connect", "EPIPE", answer(tcp()?.send_with_flags(b"x", libc::MSG_NOSIGNAL)));
    let unbound = tcp()?;
    unbound.listen(1)?;
    let own = port(&unbound);
    lab.check_that("no-bind", "1024 - 65535", own, |own| *own >= 1024);
    lab.event("left-out", &[]);
    Ok(())
}

/// A socket is a file with a descriptor: it stands among the others, and read and write work on it.
fn a_file_like_others(lab: &mut Lab) -> Outcome {
    let door = listener(1)?;
    let link = std::fs::read_link(format!("/proc/self/fd/{}", door.as_raw_fd()))?;
    let link = link.to_string_lossy().into_owned();
    let inode = link.trim_start_matches("socket:[").trim_end_matches(']').to_owned();
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    let line = table.lines().find(|line| line.split_whitespace().nth(9) == Some(&inode)).unwrap_or("-");
    let named = line.split_whitespace().nth(1).unwrap_or("-").to_owned();
    // The address as the kernel keeps it in memory, and the port in hexadecimal.
    let address = u32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    lab.check("inode", format!("{address:08X}:{:04X}", port(&door)), named);
    let caller = call(port(&door))?;
    let (served, _) = accept(&door)?;
    nix::unistd::write(&served, b"by write(2)")?;
    let mut bytes = [0; 100];
    let count = nix::unistd::read(&caller, &mut bytes)?;
    lab.check("read-write", "by write(2)", String::from_utf8_lossy(&bytes[..count]));
    lab.event("descriptor", &[("link", link)]);
    // What socket(2) was told can be asked back, and options are off until somebody sets them.
    let told = (caller.r#type()? == Type::STREAM, caller.domain()? == Domain::IPV4);
    lab.check("attributes", "stream, IPv4: (true, true)", format!("stream, IPv4: {told:?}"));
    let before = caller.reuse_address()?;
    caller.set_reuse_address(true)?;
    lab.check("option", "false, true", format!("{before}, {}", caller.reuse_address()?));
    Ok(())
}

/// Each accept gives a new socket, all of them with the listener's port. The listener has no other end.
fn one_door_many_rooms(lab: &mut Lab) -> Outcome {
    let door = listener(5)?;
    let at = port(&door);
    let callers = [call(at)?, call(at)?, call(at)?];
    let served: Vec<Socket> =
        (0..3).map(|_| accept(&door).map(|(socket, _)| socket)).collect::<io::Result<_>>()?;
    lab.check("rooms", "ESTAB ESTAB ESTAB", states_at(at).join(" "));
    let ports: Vec<_> = served.iter().map(|socket| port(socket).to_string()).collect();
    lab.check("one-port", [at.to_string(), at.to_string(), at.to_string()].join(" "), ports.join(" "));
    let theirs: Vec<_> = served
        .iter()
        .map(|socket| answer(socket.peer_addr().map(|there| peer(&there).map_or(0, |there| there.port()))))
        .collect();
    lab.check("peers", callers.each_ref().map(|caller| port(caller).to_string()).join(" "), theirs.join(" "));
    lab.check("no-peer", "ENOTCONN", verdict(door.peer_addr()));
    drop(callers);
    lab.check("hung-up", "", answer(receive_all(&served[0])));
    lab.event("rooms", &[("port", at.to_string())]);
    Ok(())
}

/// Raw sockets see the packets themselves, and are for the privileged. The exit code is the error's number.
fn raw(lab: &mut Lab) -> Outcome {
    let n = lab.actor('N', |_| {
        if Uid::current().is_root() {
            setuid(Uid::from_raw(65_534))?;
        }
        let opened = Socket::new(Domain::IPV4, Type::RAW, Some(socket2::Protocol::ICMPV4));
        exit_now(opened.err().and_then(|cause| cause.raw_os_error()).unwrap_or(0))
    })?;
    lab.expect("raw", format!("exit code {}", libc::EPERM), || format!("exit code {}", n.who.status() >> 8));
    let nowhere = tcp()?.connect(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, port(&letterbox()?)).into());
    lab.check("equal-types", "ECONNREFUSED", verdict(nowhere));
    lab.event("raw", &[]);
    Ok(())
}

/// A program does nothing with the network by itself: it asks the system, and strace(1) lists what it asks.
fn asked_of_the_system(lab: &mut Lab) -> Outcome {
    let door = listener(1)?;
    let at = port(&door);
    let client = Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=socket,connect", "-e", "signal=none"])
        .arg(env::current_exe()?)
        .args(["send", &format!("127.0.0.1:{at}"), "hello"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let (Ok(client), Ok((mut served, _))) = (client, accept(&door)) else {
        let why = lab.either("strace cannot be used here", "这里不能使用 strace").to_owned();
        lab.skip_checks(&["asked"], &why);
        return Ok(());
    };
    receive(&served, 100)?;
    served.write_all(b"Thanks")?;
    drop(served);
    let calls = String::from_utf8_lossy(&client.wait_with_output()?.stderr).into_owned();
    let count = |call: &str, what: &str| {
        calls.lines().filter(|line| line.contains(call) && line.contains(what)).count()
    };
    let seen = [count("socket(", "AF_INET"), count("connect(", &format!("htons({at})"))];
    lab.check("asked", "socket 1, connect 1", format!("socket {}, connect {}", seen[0], seen[1]));
    lab.event("asked", &[]);
    Ok(())
}
