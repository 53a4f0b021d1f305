//! The master is killed: its workers see it, let go of the port, and end.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use crate::support::*;

/// Every model, and for a process per connection every way to reap.
const MODELS: &[&[&str]] = &[
    &["--model", "event"],
    &["--model", "blocking"],
    &["--model", "per-connection", "--reap", "wait"],
    &["--model", "per-connection", "--reap", "ignore"],
    &["--model", "per-connection", "--reap", "double-fork"],
];

#[test]
fn the_port_is_free_and_the_workers_gone() {
    for model in MODELS {
        let server = Launch::http().workers(2).args(model.iter().copied()).start();
        server.get("/hello.txt");
        the_master_dies(&server);
    }
}

#[test]
fn workers_with_clients_end_too() {
    for model in MODELS {
        let launch = Launch::http().workers(2).args(model.iter().copied());
        launch.root().sparse("big.bin", 256 << 20);
        let server = launch.start();
        // One in mid-transfer, not reading; one kept and silent; one that has said nothing.
        let mut clients = [server.client(), server.client(), server.client()];
        clients[0].send("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        clients[0].answer_head().unwrap();
        the_master_dies(&server);
    }
}

#[test]
fn an_echo_server_ends_too() {
    for model in MODELS {
        let launch = Launch::echo();
        let unix = format!("unix:{}", launch.folder().join("s").display());
        let server =
            launch.listen(["127.0.0.1:0", "udp:127.0.0.1:0", &unix]).args(model.iter().copied()).start();
        let mut client = server.client();
        client.send("x").unwrap();
        client.take(1).unwrap();
        the_master_dies(&server);
    }
}

#[test]
fn the_next_start_works_over_what_a_killed_master_left() {
    for launch in [Launch::http(), Launch::http().daemon()] {
        let launch = launch.workers(2).listen([&*crate::daemon::free_address().to_string()]);
        let server = launch.start();
        the_master_dies(&server);
        assert!(
            launch.file("pid").exists() && launch.file("sock").exists(),
            "nobody was left to remove them"
        );
        let next = launch.start();
        assert_eq!(next.get("/hello.txt").status, 200);
        assert_ne!(next.master, server.master);
        next.stop();
    }
}

#[test]
fn a_stale_unix_socket_is_replaced() {
    let launch = Launch::echo();
    let unix = format!("unix:{}", launch.folder().join("echo.socket").display());
    let launch = launch.listen([&*unix]).workers(1);
    let server = launch.start();
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    server.check_no_process();
    let next = launch.start();
    let end = forkd(&["send", &unix, "again"]).done();
    assert_eq!(end.out.trim_end(), "again");
    next.stop();
}

#[test]
fn a_whole_tree_that_was_killed_is_no_obstacle() {
    let launch = Launch::http().workers(4);
    let server = launch.start();
    let workers = server.workers();
    server.signal(Signal::SIGKILL);
    workers.iter().for_each(|pid| send(*pid, Signal::SIGKILL));
    server.wait_exit();
    server.check_no_process();
    launch.start().stop();
}

/// Nothing is stuck for longer than a second in a world without a master: SIGALRM sees to it.
#[test]
fn a_stuck_worker_does_not_outlive_its_master() {
    let launch = Launch::http().workers(1);
    let fault = Fault::new(&launch, BOOT_HANGS);
    fault.begin();
    let server = fault.inside(launch).spawn();
    let pid = server.log.wait("event=spawned slot=1").number("pid");
    eventually("it hangs at boot", || Process::read(pid).filter(|process| process.comm == "forkd-worker-1"));
    server.signal(Signal::SIGKILL);
    server.wait_exit();
    server.check_no_process();
}

/// Kills the master and sees to it that its port is free within a second (a busy machine gets two more), and that
/// all its processes end.
#[track_caller]
fn the_master_dies(server: &Instance) {
    let address = server.address();
    server.signal(Signal::SIGKILL);
    let begin = Instant::now();
    assert!([-9, 0].contains(&server.wait_exit()), "killed; 0 stands for unknown");
    eventually("the port is free", || TcpListener::bind(address).ok());
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(3), "the port was free after {took:?}");
    server.check_no_process();
}
