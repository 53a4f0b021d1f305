//! The event engine: fair shares, bounded room, and no work for nothing.

use std::{
    fs,
    io::Write,
    time::{Duration, Instant},
};

use crate::support::*;

/// While the gate is open nobody can be accepted for want of descriptors; each try leaves a byte in a file.
const ACCEPT_FAILS: &str = "
    int accept4(int fd, struct sockaddr *peer, socklen_t *length, int flags) {
        if (on()) {
            int tries = open(TRIES, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            write(tries, \"x\", 1);
            close(tries);
            errno = EMFILE;
            return -1;
        }
        return syscall(SYS_accept4, fd, peer, length, flags);
    }";

/// Each send of an answer leaves a byte in a file.
const SENDS_COUNTED: &str = "
    ssize_t send(int fd, const void *bytes, size_t count, int flags) {
        if (count > 8 && !memcmp(bytes, \"HTTP/1.1\", 8)) {
            int sends = open(TRIES, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
            write(sends, \"x\", 1);
            close(sends);
        }
        return syscall(SYS_sendto, fd, bytes, count, flags, 0, 0);
    }";

/// A library in which the calls leave their traces in the second answer.
fn counting(launch: &Launch, code: &str) -> (Fault, std::path::PathBuf) {
    let tries = launch.folder().join("tries");
    let code = code.replace("TRIES", &format!("{:?}", tries.display().to_string()));
    let headers = "#include <fcntl.h>\n#include <string.h>\n#include <sys/socket.h>\n";
    (Fault::new(launch, &format!("{headers}{code}")), tries)
}

fn count(tries: &std::path::Path) -> u64 {
    fs::metadata(tries).map_or(0, |file| file.len())
}

#[test]
fn a_worker_without_descriptors_rests_between_its_tries() {
    let launch = Launch::http().workers(1);
    let (fault, tries) = counting(&launch, ACCEPT_FAILS);
    let server = fault.inside(launch).start();
    let mut kept = server.client();
    kept.get("/hello.txt").unwrap();
    server.allow("cannot accept a connection");
    fault.begin();
    let mut waiting = server.client();
    waiting.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    eventually("the first try", || (count(&tries) > 0).then_some(()));
    let begun = Instant::now();
    eventually("a few more tries", || (count(&tries) >= 5).then_some(()));
    // A slow machine makes this longer and never shorter; one that spins is there within a millisecond.
    assert!(begun.elapsed() > Duration::from_millis(250), "it tries again and again");
    assert_eq!(kept.get("/hello.txt").unwrap().status, 200, "whoever has a connection is served");
    fault.end();
    assert_eq!(waiting.answer().unwrap().status, 200, "whoever waits is served as soon as there is room");
    assert_eq!(server.log.all("cannot accept a connection").len(), 1, "one line for one shortage");
}

#[test]
fn pipelined_requests_that_come_together_are_answered_by_one_send() {
    let launch = Launch::http().workers(1);
    let (counter, sends) = counting(&launch, SENDS_COUNTED);
    let server = counter.inside(launch).start();
    let mut client = server.client();
    client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n".repeat(16)).unwrap();
    for _ in 0..16 {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!(count(&sends), 1);
}

#[test]
fn the_busiest_of_two_workers_has_at_most_three_fifths_of_a_burst() {
    for round in 0..10 {
        let server = Launch::http().workers(2).start();
        let mut clients: Vec<_> = (0..64).map(|_| server.client()).collect();
        for client in &mut clients {
            client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        }
        for client in &mut clients {
            assert_eq!(client.answer().unwrap().status, 200);
        }
        let status = server.status();
        let active = [0, 1].map(|worker| status["workers"][worker]["active"].as_u64().unwrap());
        assert_eq!(active.iter().sum::<u64>(), 64, "round {round}: {active:?}");
        assert!(active.iter().all(|count| *count * 10 <= 64 * 6), "round {round}: {active:?}");
    }
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    const CONNECTIONS: u64 = 1000;
    let server = Launch::http().workers(1).start();
    let worker = server.workers()[0];
    let mut clients: Vec<_> = (0..CONNECTIONS).map(|_| server.client()).collect();
    let used = |clients: &mut Vec<Client>| {
        for client in clients.iter_mut() {
            // A head in two pieces is kept in memory between them.
            client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\nX-Long: ").unwrap();
        }
        for client in clients.iter_mut() {
            client.stream().write_all(&[b'x'; 4000]).unwrap();
            client.send("\r\n\r\n").unwrap();
            assert_eq!(client.answer().unwrap().status, 200);
        }
        private_bytes(worker)
    };
    let before = private_bytes(worker);
    let after = used(&mut clients);
    let growth = after.saturating_sub(before) / CONNECTIONS;
    assert!(growth < 2048, "{growth} bytes for each idle connection");
}

/// The memory of a process that it shares with nobody.
fn private_bytes(pid: i32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
