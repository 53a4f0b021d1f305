//! One datagram to everybody on a network, or to everybody in a group.
//!
//! ```text
//! cargo run --example broadcast listen :8038                        # as often as you like, on several machines
//! cargo run --example broadcast send 192.168.1.255:8038 hello       # a broadcast: the network's highest address
//! cargo run --example broadcast listen 239.1.2.3:8038               # a group; several on one machine, too
//! cargo run --example broadcast send 239.1.2.3:8038 hello           # multicast
//! ```
//! A broadcast reaches sockets on all addresses (`:8038`), not one on `127.0.0.1:8038`.
#![allow(clippy::print_stdout)]

use std::{io, net::UdpSocket};

use forkd::{Error, Event, Server};

fn main() -> forkd::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, address] if word == "listen" => listen(address),
        [word, address, text @ ..] if word == "send" => {
            send(address, &text.join(" ")).map_err(|cause| Error::system(format!("send to {address}"), cause))
        }
        _ => {
            Err(Error::usage("cannot tell what to do")
                .remedy("broadcast listen ADDRESS, or send ADDRESS TEXT"))
        }
    }
}

fn listen(address: &str) -> forkd::Result<()> {
    let print = |peer: &forkd::session::Peer, bytes: &[u8], _: &mut dyn FnMut(&[u8])| {
        println!("{}: {}", peer.address, String::from_utf8_lossy(bytes).escape_debug());
    };
    Server::bind(address).workers(1).on_event(announce).serve_udp(print).map(|_stopped| ())
}

fn announce(event: &Event) {
    if let Event::Started { urls, .. } = event {
        println!("listens on {}", urls.join(", "));
    }
}

fn send(address: &str, text: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // Without it the kernel answers EACCES: nobody should shout by accident.
    socket.set_broadcast(true)?;
    socket.send_to(text.as_bytes(), address)?;
    Ok(())
}
