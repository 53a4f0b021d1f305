//! Requests that make two servers disagree: each of the corpus over a real connection, in every worker model.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
};

use crate::support::*;

#[path = "../corpus/reader.rs"]
mod reader;

/// Sends it, says that this was all, and gives the statuses of everything that comes back.
fn ask(address: SocketAddr, stream: &[u8]) -> Vec<u16> {
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    // A server that has heard enough may have closed before.
    let _ = client.write_all(stream).and_then(|()| client.shutdown(Shutdown::Write));
    let mut answers = Vec::new();
    client.read_to_end(&mut answers).unwrap();
    reader::statuses(&answers)
}

/// What a directory answers to a request that is lawful.
fn served(status: &u16) -> bool {
    matches!(status, 200 | 204 | 404 | 405)
}

/// A directory takes no bodies, so that what is echoed elsewhere is refused here, lawfully and with the same framing: what
/// matters is that nothing is answered behind a doubt, and that all is answered that was asked without one.
#[test]
fn no_request_is_smuggled_in_any_model() {
    for model in ["event", "blocking", "per-connection"] {
        let server = Launch::http().workers(2).args(["--model", model]).start();
        let mut wrong = Vec::new();
        for case in reader::cases() {
            let found = ask(server.address(), &case.stream);
            let same = found.len() == case.expected.len()
                && found.iter().zip(&case.expected).all(|(a, b)| a == b || served(a) && served(b));
            if !same {
                wrong.push(format!("{}: {found:?} in place of {:?}", case.name, case.expected));
            }
        }
        assert!(wrong.is_empty(), "{model}, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    }
}
