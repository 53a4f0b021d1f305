//! Reload and scale: everything is exchanged under load, and no client can tell.

use std::{thread, time::Duration};

use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";

/// A server under load. The linger is longer than by default, so that a machine that is busy with other tests cannot
/// make a client look silent that only waits for its turn.
fn under_load(workers: u32) -> (Instance, Load) {
    let server = Launch::http().workers(workers).args(["--linger", "5s"]).start();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    (server, load)
}

#[test]
fn a_reload_by_command_loses_nothing_and_returns_when_it_is_done() {
    let (server, load) = under_load(2);
    let before = server.workers();
    let end = server.operate("reload", &[]).done();
    assert!(!end.out.is_empty(), "it says what happened: {end:?}");
    let status = server.status();
    assert_eq!((&status["generation"], &status["counters"]["reloads"]), (&2.into(), &1.into()));
    let after = server.workers();
    assert_eq!((after.len(), server.children().len()), (2, 2), "every predecessor is gone");
    assert!(after.iter().all(|pid| !before.contains(pid)));
    load.wait_served(50);
    load.end().assert_whole();
    server.log.wait("event=reload gen=2");
}

#[test]
fn a_reload_by_hangup_loses_nothing() {
    let (server, load) = under_load(2);
    server.signal(Signal::SIGHUP);
    server.log.wait_count(2, "event=exited gen=1 status=exit:0");
    server.wait_workers(2);
    load.wait_served(50);
    load.end().assert_whole();
    assert_eq!(server.status()["generation"], 2);
}

#[test]
fn twenty_reloads_in_a_row_lose_nothing() {
    let (server, load) = under_load(2);
    for generation in 2..=21 {
        server.operate("reload", &[]).done();
        assert_eq!(server.status()["generation"], generation);
    }
    load.end().assert_whole();
    server.wait_workers(2);
}

#[test]
fn a_successor_is_ready_before_its_predecessor_drains() {
    let server = Launch::http().workers(3).start();
    server.operate("reload", &[]).done();
    let lines = server.log.lines();
    for slot in 1..=3 {
        let at = |pattern: &str| lines.iter().position(|line| line.says(pattern)).expect(pattern);
        let ready = at(&format!("event=ready slot={slot} gen=2"));
        assert!(ready < at(&format!("event=draining slot={slot} gen=1")), "slot {slot}: {lines:#?}");
    }
}

#[test]
fn a_reload_while_a_reload_runs_ends_in_one_generation() {
    let (server, load) = under_load(2);
    let commands: Vec<_> = (0..3)
        .map(|_| {
            let mut command = forkd_command();
            command.args(["reload", server.launch.name(), "--runtime-dir"]).arg(server.launch.runtime());
            thread::spawn(move || run(&mut command))
        })
        .collect();
    server.signal(Signal::SIGHUP);
    for command in commands {
        command.join().unwrap().done();
    }
    server.wait_workers(2);
    load.end().assert_whole();
    let status = server.status();
    let generations: Vec<_> =
        status["workers"].as_array().unwrap().iter().map(|row| &row["generation"]).collect();
    assert_eq!(generations, [&status["generation"]; 2]);
}

#[test]
fn hangups_at_every_distance_end_in_one_generation() {
    let (server, load) = under_load(2);
    // The pauses are the story: a signal must find the master at every step of the reload before it.
    for gap in 0..25 {
        server.signal(Signal::SIGHUP);
        thread::sleep(Duration::from_millis(gap));
    }
    eventually("one generation", || {
        let status = server.status();
        let rows = status["workers"].as_array()?.clone();
        (rows.len() == 2 && rows.iter().all(|row| row["generation"] == status["generation"])).then_some(())
    });
    load.wait_served(50);
    load.end().assert_whole();
}

#[test]
fn a_reload_whose_workers_cannot_start_leaves_everything_as_it_was() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let server = fault.inside(launch).start();
    server.allow("gen=2").allow("event=reload");
    let before = server.workers();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    fault.begin();
    let end = server.operate("reload", &["--timeout", "5s"]);
    assert_eq!(end.code, 1, "{end:#?}");
    assert!(end.err.contains("oo many open files"), "the failing child's last words: {end:#?}");
    assert_eq!(server.wait_workers(2), before, "the old side is untouched");
    load.wait_served(50);
    load.end().assert_whole();
    let status = server.status();
    assert_eq!((&status["counters"]["failed_reloads"], &status["state"]), (&1.into(), &"running".into()));
    fault.end();
    server.operate("reload", &[]).done();
    assert!(server.wait_workers(2).iter().all(|pid| !before.contains(pid)));
}

