//! The scoreboard is shared, so any worker can write anything into it. It is shown, and nobody comes to harm by it.

use std::{fs, os::unix::fs::FileExt};

use crate::support::*;

/// Writes over all memory that the processes of a server share, by the descriptors of one of its workers: what a worker
/// that has gone mad, or over to somebody else, would do.
fn scribble(worker: i32, mut byte: impl FnMut() -> u8) {
    let shared = Process::read(worker).expect("it runs").descriptors();
    let mut written = 0;
    for (number, _) in shared.iter().filter(|(_, target)| target.contains("memfd:forkd")) {
        let file = fs::OpenOptions::new().write(true).open(format!("/proc/{worker}/fd/{number}")).unwrap();
        let bytes: Vec<u8> = (0..file.metadata().unwrap().len()).map(|_| byte()).collect();
        file.write_all_at(&bytes, 0).unwrap();
        written += bytes.len();
    }
    assert!(written > 1 << 20, "the whole scoreboard");
}

/// The same numbers in each run.
fn random() -> impl FnMut() -> u8 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    }
}

#[test]
fn random_bytes_all_over_the_scoreboard_mislead_nobody() {
    let server = Launch::http().workers(3).args(["--metrics", "/metrics"]).start();
    server.allow("event=exited").allow("event=dropped");
    let mut noise = random();
    for round in 0..3 {
        let pids = server.wait_workers(3);
        let mut paint = |worker: i32| match round {
            0 => scribble(worker, &mut noise),
            1 => scribble(worker, || 0xff),
            _ => scribble(worker, || 0),
        };
        paint(pids[0]);
        let status = server.status();
        assert_eq!((&status["state"], status["workers"].as_array().unwrap().len()), (&"running".into(), 3));
        for worker in status["workers"].as_array().unwrap() {
            for number in ["accepted", "active", "requests", "bytes_in", "bytes_out"] {
                assert_eq!(worker[number], 0, "{worker}");
            }
        }
        (0..20).for_each(|_| assert_eq!(server.get("/hello.txt").status, 200));
        assert_eq!(server.get("/metrics").status, 200);
        paint(pids[1]);
        send(pids[2], Signal::SIGKILL);
        server.log.wait(&format!("event=exited pid={} status=signal:KILL", pids[2]));
        let pids = server.wait_workers(3);
        paint(pids[2]);
        server.operate("scale", &["4"]).done();
        paint(pids[0]);
        server.operate("scale", &["3"]).done();
        paint(server.wait_workers(3)[0]);
        server.operate("reload", &[]).done();
        assert_eq!(server.get("/hello.txt").status, 200);
    }
    scribble(server.workers()[0], noise);
    server.operate("stop", &[]).done();
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn status_is_answered_while_every_worker_is_stopped() {
    let server = Launch::http().workers(3).start();
    let workers = server.workers();
    workers.iter().for_each(|worker| send(*worker, Signal::SIGSTOP));
    server.log.wait_count(3, "event=halted");
    let status = server.status();
    let pids: Vec<_> = status["workers"].as_array().unwrap().iter().map(|row| row["pid"].clone()).collect();
    assert_eq!(pids, workers);
    workers.iter().for_each(|worker| send(*worker, Signal::SIGCONT));
    server.log.wait_count(3, "event=continued");
    assert_eq!(server.get("/hello.txt").status, 200);
}
