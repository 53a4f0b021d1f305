//! UDP in one function: whoever asks is told the time. There is no connection, so nothing to accept or to close.
//!
//! ```text
//! cargo run --example udp_time                              # the server, on 127.0.0.1:8037
//! cargo run --example udp_time client 127.0.0.1:8037
//! ```
//! The client asks again when nothing comes: UDP loses datagrams without a word.
#![allow(clippy::print_stdout)]

use std::{
    io,
    net::UdpSocket,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use forkd::{Error, Event, Server};

fn main() -> forkd::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, address] if word == "client" => {
            ask(address).map_err(|cause| Error::system(format!("ask {address}"), cause))
        }
        [address, ..] => serve(address),
        [] => serve("127.0.0.1:8037"),
    }
}

fn serve(address: &str) -> forkd::Result<()> {
    let server = Server::bind(address).workers(2).on_event(announce);
    let answer = |_: &_, question: &[u8], reply: &mut dyn FnMut(&[u8])| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = now.as_secs().to_string();
        // Never longer than the question: its sender's address may be somebody else's.
        reply(&time.as_bytes()[..time.len().min(question.len())]);
    };
    server.serve_udp(answer).map(|_stopped| ())
}

fn announce(event: &Event) {
    if let Event::Started { urls, .. } = event {
        println!("tells the time on {}", urls.join(", "));
    }
}

fn ask(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(Duration::from_millis(500)))?;
    let mut time = [0; 32];
    for _ in 0..3 {
        socket.send(b"what time is it, please?")?;
        if let Ok(count) = socket.recv(&mut time) {
            println!("{} seconds since 1970", String::from_utf8_lossy(&time[..count]));
            return Ok(());
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}
