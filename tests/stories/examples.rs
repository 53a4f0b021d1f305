//! The examples: each does what its first lines say, and ends as a server of forkd's ends.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::support::*;

/// A running example. Dropping it stops it, and checks that it ends well and that no process of it is left.
pub struct Example {
    child: Child,
    pub out: Log,
    log: Log,
}

impl Example {
    /// Starts it on a port of the kernel's choice and waits until it says where it listens.
    pub fn start(name: &str, arguments: &[&str]) -> (Self, SocketAddr) {
        let mut command = Command::new(program(name));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let out = Log::of_pipe(child.stdout.take().expect("a pipe"));
        let log = Log::of_pipe(child.stderr.take().expect("a pipe"));
        let line = out.wait("://127.0.0.1:").0;
        let port = line.split("://127.0.0.1:").nth(1).expect("a URL");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        let example = Self { child, out, log };
        (example, format!("127.0.0.1:{port}").parse().expect("an address"))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        send(self.child.id().cast_signed(), Signal::SIGTERM);
        let code = self.child.wait().expect("our own child can be waited for").code();
        if !std::thread::panicking() {
            assert_eq!(code, Some(0), "{:?}", self.log.lines());
            // Both end only when nobody holds them any more: no worker is left.
            self.out.wait_end();
            self.log.wait_end();
            assert!(self.log.lines().is_empty(), "the library prints nothing: {:?}", self.log.lines());
        }
    }
}

/// Where Cargo has put the example's program: beside ours.
pub fn program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_forkd")).with_file_name("examples").join(name);
    assert!(path.exists(), "{} is not built: cargo build --examples", path.display());
    path
}

