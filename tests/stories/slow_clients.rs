//! Slow, silent and greedy clients: bounded by limits, and nobody else waits for them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use nix::sys::socket::{setsockopt, sockopt::RcvBuf};

use crate::support::*;

/// One worker of the event model, with short limits.
fn short_limits() -> Launch {
    let limits = ["--header-timeout", "500ms", "--idle-timeout", "500ms", "--body-timeout", "500ms"];
    Launch::http().workers(1).args(limits).args(["--write-timeout", "500ms"])
}

#[test]
fn a_dripping_header_ends_at_an_absolute_limit() {
    let server = short_limits().start();
    let client = server.client();
    let mut writer = client.stream().try_clone().unwrap();
    // The pauses are the attack: each byte comes well within the limit, the whole never does.
    let dripping = thread::spawn(move || {
        let drips = b"GET /hello.txt HTTP/1.1\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
        let sent = drips.take(400).take_while(|byte| {
            thread::sleep(Duration::from_millis(50));
            writer.write_all(&[**byte]).is_ok()
        });
        sent.count()
    });
    for _ in 0..5 {
        assert_eq!(server.get("/hello.txt").status, 200, "others are served meanwhile");
    }
    let mut client = client;
    let said = client.wait_close();
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&said));
    assert!(dripping.join().unwrap() < 400, "the limit is not pushed back by each byte");
}

#[test]
fn a_client_that_says_nothing_is_closed() {
    let server = short_limits().start();
    let mut silent: Vec<_> = (0..20).map(|_| server.client()).collect();
    assert_eq!(server.get("/hello.txt").status, 200);
    for client in &mut silent {
        let said = client.wait_close();
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 408"));
    }
}

#[test]
fn a_kept_connection_that_stays_silent_is_closed() {
    let server = short_limits().start();
    let mut client = server.client();
    client.get("/hello.txt").unwrap();
    assert!(client.rest().unwrap().is_empty(), "closed politely, without a word that nobody asked for");
}

#[test]
fn a_body_that_never_comes_is_not_waited_for() {
    let server = short_limits().start();
    let mut client = server.client();
    client.send("POST /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 1000\r\n\r\nhalf").unwrap();
    let said = client.wait_close();
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn a_client_that_reads_nothing_is_dropped() {
    let launch = short_limits();
    launch.root().sparse("big.bin", 64 << 20);
    let server = launch.start();
    let mut greedy: Vec<_> = (0..3).map(|_| server.client()).collect();
    for client in &mut greedy {
        client.send("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    }
    assert_eq!(server.get("/hello.txt").status, 200, "others are served meanwhile");
    eventually("the worker is free of them", || {
        let status = server.status();
        (status["workers"][0]["active"] == 0).then_some(())
    });
}

#[test]
fn a_slow_reader_who_reads_gets_everything() {
    let launch = Launch::http().workers(1).args(["--write-timeout", "2s"]);
    launch.root().sparse("big.bin", 8 << 20);
    let server = launch.start();
    let mut client = server.client();
    client.send("GET /big.bin HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut stream: &TcpStream = client.stream();
    let (mut total, mut chunk) = (0, vec![0; 256 << 10]);
    loop {
        let count = stream.read(&mut chunk).unwrap();
        total += count;
        if count == 0 {
            break;
        }
        thread::sleep(Duration::from_millis(2));
    }
    assert!(total > 8 << 20, "{total}");
}

/// The kernel holds megabytes for a reader, and says that there is room only when a third of them is taken: who takes less
/// than that within the limit takes something all the same.
#[test]
fn a_slow_reader_who_makes_no_room_gets_everything() {
    let models = ["event", "blocking", "per-connection"].map(|model| {
        thread::spawn(move || {
            let launch = Launch::http().workers(1).args(["--model", model, "--write-timeout", "2s"]);
            launch.root().sparse("big.bin", 16 << 20);
            let server = launch.start();
            let client = server.client();
            setsockopt(client.stream(), RcvBuf, &(16 << 10)).unwrap();
            let mut stream: &TcpStream = client.stream();
            stream.write_all(b"GET /big.bin HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
            let (mut total, mut chunk) = (0, vec![0; 64 << 10]);
            // Twice the limit at this pace, which is too slow to make room within it.
            for _ in 0..200 {
                total += stream.read(&mut chunk[..8 << 10]).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
            loop {
                let count = stream.read(&mut chunk).unwrap();
                total += count;
                if count == 0 {
                    break;
                }
            }
            assert!(total > 16 << 20, "{model}: {total}");
        })
    });
    models.into_iter().for_each(|model| model.join().unwrap());
}

#[test]
fn an_endless_header_is_cut_off() {
    let server = Launch::http().workers(1).start();
    let workers = server.workers();
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n").unwrap();
    let line = format!("X-More: {}\r\n", "x".repeat(1000));
    client.send(line.repeat(200)).unwrap();
    assert_eq!(client.answer_head().unwrap().status, 431);
    sends_until_refused(&mut client, line.as_bytes());
    assert_eq!(server.workers(), workers);
}

#[test]
fn an_endless_target_is_cut_off() {
    let server = Launch::http().workers(1).start();
    let mut client = server.client();
    client.send("GET /").unwrap();
    client.send(vec![b'a'; 200_000]).unwrap();
    let status = client.answer_head().unwrap().status;
    assert!([414, 431].contains(&status), "{status}");
    sends_until_refused(&mut client, &[b'a'; 1000]);
    assert_eq!(server.get("/hello.txt").status, 200);
}

/// An answer to a client that is still sending is followed by a moment of listening, lest a reset destroy it; then
/// the connection ends, whatever still comes.
#[track_caller]
fn sends_until_refused(client: &mut Client, bytes: &[u8]) {
    eventually("the rest is not taken", || client.send(bytes).is_err().then_some(()));
}

#[test]
fn an_echo_client_that_reads_nothing_costs_bounded_memory() {
    let server = Launch::echo().workers(1).args(["--write-timeout", "1s"]).start();
    let worker = server.workers()[0];
    let client = server.client();
    client.stream().set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut stream = client.stream();
    let chunk = vec![b'x'; 1 << 20];
    let sent = (0..512).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 512, "half a gigabyte was taken in");
    let rss = Process::read(worker).and_then(|process| process.status("VmRSS")).unwrap();
    let kilobytes: u64 = rss.split(' ').next().unwrap().parse().unwrap();
    assert!(kilobytes < 64 << 10, "{rss}");
}

#[test]
fn many_silent_clients_leave_room_for_others() {
    let server = Launch::http().workers(1).start();
    let silent: Vec<_> = (0..300).map(|_| server.client()).collect();
    for _ in 0..5 {
        assert_eq!(server.get("/hello.txt").status, 200);
    }
    drop(silent);
    eventually("the worker is free of them", || (server.status()["workers"][0]["active"] == 0).then_some(()));
}

#[test]
fn clients_that_reset_are_forgotten() {
    let server = Launch::http().workers(1).start();
    let workers = server.workers();
    for _ in 0..50 {
        let mut client = server.client();
        // Closing with an answer unread makes the kernel send a reset.
        client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        client.take(1).unwrap();
    }
    assert_eq!(server.get("/hello.txt").status, 200);
    assert_eq!(server.workers(), workers);
    eventually("the worker is free of them", || (server.status()["workers"][0]["active"] == 0).then_some(()));
}
