//! One application, several drivers: the same bytes come out for the same bytes in, whatever the processes look like.

use std::{net::UdpSocket, thread};

use crate::support::*;

/// Makes a module of tests for each model; each test gets the flags of the model.
macro_rules! for_every_model {
    ($($test:ident),* $(,)?) => {
        for_every_model!(@ event, ["--model", "event"], $($test),*);
        for_every_model!(@ blocking, ["--model", "blocking"], $($test),*);
        for_every_model!(@ wait, ["--model", "per-connection", "--reap", "wait"], $($test),*);
        for_every_model!(@ ignore, ["--model", "per-connection", "--reap", "ignore"], $($test),*);
        for_every_model!(@ double_fork, ["--model", "per-connection", "--reap", "double-fork"], $($test),*);
    };
    (@ $model:ident, $flags:expr, $($test:ident),*) => {
        mod $model {
            $(#[test] fn $test() { super::$test(&$flags); })*
        }
    };
}

for_every_model!(
    echo_returns_all_in_order,
    echo_survives_what_clients_do,
    http_answers_whatever_the_pieces,
    http_answers_a_pipeline_in_order,
    http_sends_big_bodies_whole,
    http_answers_after_a_half_close,
    http_refuses_what_is_malformed,
    a_thousand_connections_leave_no_zombie,
    datagrams_are_echoed,
    a_flood_of_datagrams_keeps_nobody_out_and_ends,
    a_drain_finishes_what_was_begun,
    a_reload_loses_nothing,
    the_status_counts_are_right,
);

const HELLO: &[u8] = b"Hello from a file.\n";
const GET: &[u8] = b"GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n";

fn http(model: &[&'static str]) -> Launch {
    Launch::http().workers(2).args(model.iter().copied())
}

fn echo(model: &[&'static str]) -> Launch {
    Launch::echo().workers(2).args(model.iter().copied())
}

fn echo_returns_all_in_order(model: &[&'static str]) {
    let server = echo(model).start();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut client = server.client();
    let mut writer = client.stream().try_clone().unwrap();
    let bytes = sent.clone();
    let writing = thread::spawn(move || std::io::Write::write_all(&mut writer, &bytes));
    assert!(client.take(sent.len()).unwrap() == sent, "3 MB came back as they were");
    writing.join().unwrap().unwrap();
    client.drip(b"byte by byte").unwrap();
    assert_eq!(client.take(12).unwrap(), b"byte by byte");
    client.send("the end").unwrap();
    client.half_close().unwrap();
    assert_eq!(client.rest().unwrap(), b"the end", "what was sent before the end comes back after it");
}

fn echo_survives_what_clients_do(model: &[&'static str]) {
    let server = echo(model).start();
    let children = server.workers();
    drop(server.client());
    let mut rude = server.client();
    rude.send(vec![b'x'; 1_000_000]).ok();
    drop(rude); // With bytes unread: the server's next write meets a reset.
    let mut client = server.client();
    client.send("still here?").unwrap();
    assert_eq!(client.take(11).unwrap(), b"still here?");
    drop(client);
    assert_eq!(server.workers(), children, "no worker was harmed");
}

fn http_answers_whatever_the_pieces(model: &[&'static str]) {
    let server = http(model).start();
    let mut client = server.client();
    client.drip(GET).unwrap();
    assert_eq!(client.answer().unwrap().body, HELLO);
    for cut in [1, 15, GET.len() - 3, GET.len() - 1] {
        client.send(&GET[..cut]).unwrap();
        client.send(&GET[cut..]).unwrap();
        assert_eq!(client.answer().unwrap().body, HELLO, "cut at {cut}");
    }
}

fn http_answers_a_pipeline_in_order(model: &[&'static str]) {
    let launch = http(model);
    for number in 0..10 {
        launch.root().file(&format!("{number}.txt"), number.to_string());
    }
    let server = launch.start();
    let mut client = server.client();
    let request = |number: i32| format!("GET /{number}.txt HTTP/1.1\r\nHost: test\r\n\r\n");
    client.send((0..10).map(request).collect::<String>()).unwrap();
    for number in 0..10 {
        assert_eq!(client.answer().unwrap().text(), number.to_string());
    }
}

fn http_sends_big_bodies_whole(model: &[&'static str]) {
    let launch = http(model);
    let big: Vec<u8> = (0..5_000_000_u32).map(|number| (number % 241) as u8).collect();
    launch.root().file("big.bin", &big).file("empty.bin", "");
    let server = launch.start();
    let mut client = server.client();
    assert!(client.get("/big.bin").unwrap().body == big);
    assert_eq!(client.get("/empty.bin").unwrap().body, b"");
    assert!(client.get("/big.bin").unwrap().body == big);
}

fn http_answers_after_a_half_close(model: &[&'static str]) {
    let server = http(model).start();
    let mut client = server.client();
    client.send(GET).unwrap();
    client.half_close().unwrap();
    assert_eq!(client.answer().unwrap().body, HELLO);
    assert!(client.rest().unwrap().is_empty());
    let mut half = server.client();
    half.send(&GET[..10]).unwrap();
    half.half_close().unwrap();
    half.wait_close();
}

fn http_refuses_what_is_malformed(model: &[&'static str]) {
    let server = http(model).start();
    let workers = server.workers();
    for bad in [&b"nonsense\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\x05hello\r\n\r\n"] {
        let mut client = server.client();
        client.send(bad).unwrap();
        let said = client.wait_close();
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&said));
    }
    assert_eq!(server.get("/hello.txt").body, HELLO);
    assert_eq!(server.workers(), workers);
}

fn a_thousand_connections_leave_no_zombie(model: &[&'static str]) {
    let server = http(model).args(["--log-level", "debug"]).start();
    let address = server.address();
    let clients: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || (0..250).filter(|_| fetch(address, "/hello.txt").is_ok()).count()))
        .collect();
    let served: usize = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert_eq!(served, 1000);
    eventually("the zombies are zero and the workers alone", || {
        let below: Vec<_> =
            server.children().iter().flat_map(|worker| Process::children(worker.pid)).collect();
        below.is_empty().then_some(())
    });
    server.check_no_zombie();
    if model.contains(&"wait") {
        server.log.wait_count(1000, "connection status=exit:0");
    }
}

fn datagrams_are_echoed(model: &[&'static str]) {
    let server = echo(model).listen(["udp:127.0.0.1:0"]).start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    for size in [1, 1400, 9000, 0, 60000] {
        let sent = vec![b'u'; size];
        socket.send_to(&sent, server.udp()).unwrap();
        if size > 0 {
            let mut reply = vec![0; 65536];
            let (count, from) = socket.recv_from(&mut reply).unwrap();
            assert_eq!((count, from), (size, server.udp()), "an empty datagram gets an empty answer or none");
        } else {
            socket.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
            let _ = socket.recv_from(&mut [0; 16]);
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
        }
    }
}

fn a_flood_of_datagrams_keeps_nobody_out_and_ends(model: &[&'static str]) {
    let launch = Launch::echo().workers(1).args(model.iter().copied());
    let server = launch.listen(["udp:127.0.0.1:0", "127.0.0.1:0"]).start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(server.udp()).unwrap();
    let worker = server.workers()[0];
    send(worker, Signal::SIGSTOP);
    server.log.wait("event=halted");
    // More than one burst takes, so that the worker no longer waits for them, and comes back to them by itself.
    let sent: Vec<[u8; 2]> = (0..150_u16).map(u16::to_be_bytes).collect();
    sent.iter().for_each(|bytes| assert_eq!(socket.send(bytes).unwrap(), 2));
    let mut client = server.client();
    client.send("and me").unwrap();
    send(worker, Signal::SIGCONT);
    assert_eq!(client.take(6).unwrap(), b"and me");
    drop(client);
    let echoed = || {
        let mut reply = [0; 2];
        assert_eq!(socket.recv(&mut reply).unwrap(), 2);
        reply
    };
    sent.iter().for_each(|bytes| assert_eq!(echoed(), *bytes));
    eventually("the worker waits for the next one", || (Process::read(worker)?.state == 'S').then_some(()));
    socket.send(b"ok").unwrap();
    assert_eq!(echoed(), *b"ok");
}

fn a_drain_finishes_what_was_begun(model: &[&'static str]) {
    let launch = http(model).args(["--linger", "300ms"]);
    launch.root().sparse("big.bin", 16 << 20);
    let server = launch.start();
    let (mut busy, mut kept) = (server.client(), server.client());
    kept.get("/hello.txt").unwrap();
    busy.send("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    busy.answer_head().unwrap();
    server.signal(Signal::SIGTERM);
    server.log.wait_count(2, "event=draining");
    assert_eq!(busy.wait_close().len(), 16 << 20);
    assert!(kept.rest().unwrap().is_empty());
    assert_eq!(server.wait_exit(), 0);
    assert!(server.log.all("event=killed").is_empty());
}

fn a_reload_loses_nothing(model: &[&'static str]) {
    // A blocking worker serves one connection at a time, so there are more of them than of the clients that stay.
    let launch = Launch::http().workers(4).args(model.iter().copied());
    let server = launch.args(["--linger", "5s"]).start();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    for _ in 0..3 {
        server.operate("reload", &[]).done();
        load.wait_served(20);
    }
    load.end().assert_whole();
}

fn the_status_counts_are_right(model: &[&'static str]) {
    let server = http(model).start();
    (0..6).for_each(|_| assert_eq!(server.get("/hello.txt").status, 200));
    let per_connection = model.contains(&"per-connection");
    eventually("six accepted, none active", || {
        let status = server.status();
        let rows = status["workers"].as_array()?.clone();
        let sum = |key: &str| rows.iter().filter_map(|row| row[key].as_u64()).sum::<u64>();
        // A process that serves one connection writes no row, so its requests are not counted.
        let requests = per_connection || sum("requests") == 6;
        (sum("accepted") == 6 && sum("active") == 0 && requests).then_some(())
    });
    assert_eq!(server.status()["model"], model[1]);
}

/// The connection's process says what it is, and is nobody's child but the worker's or, doubly forked, the adopter's.
#[test]
fn a_connection_has_a_process_with_a_name() {
    for reap in ["wait", "ignore", "double-fork"] {
        let server = Launch::echo().workers(1).args(["--model", "per-connection", "--reap", reap]).start();
        let mut client = server.client();
        client.send("x").unwrap();
        client.take(1).unwrap();
        let worker = server.workers()[0];
        let of_connection = |process: &Process| process.comm == "forkd-conn";
        let found: Vec<_> = server.all_processes().into_iter().filter(of_connection).collect();
        assert_eq!(found.len(), 1, "{reap}: {found:?}");
        assert_eq!(found[0].title, "forkd: connection of worker 1");
        assert_eq!(found[0].ppid == worker, reap != "double-fork", "{reap}: {found:?}");
    }
}

/// The whole answers of all models are the same, byte for byte, but for the date.
#[test]
fn the_models_differ_in_no_byte() {
    let flags: [&[&'static str]; 3] =
        [&["--model", "event"], &["--model", "blocking"], &["--model", "per-connection"]];
    let requests = [
        "GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "HEAD /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /none HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /hello.txt HTTP/1.0\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET /hello.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ];
    let mut said: Vec<Vec<String>> = Vec::new();
    let launch = Launch::http().workers(2);
    for model in flags {
        let server = launch.clone().args(model.iter().copied()).start();
        let answer = |request: &&str| {
            let mut client = server.client();
            client.send(request).unwrap();
            let text = String::from_utf8(client.rest().unwrap()).unwrap();
            text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\r\n")
        };
        said.push(requests.iter().map(answer).collect());
    }
    assert_eq!(said[0], said[1]);
    assert_eq!(said[0], said[2]);
    assert!(said[0].iter().all(|answer| answer.starts_with("HTTP/1.1 ")), "{said:#?}");
}
