//! A protocol of one's own: frames with their length in front, each answered by the same bytes backwards.
//!
//! ```text
//! frame: | length, 4 bytes, big-endian | that many bytes |
//! cargo run --example custom_protocol -- 127.0.0.1:9000
//! printf '\0\0\0\3abc' | nc -N 127.0.0.1 9000 | xxd
//! ```
//! TCP has no messages, only bytes: a frame may come in pieces, and three may come at once.
#![allow(clippy::print_stdout)]

use forkd::{
    Event, Outcome, Server,
    session::{Application, Exchange, Flow, Limit, Peer, Session},
};

/// The longest frame: whoever announces more is not heard any further.
const LONGEST: usize = 64 * 1024;

struct Backwards;

impl Session for Backwards {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        while let Some((prefix, rest)) = io.input().split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*prefix) as usize;
            if length > LONGEST {
                return Flow::CloseLingering;
            }
            let Some(frame) = rest.get(..length) else { return Flow::Read(Limit::Body) };
            io.output().write(prefix);
            io.output().write(&frame.iter().rev().copied().collect::<Vec<u8>>());
            io.consume(4 + length);
            io.end();
            if io.full() {
                break; // Called again when the answers are sent.
            }
        }
        Flow::Read(if io.input().is_empty() { Limit::Idle } else { Limit::Header })
    }
}

impl Application for Backwards {
    type Session = Backwards;

    fn open(&self, _peer: &Peer) -> Backwards {
        Backwards
    }
}

fn main() -> forkd::Result<Outcome> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".into());
    Server::bind(address).workers(2).on_event(announce).serve_session(|_worker| Ok(Backwards))
}

fn announce(event: &Event) {
    if let Event::Started { urls, .. } = event {
        println!("frames on {}", urls.join(", "));
    }
}