#[test]
fn a_reload_whose_workers_hang_fails_at_its_limit() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, BOOT_HANGS);
    let server = fault.inside(launch).start();
    server.allow("gen=2").allow("event=reload");
    let before = server.workers();
    fault.begin();
    let end = server.operate("reload", &["--timeout", "300ms"]);
    assert_eq!(end.code, 1, "{end:#?}");
    assert_eq!(server.wait_workers(2), before);
    assert_eq!(server.get("/hello.txt").status, 200);
    fault.end();
}

#[test]
fn a_stop_in_the_middle_of_a_reload_is_a_stop() {
    let launch = Launch::http().workers(2).args(["--drain-timeout", "300ms"]);
    let fault = Fault::new(&launch, BOOT_HANGS);
    let server = fault.inside(launch).start();
    server.allow("gen=2").allow("event=reload").allow("event=killed");
    fault.begin();
    server.signal(Signal::SIGHUP);
    server.log.wait("event=spawned gen=2");
    server.stop();
}

#[test]
fn scaling_under_load_loses_nothing() {
    let (server, load) = under_load(2);
    for (word, count) in [("4", 4), ("-3", 1), ("+2", 3), ("-1", 2)] {
        let end = server.operate("scale", &[word]).done();
        assert!(!end.out.is_empty(), "it says what happened: {end:?}");
        assert_eq!((server.workers().len(), server.children().len()), (count, count), "after scale {word}");
        load.wait_served(30);
    }
    load.end().assert_whole();
    server.log.wait("event=scaled");
}

#[test]
fn two_signals_scale_by_one() {
    let (server, load) = under_load(1);
    server.signal(Signal::SIGTTIN);
    server.wait_workers(2);
    server.signal(Signal::SIGTTIN);
    server.wait_workers(3);
    server.signal(Signal::SIGTTOU);
    server.wait_workers(2);
    load.end().assert_whole();
}

#[test]
fn scaling_goes_neither_below_one_nor_beyond_all_bounds() {
    let server = Launch::http().workers(1).start();
    server.allow("event=refused");
    for word in ["0", "-1", "100000", "many"] {
        let end = server.operate("scale", &[word]);
        assert!(end.code != 0 && end.err.lines().count() == 1, "scale {word}: {end:#?}");
    }
    server.signal(Signal::SIGTTOU);
    assert_eq!(server.wait_workers(1).len(), 1);
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn a_kept_connection_is_told_that_its_next_answer_is_the_last() {
    let server = Launch::http().workers(1).args(["--linger", "20s"]).start();
    let mut client = server.client();
    assert!(!client.get("/hello.txt").unwrap().is_last());
    server.signal(Signal::SIGHUP);
    server.log.wait("event=draining gen=1");
    eventually("the worker drains", || Process::read(server.master).map(|_| ()));
    // Whether this request reaches the worker just before it learns of the drain or after, a close must come.
    let answers: Vec<_> = (0..1000).map_while(|_| client.get("/hello.txt").ok()).collect();
    assert!(answers.last().is_some_and(Answer::is_last), "{} answers", answers.len());
    server.log.wait("event=exited gen=1 status=exit:0");
}

#[test]
fn the_log_file_can_be_rotated() {
    let launch = Launch::http().workers(1);
    let (log, old) = (launch.folder().join("log"), launch.folder().join("log.1"));
    let server = launch.args(["--log-file", log.to_str().unwrap()]).start();
    let lines = Log::File(log.clone());
    lines.wait("event=ready");
    std::fs::rename(&log, &old).unwrap();
    server.operate("reopen", &[]).done();
    server.operate("scale", &["2"]).done();
    lines.wait("event=ready slot=2");
    std::fs::remove_file(&log).unwrap();
    server.signal(Signal::SIGUSR1);
    server.signal(Signal::SIGTTIN);
    lines.wait("event=ready slot=3");
    assert!(Log::File(old).all("event=ready slot=2").is_empty(), "the old file was let go");
}
