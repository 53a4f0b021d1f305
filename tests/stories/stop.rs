//! Stopping: what was begun is finished, within the grace, and nothing is left.

use std::{
    io::Read,
    time::{Duration, Instant},
};

use crate::support::*;

const BIG: u64 = 32 << 20;

/// A server, and a client in the middle of a long transfer from it.
fn in_mid_transfer(arguments: &[&str]) -> (Instance, Client) {
    let launch = Launch::http().workers(2).args(arguments.iter().copied());
    launch.root().sparse("big.bin", BIG);
    let server = launch.start();
    let mut client = server.client();
    client.send("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert_eq!(client.answer_head().unwrap().header("content-length"), Some(&*BIG.to_string()));
    (server, client)
}

/// How many bytes still come.
fn rest_of(client: &mut Client) -> usize {
    client.wait_close().len()
}

#[test]
fn a_long_transfer_is_finished() {
    for signal in [Signal::SIGTERM, Signal::SIGQUIT, Signal::SIGINT] {
        let (server, mut client) = in_mid_transfer(&[]);
        server.signal(signal);
        server.log.wait_count(2, "event=draining");
        assert_eq!(rest_of(&mut client), BIG as usize, "{signal}: nothing is cut");
        assert_eq!(server.wait_exit(), 0);
    }
}

#[test]
fn nobody_new_is_let_in_while_it_stops() {
    let (server, mut client) = in_mid_transfer(&[]);
    let address = server.address();
    server.signal(Signal::SIGTERM);
    eventually("new connections are refused", || Client::connect(address).is_err().then_some(()));
    assert_eq!(rest_of(&mut client), BIG as usize);
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn a_second_term_changes_nothing() {
    let (server, mut client) = in_mid_transfer(&[]);
    server.signal(Signal::SIGTERM);
    server.log.wait_count(2, "event=draining");
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGTERM);
    assert_eq!(rest_of(&mut client), BIG as usize);
    assert_eq!(server.wait_exit(), 0);
    assert!(server.log.all("event=killed").is_empty());
}

#[test]
fn a_stop_signal_after_an_interrupt_ends_at_once() {
    for second in [Signal::SIGINT, Signal::SIGTERM] {
        let (server, mut client) = in_mid_transfer(&[]);
        server.allow("event=killed").allow("event=exited");
        server.signal(Signal::SIGINT);
        server.log.wait_count(2, "event=draining");
        server.signal(second);
        server.wait_exit();
        assert!(rest_of(&mut client) < BIG as usize, "{second}: it did not wait for the transfer");
    }
}

#[test]
fn the_command_returns_when_nothing_is_left() {
    let server = Launch::http().workers(2).daemon().start();
    let end = server.operate("stop", &[]).done();
    assert!(!Process::lives(server.master) && !end.out.is_empty(), "{end:?}");
    server.wait_exit();
    server.check_clean();
    let end = server.operate("stop", &[]);
    assert_eq!(end.code, 3, "there is nothing left to stop: {end:?}");
}

#[test]
fn stop_now_does_not_wait() {
    let (server, mut client) = in_mid_transfer(&[]);
    server.allow("event=killed").allow("event=exited");
    server.operate("stop", &["--now"]).done();
    assert!(!Process::lives(server.master));
    assert!(rest_of(&mut client) < BIG as usize);
    server.wait_exit();
}

#[test]
fn silent_kept_connections_are_closed_after_the_linger() {
    let server = Launch::http().workers(2).args(["--linger", "200ms"]).start();
    let mut kept: Vec<_> = (0..5).map(|_| server.client()).collect();
    for client in &mut kept {
        client.get("/hello.txt").unwrap();
    }
    server.signal(Signal::SIGTERM);
    for client in &mut kept {
        assert!(client.rest().unwrap().is_empty(), "closed politely, with nothing said");
    }
    assert_eq!(server.wait_exit(), 0);
    assert!(server.log.all("event=killed").is_empty());
}

#[test]
fn a_request_within_the_linger_is_answered() {
    let server = Launch::http().workers(1).args(["--linger", "20s"]).start();
    let mut client = server.client();
    client.get("/hello.txt").unwrap();
    server.signal(Signal::SIGTERM);
    server.log.wait("event=draining");
    let last = loop {
        let answer = client.get("/hello.txt").expect("an answer");
        if answer.is_last() {
            break answer;
        }
    };
    assert_eq!(last.status, 200);
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn clients_that_never_finish_their_request_are_left_at_the_grace() {
    let server = Launch::http().workers(2).args(["--drain-timeout", "500ms", "--linger", "100ms"]).start();
    server.allow("event=killed").allow("event=exited");
    let mut halves: Vec<_> = (0..21).map(|_| server.client()).collect();
    for client in &mut halves {
        client.send("GET /hello.txt HTTP/1.1\r\nHo").unwrap();
    }
    ends_within_the_grace(&server, Duration::from_millis(500));
}

#[test]
fn a_stuck_worker_is_killed_at_the_grace() {
    let server = Launch::http().workers(2).args(["--drain-timeout", "500ms"]).start();
    server.allow("event=killed").allow("event=exited");
    send(server.workers()[0], Signal::SIGSTOP);
    ends_within_the_grace(&server, Duration::from_millis(500));
    let killed = server.log.wait("event=killed slot=1");
    assert!(killed.0.contains("drain"), "the limit is named: {killed}");
    assert_eq!(server.log.all("event=exited slot=1 status=signal:KILL").len(), 1);
}

/// A stop never exceeds the grace by more than a second; a busy machine gets four more.
fn ends_within_the_grace(server: &Instance, grace: Duration) {
    let begin = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_exit(), 0);
    let took = begin.elapsed();
    assert!(took < grace + Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_stop_in_the_middle_of_the_start_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let launch = Launch::http().workers(2).args(["--drain-timeout", "300ms"]);
        let fault = Fault::new(&launch, BOOT_HANGS);
        fault.begin();
        let server = fault.inside(launch).spawn();
        server.allow("event=killed").allow("event=exited");
        server.log.wait_count(2, "event=spawned");
        server.signal(signal);
        assert_eq!(server.wait_exit(), 0);
        assert!(server.out.lines().is_empty(), "it never said ready");
        server.check_clean();
    }
}

#[test]
fn an_echo_client_gets_back_all_that_it_sent() {
    let server = Launch::echo().workers(1).start();
    let mut client = server.client();
    let sent = vec![b'x'; 100_000];
    client.send(&sent).unwrap();
    server.signal(Signal::SIGTERM);
    client.half_close().unwrap();
    let mut back = Vec::new();
    client.stream().read_to_end(&mut back).unwrap();
    assert_eq!(back.len(), sent.len());
    assert_eq!(server.wait_exit(), 0);
}
