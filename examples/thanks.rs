//! The loop server of the course notes, and its client: each message is answered with `Thanks`.
//!
//! ```text
//! cargo run --example thanks                                     # the server, on 127.0.0.1:8888
//! cargo run --example thanks client 127.0.0.1:8888 hello 你好
//! ```
//! The server of the notes serves one client after the other. This one has four workers, so four at a time.
#![allow(clippy::print_stdout)]

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use forkd::{Connection, Error, Event, Server};

fn main() -> forkd::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [word, address, messages @ ..] if word == "client" => {
            ask(address, messages).map_err(|cause| Error::system(format!("ask {address}"), cause))
        }
        [address, ..] => serve(address),
        [] => serve("127.0.0.1:8888"),
    }
}

fn serve(address: &str) -> forkd::Result<()> {
    Server::bind(address).workers(4).on_event(announce).serve(thank).map(|_stopped| ())
}

fn announce(event: &Event) {
    if let Event::Started { urls, .. } = event {
        println!("Wait for connect on {} ...", urls.join(", "));
    }
}

fn thank(mut conn: Connection) -> io::Result<()> {
    println!("Connect from {} ...", conn.peer().address);
    let mut data = [0; 1024];
    while let count @ 1.. = conn.read(&mut data)? {
        println!("Received: {}", String::from_utf8_lossy(&data[..count]));
        conn.write_all(b"Thanks")?;
    }
    Ok(())
}

fn ask(address: &str, messages: &[String]) -> io::Result<()> {
    let mut server = TcpStream::connect(address)?;
    let mut data = [0; 1024];
    for message in messages {
        server.write_all(message.as_bytes())?;
        let count = server.read(&mut data)?;
        println!("Server: {}", String::from_utf8_lossy(&data[..count]));
    }
    Ok(())
}