/// Sends `bytes`, and nothing more; gives all that comes back.
fn ask(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn thanks_answers_each_message() {
    let (example, address) = Example::start("thanks", &["127.0.0.1:0"]);
    let client =
        run(Command::new(program("thanks")).args(["client", &address.to_string(), "hello", "你好"])).done();
    assert_eq!(client.out.matches("Thanks").count(), 2, "{client:?}");
    drop(example);
}

#[test]
fn echo_is_the_same_in_every_model() {
    for model in ["event", "blocking", "per-connection"] {
        let (_example, address) = Example::start("echo", &["127.0.0.1:0", model]);
        assert_eq!(ask(address, b"there and back"), b"there and back", "{model}");
    }
}

#[test]
fn hello_http_says_hello_who_it_is_and_what_it_was_told() {
    let (example, address) = Example::start("hello_http", &["127.0.0.1:0", "2"]);
    let mut client = Client::connect(address).unwrap();
    assert_eq!(client.get("/").unwrap().body, b"Hello, world!");
    let worker: i32 = client.get("/pid").unwrap().text().parse().unwrap();
    assert_eq!(Process::read(worker).map(|process| process.ppid), Some(example.child.id().cast_signed()));
    for body in ["", "a body", &"long ".repeat(10_000)] {
        let head = format!("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", body.len());
        client.send(head + body).unwrap();
        assert_eq!(client.answer().unwrap().text(), body);
    }
    client
        .send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .unwrap();
    assert_eq!(client.answer().unwrap().text(), "abc");
    assert_eq!(client.get("/other").unwrap().status, 404);
}

#[test]
fn hello_http_replaces_a_worker_that_is_killed() {
    let (example, address) = Example::start("hello_http", &["127.0.0.1:0", "1"]);
    let pid = || fetch(address, "/pid").ok().and_then(|answer| answer.text().parse::<i32>().ok());
    let first = pid().unwrap();
    send(first, Signal::SIGKILL);
    let second = eventually("another answers", || pid().filter(|pid| *pid != first));
    assert_eq!(Process::read(second).map(|process| process.ppid), Some(example.child.id().cast_signed()));
}

#[test]
fn hello_http_becomes_its_successor_in_the_same_process() {
    let (example, address) = Example::start("hello_http", &["127.0.0.1:0", "2"]);
    let master = example.child.id().cast_signed();
    let workers = || -> Vec<_> {
        let is_worker = |process: &Process| process.comm.starts_with("forkd-worker");
        Process::children(master).into_iter().filter(is_worker).map(|process| process.title).collect()
    };
    let mut kept = Client::connect(address).unwrap();
    kept.get("/").unwrap();
    for generation in 2..=3 {
        send(master, Signal::SIGUSR2);
        let mark = format!(" gen {generation} ");
        eventually("another generation, and no other", || {
            let found = workers();
            (found.len() == 2 && found.iter().all(|title| title.contains(&mark))).then_some(())
        });
        assert_eq!(fetch(address, "/").unwrap().body, b"Hello, world!");
    }
    assert_eq!(example.out.lines().len(), 1, "it says where it listens once");
}

#[test]
fn each_zombie_remedy_leaves_none() {
    for remedy in ["wait", "ignore", "double-fork"] {
        let (_example, address) = Example::start("zombie_remedies", &[remedy, "127.0.0.1:0"]);
        for _ in 0..50 {
            let said = String::from_utf8(ask(address, b"")).unwrap();
            assert!(said.starts_with("process ") && said.contains("child of "), "{remedy}: {said}");
        }
        eventually("no zombie is left", || {
            let said = String::from_utf8(ask(address, b"")).unwrap();
            said.trim_end().ends_with("zombies here: 0").then_some(())
        });
    }
}

#[test]
fn custom_protocol_turns_frames_round_whatever_their_pieces() {
    let (_example, address) = Example::start("custom_protocol", &["127.0.0.1:0"]);
    assert_eq!(ask(address, b"\0\0\0\x03abc\0\0\0\x02xy"), b"\0\0\0\x03cba\0\0\0\x02yx");
    let mut client = Client::connect(address).unwrap();
    client.drip(b"\0\0\0\x05hello").unwrap();
    assert_eq!(client.take(9).unwrap(), b"\0\0\0\x05olleh");
    client.send([0xff; 8]).unwrap();
    assert!(client.wait_close().is_empty(), "whoever announces too much is not heard");
}

#[cfg(feature = "tokio")]
#[test]
fn an_axum_application_is_reloaded_without_losing_what_it_has_begun() {
    let (example, address) = Example::start("axum", &["127.0.0.1:0"]);
    let master = example.child.id().cast_signed();
    let workers = || Process::children(master).into_iter().map(|worker| worker.pid).collect::<Vec<_>>();
    let before = workers();
    assert_eq!(before.len(), 2);

    // Both requests come in one piece: with the first answer, the second is in the worker's hands.
    let mut client = Client::connect(address).unwrap();
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    client.send(request("/") + &request("/slow/700")).unwrap();
    assert!(client.answer().unwrap().text().starts_with("hello from worker"));
    send(master, Signal::SIGHUP);
    assert!(client.answer().unwrap().text().starts_with("slept 700 ms in worker"));

    eventually("the workers are others", || {
        let now = workers();
        (now.len() == 2 && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    send(workers()[0], Signal::SIGKILL);
    assert_eq!(fetch(address, "/").unwrap().status, 200);
}

#[cfg(feature = "tokio")]
#[test]
fn a_master_of_axum_that_is_killed_takes_its_workers_along() {
    let (mut example, address) = Example::start("axum", &["127.0.0.1:0"]);
    let workers = Process::children(example.child.id().cast_signed());
    assert_eq!(fetch(address, "/").unwrap().status, 200);
    example.child.kill().unwrap();
    example.child.wait().unwrap();
    // The pipes end when the last process that holds them is gone.
    example.out.wait_end();
    eventually("no worker is left", || {
        workers.iter().all(|worker| !Process::lives(worker.pid)).then_some(())
    });
    std::mem::forget(example);
}

#[test]
fn router_keeps_teas_by_name() {
    let (_example, address) = Example::start("router", &["127.0.0.1:0"]);
    let mut client = Client::connect(address).unwrap();
    let mut put = |tea: &str| {
        let head =
            format!("PUT /teas/Earl%20Grey HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n", tea.len());
        client.send(head + tea).unwrap();
        client.answer().unwrap().status
    };
    assert_eq!((put("bergamot"), put("bergamot, three minutes")), (201, 204));
    assert_eq!(client.get("/teas/Earl%20Grey").unwrap().text(), "bergamot, three minutes\n");
    assert_eq!(client.head("/teas/Earl%20Grey").unwrap().header("content-length"), Some("24"));
    assert_eq!(client.get("/teas").unwrap().text(), "Earl Grey\n");
    assert_eq!(client.get("/teas/none").unwrap().status, 404);
    client.send("DELETE /teas/none HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let refused = client.answer().unwrap();
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD, OPTIONS, PUT")));
}

/// A client that reads events, and has seen the first of them.
fn listen(address: SocketAddr) -> Client {
    let mut client = Client::connect(address).unwrap();
    client.send("GET /events HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let head = client.answer_head().unwrap();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    assert_eq!(client.chunk().unwrap(), b"event: clock\ndata: 0 s\n\n");
    client
}

#[test]
fn sse_tells_everyone_what_one_says() {
    let (example, address) = Example::start("sse", &["127.0.0.1:0"]);
    let mut listeners: Vec<_> = (0..50).map(|_| listen(address)).collect();
    let mut speaker = Client::connect(address).unwrap();
    speaker.send("POST /say HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello").unwrap();
    assert_eq!(speaker.answer().unwrap().status, 204);
    for client in &mut listeners {
        while client.chunk().unwrap() != b"data: hello\n\n" {}
    }
    // The worker drains: each stream has its end.
    send(example.child.id().cast_signed(), Signal::SIGTERM);
    for client in &mut listeners {
        while !client.chunk().unwrap().is_empty() {}
        assert_eq!(client.rest().unwrap(), b"");
    }
}

#[test]
fn sse_ticks_in_every_model() {
    for model in ["event", "blocking", "per-connection"] {
        let (_example, address) = Example::start("sse", &["127.0.0.1:0", model]);
        let mut client = listen(address);
        assert_eq!(client.chunk().unwrap(), b"event: clock\ndata: 1 s\n\n", "{model}");
    }
}

/// A blocking worker serves one connection at a time, and a stream of events never ends: it makes room.
#[test]
fn sse_makes_room_in_a_worker_that_serves_one_at_a_time() {
    let (_example, address) = Example::start("sse", &["127.0.0.1:0", "blocking"]);
    let mut first = listen(address);
    let mut second = listen(address);
    while !first.chunk().unwrap().is_empty() {}
    assert_eq!(first.rest().unwrap(), b"");
    assert_eq!(second.chunk().unwrap(), b"event: clock\ndata: 1 s\n\n");
}

#[test]
fn deadline_names_the_limit_and_gives_time_to_who_asks() {
    for (kind, limit) in
        [("liveness", "liveness limit of 1s passed"), ("request", "request limit of 1s passed")]
    {
        let (example, address) = Example::start("deadline", &["127.0.0.1:0", kind]);
        let mut stuck = TcpStream::connect(address).unwrap();
        stuck.write_all(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        example.out.wait(&format!("killed {limit}"));
        let exit = example.out.wait("exited").0;
        assert!(exit.contains(limit), "{exit}");
        let patient = ask(address, b"GET /patient HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(patient.ends_with(b"it took its time"), "{}", String::from_utf8_lossy(&patient));
        assert_eq!(example.out.all("killed").len(), 1, "{:?}", example.out.lines());
    }
}

#[test]
fn leak_replaces_who_has_too_much_memory_in_use() {
    let (example, address) = Example::start("leak", &["127.0.0.1:0"]);
    let leaky: i32 = fetch(address, "/leak").unwrap().text().parse().unwrap();
    let line = example.out.wait(&format!("exited pid={leaky}"));
    assert!(line.says("max-memory"), "{line}");
    let second = eventually("another answers", || fetch(address, "/pid").ok()?.text().parse().ok());
    assert_ne!(leaky, second);
    assert_eq!(Process::read(second).map(|process| process.ppid), Some(example.child.id().cast_signed()));
}
