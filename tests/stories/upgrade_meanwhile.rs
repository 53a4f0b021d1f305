//! What else happens while an upgrade runs, and after it.

use std::fs;

use super::{daemon::refused, upgrade::*};
use crate::support::*;

#[test]
fn a_worker_that_dies_meanwhile_is_replaced_and_nothing_is_forgotten() {
    let launch = Launch::http().workers(2);
    let (gated, gate) = behind_gate(&launch);
    let server = launch.start();
    server.allow("event=exited");
    let upgrade = upgrading(&server, &gated);
    server.log.wait("event=upgrade gen=2");
    for round in 1..=2 {
        let victim = eventually("two that serve", || Some(server.workers()).filter(|all| all.len() == 2))[0];
        send(victim, Signal::SIGKILL);
        server.log.wait_count(round, "event=exited status=signal:KILL");
    }
    server.log.wait_count(4, "event=ready gen=1");
    fs::write(gate, "").unwrap();
    upgrade.join().unwrap().done();
    server.wait_workers(2);
    let counters = &server.status()["counters"];
    assert_eq!((&counters["crashed"], &counters["upgrades"]), (&2.into(), &1.into()));
    assert_eq!((&counters["spawned"], &counters["exited"]), (&6.into(), &4.into()));
}

#[test]
fn workers_that_die_at_any_moment_of_upgrades_are_all_reaped() {
    let server = Launch::http().workers(3).start();
    server.allow("event=exited").allow("event=upgrade").allow("event=killed");
    for _ in 0..6 {
        let upgrade = started(&server, "upgrade", &[]);
        // One for each slot: a slot whose workers die nine times in a row would be given up.
        let mut killed = Vec::new();
        while !upgrade.is_finished() {
            let mut workers = server.children();
            workers.retain(|child| child.comm.starts_with("forkd-worker") && !killed.contains(&child.pid));
            if let Some(worker) = workers.first().filter(|_| killed.len() < 3) {
                send(worker.pid, Signal::SIGKILL);
                killed.push(worker.pid);
            }
        }
        // It may fail: a worker of the new generation was killed. Its master may not.
        upgrade.join().unwrap();
        server.wait_workers(3);
    }
    let counters = server.status()["counters"].clone();
    let number = |name: &str| counters[name].as_u64().unwrap();
    assert_eq!(number("spawned"), number("exited") + 3, "{counters}");
    server.check_no_zombie();
}

#[test]
fn a_reload_while_an_upgrade_runs_waits_for_it() {
    let launch = Launch::http().workers(2);
    let (gated, gate) = behind_gate(&launch);
    let (server, load) = under_load(&launch);
    let upgrade = upgrading(&server, &gated);
    server.log.wait("event=upgrade gen=2");
    let reload = started(&server, "reload", &[]);
    server.log.wait("event=reload behind=2");
    fs::write(gate, "").unwrap();
    assert!(upgrade.join().unwrap().done().out.contains("generation 2"));
    assert!(reload.join().unwrap().done().out.contains("generation 3"));
    load.end().assert_whole();
    server.wait_workers(2);
    assert_eq!(server.status()["generation"], 3);
}

#[test]
fn an_upgrade_while_something_else_runs_is_refused() {
    let launch = Launch::http().workers(1);
    let (gated, gate) = behind_gate(&launch);
    let fault = Fault::new(&launch, BOOT_HANGS);
    let server = fault.inside(launch).start();
    fault.begin();
    let reload = started(&server, "reload", &[]);
    server.log.wait("event=spawned gen=2");
    refused(&server.operate("upgrade", &[]), 1, &["cannot upgrade: a reload runs"]);
    fault.end();
    reload.join().unwrap().done();
    let upgrade = upgrading(&server, &gated);
    server.log.wait("event=upgrade gen=3");
    refused(&server.operate("upgrade", &[]), 1, &["cannot upgrade: an upgrade runs already"]);
    fs::write(gate, "").unwrap();
    upgrade.join().unwrap().done();
    assert_eq!(server.status()["generation"], 3);
}

#[test]
fn scale_and_pause_survive_an_upgrade() {
    let server = Launch::http().workers(1).start();
    server.operate("scale", &["3"]).done();
    server.operate("pause", &[]).done();
    server.operate("upgrade", &[]).done();
    let mut waiting = server.client();
    waiting.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    assert_eq!((&server.status()["state"], server.children().len()), (&"paused".into(), 3));
    server.operate("resume", &[]).done();
    assert_eq!(waiting.answer().unwrap().status, 200, "the queue was kept");
    server.operate("scale", &["-1"]).done();
    server.wait_workers(2);
}

#[test]
fn a_stop_ends_a_trial() {
    let launch = Launch::http().workers(1);
    let (gated, _) = behind_gate(&launch);
    let server = launch.start();
    let upgrade = upgrading(&server, &gated);
    server.log.wait("event=upgrade gen=2");
    server.operate("stop", &[]).done();
    refused(&upgrade.join().unwrap(), 1, &["stopped"]);
    assert_eq!(server.wait_exit(), 0);
    server.check_clean();
}
