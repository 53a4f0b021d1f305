//! The generator put to the test: servers that answer well, answer wrongly, or not at all, and what is counted.

use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use crate::{
    plan::{Mode, Plan, Transport},
    run,
    tally::{Failure, Tally},
};

/// What a server does with a connection.
type Manner = fn(TcpStream);

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const MISSING: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello";
const SHORT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell";
const CUT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";

const KEPT: Mode = Mode::KeepAlive { depth: 1 };
const ECHO: Mode = Mode::Echo(Transport::Streams);
const PIPELINED: Mode = Mode::KeepAlive { depth: 4 };

/// A manner, how it is asked, and the only failure that may be counted; none: good answers, and nothing else.
const CASES: &[(&str, Manner, Mode, Option<Failure>)] = &[
    ("a good server", answers_all, KEPT, None),
    ("a good server, pipelined", answers_all, PIPELINED, None),
    ("a good server, one-shot", |stream| answers(stream, GOOD), Mode::OneShot, None),
    ("answers in pieces", answers_in_pieces, KEPT, None),
    ("another status", |stream| answers(stream, MISSING), KEPT, Some(Failure::Wrong)),
    ("another length", |stream| answers(stream, SHORT), KEPT, Some(Failure::Wrong)),
    ("no HTTP", |stream| answers(stream, "hello\r\n\r\n"), KEPT, Some(Failure::Wrong)),
    ("half an answer", |stream| answers(stream, CUT), Mode::OneShot, Some(Failure::Cut)),
    ("no answer", |stream| answers(stream, ""), KEPT, Some(Failure::Closed)),
    ("a reset", drop, KEPT, Some(Failure::Reset)),
    ("silence", stays_silent, KEPT, Some(Failure::Late)),
    ("an echo", echoes, ECHO, None),
    ("other bytes than were sent", |stream| answers(stream, "hello"), ECHO, Some(Failure::Wrong)),
];

/// What becomes of a datagram before it is sent back, and as above.
type DatagramCase = (&'static str, fn(&mut [u8]), Option<Failure>);

const DATAGRAM_CASES: &[DatagramCase] = &[
    ("an echo of datagrams", |_| {}, None),
    ("another datagram than was sent", |bytes| bytes[0] ^= 1, Some(Failure::Wrong)),
];

/// Runs every case; the text names what was counted wrongly.
pub fn all() -> Result<String, String> {
    for (name, manner, mode, expected) in CASES {
        check(name, serve(*manner)?, *mode, *expected)?;
    }
    for (name, change, expected) in DATAGRAM_CASES {
        let address = serve_datagrams(*change)?;
        check(name, address, Mode::Echo(Transport::Datagrams), *expected)?;
    }
    let cases = CASES.len() + DATAGRAM_CASES.len();
    Ok(format!("load: {cases} manners of answering are told apart"))
}

fn check(name: &str, server: SocketAddr, mode: Mode, expected: Option<Failure>) -> Result<(), String> {
    let plan = Plan {
        connections: 3,
        mode,
        time: Duration::from_millis(60),
        body: Some(5),
        // Only silence is judged by the clock: a busy machine may take long over a good answer.
        patience: Duration::from_millis(if expected == Some(Failure::Late) { 15 } else { 60_000 }),
        ..Plan::new(server)
    };
    let tally = until_something_is_counted(&plan).map_err(|cause| format!("{name}: {cause}"))?;
    let good = tally.good() > 0 && tally.failures() == 0;
    let held = expected.map_or(good, |failure| tally.good() == 0 && tally.count(failure) > 0);
    if held { Ok(()) } else { Err(format!("{name}: counted {}", tally.json())) }
}

/// Runs the plan, again if the servers did not even come to answer.
fn until_something_is_counted(plan: &Plan) -> io::Result<Tally> {
    loop {
        let tally = run::run(plan)?;
        if tally.good() + tally.failures() > 0 {
            return Ok(tally);
        }
    }
}

/// A server on a port of the kernel's, as long as this process lives.
fn serve(manner: Manner) -> Result<SocketAddr, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|cause| format!("cannot listen: {cause}"))?;
    let address = listener.local_addr().map_err(|cause| format!("cannot listen: {cause}"))?;
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || manner(stream));
        }
    });
    Ok(address)
}

/// The same for datagrams, each sent back as it is after that change.
fn serve_datagrams(change: fn(&mut [u8])) -> Result<SocketAddr, String> {
    let cannot = |cause: io::Error| format!("cannot receive datagrams: {cause}");
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(cannot)?;
    let address = socket.local_addr().map_err(cannot)?;
    thread::spawn(move || {
        let mut bytes = [0; 1024];
        while let Ok((count, from)) = socket.recv_from(&mut bytes) {
            change(&mut bytes[..count]);
            let _ = socket.send_to(&bytes[..count], from);
        }
    });
    Ok(address)
}

/// Reads one request, answers it, and closes.
fn answers(mut stream: TcpStream, answer: &str) {
    let _ = stream.read(&mut [0; 1024]);
    let _ = stream.write_all(answer.as_bytes());
}

fn answers_all(mut stream: TcpStream) {
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        let requests = String::from_utf8_lossy(&bytes[..count]).matches("\r\n\r\n").count();
        let _ = stream.write_all(GOOD.repeat(requests).as_bytes());
    }
}

fn answers_in_pieces(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    while let Ok(1..) = stream.read(&mut [0; 1024]) {
        for piece in GOOD.as_bytes().chunks(7) {
            let _ = stream.write_all(piece);
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn echoes(mut stream: TcpStream) {
    let mut bytes = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        let _ = stream.write_all(&bytes[..count]);
    }
}

/// Holds the connection until the client gives up.
fn stays_silent(mut stream: TcpStream) {
    while let Ok(1..) = stream.read(&mut [0; 1024]) {}
}
