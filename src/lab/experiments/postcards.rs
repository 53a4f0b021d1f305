//! Postcards: datagrams keep their bounds, and promise nothing else.

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::lab::{
    Lab, Outcome,
    sockets::{answer, call, drops, letterbox, listener, local, peer, port, receive, udp, verdict},
};

pub fn run(lab: &mut Lab) -> Outcome {
    bounds(lab)?;
    loss(lab)?;
    nobody(lab)?;
    broadcast(lab)?;
    reply(lab)
}

/// One recv, one datagram: never a half and never two. What does not fit is lost.
fn bounds(lab: &mut Lab) -> Outcome {
    let (a, b) = (letterbox()?, letterbox()?);
    let home = local(port(&a));
    for text in ["0123456789abcdef", "next"] {
        b.send_to(text.as_bytes(), &home)?;
    }
    let got = [receive(&a, 5)?, receive(&a, 100)?];
    lab.check("cut", "01234, next", got.join(", "));
    b.send_to(b"0123456789abcdef", &home)?;
    let flags = nix::sys::socket::MsgFlags::MSG_TRUNC;
    let mut buffer = [0; 5];
    let length = nix::sys::socket::recv(std::os::fd::AsRawFd::as_raw_fd(&a), &mut buffer, flags);
    lab.check("true-length", 16, answer(length.map_err(Into::into)));
    lab.event("cut", &[]);
    let sizes = [b.send_to(&vec![0; 65_507], &home), b.send_to(&vec![0; 65_508], &home)];
    let [fits, too_long] = sizes.map(answer);
    lab.check("size", "65507, EMSGSIZE", format!("{fits}, {too_long}"));
    lab.event("size", &[]);
    Ok(())
}

/// A reader that does not read in time loses datagrams, and nobody is told. Only the kernel counts them.
fn loss(lab: &mut Lab) -> Outcome {
    const SENT: u32 = 2000;
    let (a, b) = (letterbox()?, letterbox()?);
    let at = port(&a);
    lab.watch_as("drops", move || drops(at).to_string());
    a.set_nonblocking(true)?;
    let mut read = 0;
    let mut taken = 0;
    for _ in 0..SENT {
        taken += u32::from(b.send_to(&[b'x'; 1000], &local(at)).is_ok());
        if lab.bug("reads-all") {
            read += u32::from(receive(&a, 1000).is_ok());
        }
    }
    lab.check("all-sent", SENT, taken);
    lab.check_that("some-lost", "> 0", drops(at), |lost| *lost > 0);
    while receive(&a, 1000).is_ok() {
        read += 1;
    }
    lab.check("counted", SENT, read + drops(at));
    lab.event("loss", &[("read", read.to_string()), ("sent", SENT.to_string())]);
    Ok(())
}

/// To send to nobody works. Who has told the kernel whom it talks to learns later that nobody was there.
fn nobody(lab: &mut Lab) -> Outcome {
    let door = listener(1)?; // a TCP port: for UDP nobody is there
    let a = udp()?;
    let home = local(port(&door));
    lab.check("unconnected", 5, answer(a.send_to(b"hello", &home)));
    a.set_nonblocking(true)?;
    lab.check("silence", "EAGAIN", answer(receive(&a, 100)));
    let b = udp()?;
    b.connect(&home)?;
    lab.check("connected", 5, answer(b.send(b"hello")));
    lab.check("refused", "ECONNREFUSED", answer(receive(&b, 100)));
    lab.check("same-port-tcp", "ok", verdict(call(port(&door))));
    lab.event("nobody", &[]);
    Ok(())
}

/// One datagram for everybody on the network, if the sender has asked to be allowed to.
fn broadcast(lab: &mut Lab) -> Outcome {
    let all = |port| SocketAddrV4::new(Ipv4Addr::new(127, 255, 255, 255), port).into();
    let one = udp()?;
    one.set_reuse_address(true)?;
    one.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0).into())?;
    let at = port(&one);
    let (two, private) = (udp()?, udp()?);
    for (socket, address) in [(&two, Ipv4Addr::UNSPECIFIED), (&private, Ipv4Addr::LOCALHOST)] {
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddrV4::new(address, at).into())?;
    }
    let sender = udp()?;
    lab.check("not-allowed", "EACCES", answer(sender.send_to(b"all", &all(at))));
    sender.set_broadcast(true)?;
    lab.check("allowed", 3, answer(sender.send_to(b"all", &all(at))));
    let heard = [receive(&one, 100)?, receive(&two, 100)?];
    lab.check("heard", "all, all", heard.join(", "));
    private.set_nonblocking(true)?;
    // Bound to one address, and the datagram went to another.
    lab.check("not-heard", "EAGAIN", answer(receive(&private, 100)));
    lab.event("broadcast", &[]);
    Ok(())
}

/// A server of datagrams needs no accept: each one says who sent it.
fn reply(lab: &mut Lab) -> Outcome {
    let server = letterbox()?;
    let home = port(&server);
    lab.actor('A', |_| {
        let (mut buffer, mut served) = ([std::mem::MaybeUninit::uninit(); 100], 0);
        while served < 2 {
            let (_, sender) = server.recv_from(&mut buffer)?;
            let words = format!("Thanks, {}", peer(&sender).map_or(0, |address| address.port()));
            server.send_to(words.as_bytes(), &sender)?;
            served += 1;
        }
        Ok(())
    })?;
    let clients = [letterbox()?, letterbox()?];
    for client in &clients {
        client.send_to(b"hello", &local(home))?;
    }
    let expected: Vec<_> = clients.iter().map(|client| format!("Thanks, {}", port(client))).collect();
    let got: Vec<_> = clients.iter().map(|client| answer(receive(client, 100))).collect();
    lab.check("reply", expected.join("; "), got.join("; "));
    lab.event("reply", &[]);
    Ok(())
}
