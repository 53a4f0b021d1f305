//! One session, three process models: what a client sends comes back.
//!
//! ```text
//! cargo run --example echo -- 127.0.0.1:7007 event
//! cargo run --example echo -- 127.0.0.1:7007 blocking
//! cargo run --example echo -- 127.0.0.1:7007 per-connection
//! nc 127.0.0.1 7007
//! ```
//! Look at each with `pstree -p`: who serves, and who is whose child?
#![allow(clippy::print_stdout)]

use forkd::{
    Event, Outcome, Server,
    session::{Application, Exchange, Flow, Limit, Peer, Session},
};

/// The state of one connection: an echo needs none.
struct Echo;

impl Session for Echo {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        let bytes = io.input();
        io.output().write(bytes);
        io.consume(bytes.len());
        Flow::Read(Limit::Idle)
    }
}

impl Application for Echo {
    type Session = Echo;

    fn open(&self, _peer: &Peer) -> Echo {
        Echo
    }
}

fn main() -> forkd::Result<Outcome> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:7007".into());
    let model = words.next().unwrap_or_else(|| "event".into()).parse()?;
    Server::bind(address)
        .model(model)
        .workers(2)
        .on_event(|event| {
            if let Event::Started { urls, .. } = event {
                println!("echo on {}", urls.join(", "));
            }
        })
        .serve_session(|_worker| Ok(Echo))
}
