//! Workers that have done their share are replaced, one at a time, and no client can tell.

use std::fs;

use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";

/// Reads the log as the kernel would have told it: never fewer workers than wanted take clients, never more than one
/// process beyond them is there.
#[track_caller]
fn check_the_exchange(server: &Instance, workers: i32) {
    let (mut living, mut serving, mut least, mut most) = (0, 0, i32::MAX, 0);
    for line in server.log.lines() {
        let (mut lives, mut serves) = (0, 0);
        match line.field("event").as_deref() {
            Some("spawned") => lives = 1,
            Some("exited") => lives = -1,
            Some("ready") => serves = 1,
            Some("draining") => serves = -1,
            Some(_) | None => {}
        }
        (living, serving) = (living + lives, serving + serves);
        most = most.max(living);
        if serves < 0 {
            least = least.min(serving);
        }
    }
    assert_eq!((least, most), (workers, workers + 1), "{:#?}", server.log.lines());
}

fn a_share_of_requests(model: &str) {
    let launch =
        Launch::http().workers(2).args(["--max-requests", "100~50", "--linger", "5s", "--model", model]);
    let server = launch.args(["--metrics", "/metrics"]).start();
    let before = server.workers();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    server.log.wait_count(3, "event=exited status=exit:0 reason=max-requests");
    let status = server.status();
    load.end().assert_whole();
    check_the_exchange(&server, 2);
    assert_ne!(server.workers(), before);
    assert_eq!((&status["counters"]["crashed"], &status["generation"]), (&0.into(), &1.into()));
    assert_eq!(status["last_exits"][0]["reason"], "max-requests");
    let metrics = server.get("/metrics").text();
    let replaced = metrics.lines().find(|line| line.contains(r#"restarts_total{reason="max-requests"}"#));
    assert!(replaced.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

#[test]
fn a_share_of_requests_is_done_without_a_loss() {
    a_share_of_requests("event");
}

#[test]
fn a_share_of_requests_is_done_by_blocking_workers() {
    a_share_of_requests("blocking");
}

#[test]
fn a_share_of_connections_is_done_where_each_has_a_process() {
    a_share_of_requests("per-connection");
}

#[test]
fn workers_grow_old_one_after_the_other() {
    let server = Launch::http().workers(3).args(["--max-age", "1s~500ms"]).start();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    server.log.wait_count(4, "event=exited status=exit:0 reason=max-age");
    load.end().assert_whole();
    check_the_exchange(&server, 3);
}

#[test]
fn programs_grow_old_and_heavy() {
    let grow = "x=$(head -c 30000000 /dev/zero | tr '\\0' a); sleep 1000 & wait";
    let heavy = Launch::run(&["sh", "-c", grow]).workers(1).args(["--max-memory", "20M"]).start();
    heavy.log.wait("event=exited slot=1 reason=max-memory");
    let old = Launch::run(&["sleep", "1000"]).workers(2).args(["--max-age", "1s"]).start();
    old.log.wait_count(2, "event=exited reason=max-age");
    assert_eq!(old.status()["counters"]["crashed"], 0);
}

#[test]
fn nobody_counts_the_requests_of_a_program() {
    let end = Launch::run(&["cat"]).args(["--max-requests", "10"]).attempt().err().expect("refused");
    assert_eq!(end.code, 2, "{end:?}");
    assert!(end.err.contains("nobody counts its requests (take max-age or max-memory)"), "{end:?}");
    let per_connection = ["--max-requests", "10", "--per-connection", "--check"];
    run(&mut Launch::run(&["cat"]).args(per_connection).command()).done();
}

#[test]
fn one_whose_successor_fails_serves_on() {
    let launch = Launch::http().workers(1).args(["--max-age", "1s"]);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let server = fault.inside(launch).start();
    let worker = server.workers()[0];
    fault.begin();
    server.allow("event=exited");
    let end = server.log.wait("event=exited slot=1");
    assert_ne!(end.number("pid"), worker);
    fault.end();
    assert_eq!((server.workers(), server.status()["state"].clone()), (vec![worker], "running".into()));
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn a_share_that_the_file_says_is_taken_over_by_a_reload() {
    let launch = Launch::http().workers(1);
    let file = launch.folder().join("web.toml");
    fs::write(&file, "").unwrap();
    let server = launch.args(["--config", &file.to_string_lossy()]).start();
    fs::write(&file, "max-age = \"1s\"\n").unwrap();
    server.operate("reload", &[]).done();
    server.log.wait("event=exited gen=2 reason=max-age");
}
