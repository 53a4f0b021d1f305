//! Requests that make two servers disagree: each of the corpus over a real connection, in every worker model.

use std::{
    fs::{self, File},
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

/// Whoever asks for the end and sends something more has bytes on the way that nobody reads: a socket that is closed over
/// them takes back what its client has not got yet.
#[test]
fn a_last_answer_arrives_whole_whatever_comes_behind_its_request() {
    // More than both kernels' buffers hold.
    const LENGTH: u64 = 24 << 20;
    for model in ["event", "blocking", "per-connection"] {
        let launch = Launch::http().workers(1).args(["--model", model]);
        File::create(launch.root().path().join("large")).unwrap().set_len(LENGTH).unwrap();
        let server = launch.start();
        for end in ["HTTP/1.0\r\n", "HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"] {
            let mut client = server.client();
            client.send(format!("GET /large {end}\r\n")).unwrap();
            let head = client.answer_head().unwrap();
            client.send("\r\n").unwrap();
            assert_eq!(client.rest().unwrap().len() as u64, LENGTH, "{model}, {end:?}: {head:?}");
        }
    }
}

/// The value of a line of the metrics.
fn metric(page: &str, name: &str) -> usize {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {page}")).parse().unwrap()
}

#[test]
fn what_is_no_request_gets_an_answer_like_all_others() {
    for model in ["event", "blocking", "per-connection"] {
        let launch = Launch::http().workers(1).args(["--model", model, "--metrics", "/metrics", "--cors"]);
        let log = launch.folder().join("access.log");
        let launch =
            launch.args(["--header", "X-Frame-Options: DENY", "--access-log", log.to_str().unwrap()]);
        let server = launch.args(["--header-timeout", "1s"]).start();
        let long = "a".repeat(40_000);
        for (request, status) in [
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
            ("GET / HTTP/1.1\r\nHost: t".to_owned(), 408),
            ("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\n\r\n".to_owned(), 413),
            (format!("GET /{long} HTTP/1.1\r\n\r\n"), 414),
            (format!("GET / HTTP/1.1\r\nHost: t\r\nX: {long}\r\n\r\n"), 431),
            ("GET / HTTP/1.1\r\nHost: t\r\nExpect: tea\r\n\r\n".to_owned(), 417),
            ("GET / HTTP/2.0\r\n\r\n".to_owned(), 505),
        ] {
            let mut client = server.client();
            client.send(request).unwrap();
            let answer = client.answer().unwrap();
            assert_eq!((answer.status, answer.is_last()), (status, true), "{model}");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{model}: {answer:?}");
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{model}: {answer:?}");
        }
        let mut client = server.client();
        client.send("HEAD / HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\n\r\n").unwrap();
        assert_eq!(client.answer_head().unwrap().status, 413);
        assert_eq!(client.rest().unwrap(), b"", "the head alone was asked for");
        eventually("all of them are told", || {
            let asked = fs::read_to_string(&log).unwrap().lines().count();
            let page = server.get("/metrics").text();
            let sum: usize = ["2xx", "3xx", "4xx", "5xx"]
                .map(|class| metric(&page, &format!("forkd_responses_total{{code=\"{class}\"}}")))
                .iter()
                .sum();
            let requests = metric(&page, "forkd_requests_total");
            assert!(requests <= asked && sum <= asked, "{model}: {asked} in the log, {page}");
            (asked >= 8 && (requests, sum) == (asked, asked)).then_some(())
        });
    }
}
