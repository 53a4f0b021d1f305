//! Under a service manager: the stories play its part, bind the notify socket and read what it is told.

use std::{os::unix::net::UnixDatagram, time::Duration};

use crate::support::*;

/// The manager's end of the notify socket.
struct Manager(UnixDatagram);

impl Manager {
    fn of(launch: &Launch) -> (Self, Launch) {
        let path = launch.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        (Self(socket), launch.clone().env("NOTIFY_SOCKET", path.to_str().unwrap()))
    }

    /// The next datagram that says this; those before it are passed over.
    #[track_caller]
    fn hears(&self, state: &str) -> String {
        let mut datagram = [0; 4096];
        loop {
            let count = self.0.recv(&mut datagram).unwrap_or_else(|error| panic!("no {state}: {error}"));
            let text = String::from_utf8(datagram[..count].to_vec()).unwrap();
            if text.lines().any(|line| line == state) {
                return text;
            }
        }
    }
}

/// How long the monotonic clock runs, in microseconds.
fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(Duration::from(now).as_micros()).unwrap()
}

#[test]
fn a_manager_is_told_of_ready_reload_and_stop() {
    let (manager, launch) = Manager::of(&Launch::http().workers(2));
    let server = launch.start();
    let ready = manager.hears("READY=1");
    assert!(ready.contains(&format!("MAINPID={}\n", server.master)), "{ready}");
    assert!(ready.contains("STATUS=2 workers ready, http://127.0.0.1:"), "{ready}");
    let before = now();
    server.operate("reload", &[]).done();
    let reloading = manager.hears("RELOADING=1");
    let stamp = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!((before..=now()).contains(&stamp.parse().unwrap()), "{reloading}");
    manager.hears("READY=1");
    server.operate("stop", &[]).done();
    manager.hears("STOPPING=1");
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn a_daemon_names_its_own_pid() {
    let (manager, launch) = Manager::of(&Launch::echo().workers(1).daemon());
    let server = launch.start();
    let pid = format!("MAINPID={}\n", server.master);
    assert!(manager.hears("READY=1").contains(&pid));
}

#[test]
fn a_manager_that_is_not_there_or_does_not_listen_keeps_nobody() {
    let launch = Launch::http().workers(1);
    let server = launch.clone().env("NOTIFY_SOCKET", "/nowhere/at/all").start();
    assert_eq!(server.get("/hello.txt").status, 200);
    drop(server);
    let (_deaf, launch) = Manager::of(&Launch::http().workers(1));
    let server = launch.start();
    // Far more than the queue of a socket holds.
    for count in 0..30 {
        server.operate("scale", &[if count % 2 == 0 { "2" } else { "1" }]).done();
    }
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn another_forkd_is_a_parent_like_any_other() {
    let forkd = env!("CARGO_BIN_EXE_forkd");
    let inner = ["echo", "-l", "fd:3", "-w", "1", "--name", "inner", "--runtime-dir", "inner"];
    let server = Launch::run(&[&[forkd][..], &inner].concat());
    let server = server.args(["--ready", "notify"]).workers(1);
    let server = server.listen(["127.0.0.1:0"]).start();
    let mut client = server.client();
    client.send("hello").unwrap();
    assert_eq!(client.take(5).unwrap(), b"hello");
    let status = server.status();
    assert!(status["workers"][0]["current"].as_str().unwrap().starts_with("1 workers ready"), "{status}");
}
