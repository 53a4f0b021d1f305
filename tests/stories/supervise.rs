//! Supervision: whatever dies is replaced, and nobody else notices.

use crate::support::*;

/// What a death by our own hand leaves in the log.
fn deaths_are_expected(server: &Instance) {
    server.allow("event=exited").allow("event=respawn").allow("event=gave-up").allow("event=killed");
}

#[test]
fn a_killed_worker_is_replaced_and_the_other_untouched() {
    let server = Launch::http().workers(2).start();
    deaths_are_expected(&server);
    let before = server.workers();
    let load = Load::start(server.address(), "/hello.txt", b"Hello from a file.\n");
    drop(load);
    send(before[0], Signal::SIGKILL);
    let line = server.log.wait(&format!("event=exited slot=1 gen=1 pid={} status=signal:KILL", before[0]));
    assert!(line.field("reason").is_some(), "{line}");
    let replacement = server.log.wait_count(2, "event=ready slot=1")[1].number("pid");
    assert_eq!(server.wait_workers(2), [replacement, before[1]]);
    assert_eq!(server.get("/hello.txt").status, 200);
    server.check_no_zombie();
}

#[test]
fn a_death_costs_no_request_but_those_inside_it() {
    let server = Launch::http().workers(3).start();
    deaths_are_expected(&server);
    let load = Load::start(server.address(), "/hello.txt", b"Hello from a file.\n");
    for round in 1..=3 {
        send(server.wait_workers(3)[0], Signal::SIGKILL);
        server.log.wait_count(round + 1, "event=ready slot=1");
        load.wait_served(50);
    }
    let tally = load.end();
    // Four clients: a death can cut what each has on the wire in the dead worker, once.
    let failed: u64 = tally.failures.values().sum();
    assert!(failed <= 3 * 4, "{tally:#?}");
    assert!(
        !tally.failures.keys().any(|kind| kind.contains("refused") || kind.contains("status")),
        "{tally:#?}"
    );
}

#[test]
fn a_worker_killed_in_a_transfer_cuts_only_that() {
    let launch = Launch::http().workers(2);
    launch.root().sparse("big.bin", 256 << 20);
    let server = launch.start();
    deaths_are_expected(&server);
    let mut cut = server.client();
    cut.send("GET /big.bin HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    cut.answer_head().unwrap();
    let busy = eventually("a worker that sends the file", || {
        let status = server.status();
        let rows = status["workers"].as_array()?.clone();
        rows.into_iter().find(|row| row["state"] == "busy" && row["active"] == 1)
    });
    let mut others: Vec<_> = (0..4).map(|_| server.client()).collect();
    let pid = i32::try_from(busy["pid"].as_i64().unwrap()).unwrap();
    send(pid, Signal::SIGKILL);
    server.log.wait(&format!("event=exited pid={pid} status=signal:KILL"));
    assert!(cut.wait_close().len() < 256 << 20, "the client sees a cut");
    let served = others.iter_mut().filter_map(|client| client.get("/hello.txt").ok()).count();
    assert!(served >= 1, "only connections of the dead worker end with it");
    server.wait_workers(2);
}

#[test]
fn all_workers_killed_at_once_are_all_replaced() {
    let server = Launch::http().workers(8).start();
    deaths_are_expected(&server);
    let before = server.workers();
    before.iter().for_each(|pid| send(*pid, Signal::SIGKILL));
    server.log.wait_count(8, "event=exited status=signal:KILL");
    let after = server.wait_workers(8);
    assert!(after.iter().all(|pid| !before.contains(pid)));
    assert_eq!(server.get("/hello.txt").status, 200);
    server.check_no_zombie();
}

#[test]
fn two_hundred_deaths_at_once_leave_no_zombie_and_an_exact_table() {
    let server = Launch::http().workers(200).start();
    deaths_are_expected(&server);
    let before = server.workers();
    assert_eq!(before.len(), 200);
    before.iter().for_each(|pid| send(*pid, Signal::SIGKILL));
    server.log.wait_count(200, "event=exited status=signal:KILL");
    let mut after = server.wait_workers(200);
    let mut children: Vec<_> = server.children().into_iter().map(|child| child.pid).collect();
    after.sort_unstable();
    children.sort_unstable();
    assert_eq!(after, children, "the table and the kernel agree");
    server.check_no_zombie();
    let counters = &server.status()["counters"];
    assert_eq!((&counters["spawned"], &counters["crashed"]), (&400.into(), &200.into()));
}

#[test]
fn a_stopped_worker_holds_nobody_up_and_can_be_killed() {
    let server = Launch::http().workers(2).start();
    deaths_are_expected(&server);
    let workers = server.workers();
    send(workers[0], Signal::SIGSTOP);
    eventually("it is stopped", || Process::read(workers[0]).filter(|process| process.state == 'T'));
    // A connection that the stopped worker was already handed waits with it; most are not.
    let served = (0..4).filter(|_| server.get("/hello.txt").status == 200).count();
    assert_eq!(served, 4);
    send(workers[0], Signal::SIGKILL);
    server.log.wait(&format!("event=exited pid={}", workers[0]));
    server.wait_workers(2);
}

#[test]
fn status_answers_when_every_worker_is_stopped() {
    let server = Launch::http().workers(2).start();
    let workers = server.workers();
    workers.iter().for_each(|pid| send(*pid, Signal::SIGSTOP));
    assert_eq!(server.status()["workers"].as_array().map(Vec::len), Some(2));
    workers.iter().for_each(|pid| send(*pid, Signal::SIGCONT));
}

#[test]
fn a_stopped_master_has_lost_nothing_when_it_goes_on() {
    let server = Launch::http().workers(2).start();
    server.signal(Signal::SIGSTOP);
    assert_eq!(server.get("/hello.txt").status, 200, "workers serve without it");
    server.signal(Signal::SIGHUP);
    server.signal(Signal::SIGCONT);
    server.log.wait("event=exited gen=1 slot=2 status=exit:0");
    server.wait_workers(2);
    assert_eq!(server.status()["generation"], 2, "what waited was done once");
}

#[test]
fn a_worker_killed_before_it_is_ready_is_a_failed_start() {
    let launch = Launch::http().workers(1);
    let fault = Fault::new(&launch, BOOT_HANGS);
    let server = fault.inside(launch).start();
    deaths_are_expected(&server);
    fault.begin();
    let first = server.workers()[0];
    send(first, Signal::SIGKILL);
    for _ in 0..3 {
        let booting = eventually("a child that boots", || {
            server.children().into_iter().find(|child| !child.is_zombie() && child.pid != first)
        });
        send(booting.pid, Signal::SIGKILL);
        server.log.wait(&format!("event=exited pid={}", booting.pid));
    }
    let delays = server.log.all("event=respawn");
    assert!(delays.len() >= 2, "from the second death on there is a delay: {:#?}", server.log.lines());
    fault.end();
    server.wait_workers(1);
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn a_worker_stuck_at_boot_is_killed_at_the_boot_limit() {
    let launch = Launch::http().workers(2).args(["--boot-timeout", "300ms"]);
    let fault = Fault::new(&launch, BOOT_HANGS);
    let server = fault.inside(launch).start();
    deaths_are_expected(&server);
    fault.begin();
    send(server.workers()[0], Signal::SIGKILL);
    let killed = server.log.wait("event=killed slot=1");
    assert!(killed.0.contains("boot"), "the limit is named: {killed}");
    assert_eq!(server.get("/hello.txt").status, 200, "the healthy slot goes on");
    fault.end();
    server.wait_workers(2);
}

#[test]
fn a_crash_loop_backs_off_gives_up_and_is_said() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let server = fault.inside(launch).start();
    deaths_are_expected(&server);
    let healthy = server.workers()[1];
    fault.begin();
    send(server.workers()[0], Signal::SIGKILL);
    let gave_up = server.log.wait("event=gave-up slot=1");
    assert!(gave_up.field("reason").is_some(), "{gave_up}");
    let status = server.operate("status", &["--json"]);
    assert_eq!((status.code, &status.json()["state"]), (4, &"degraded".into()));
    assert_eq!(server.workers(), [healthy], "the healthy slot goes on");
    assert_eq!(server.get("/hello.txt").status, 200);
    let lines = server.log.lines().len();
    assert!(lines < 100, "a crash loop does not fill the disk: {lines} lines");
    fault.end();
    server.operate("reload", &[]).done();
    server.wait_workers(2);
    assert_eq!(server.operate("status", &[]).code, 0, "a reload tries again");
}

#[test]
fn a_machine_that_cannot_fork_is_waited_out() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, FORK_FAILS);
    let server = fault.inside(launch).start();
    deaths_are_expected(&server);
    server.allow("fork");
    fault.begin();
    let workers = server.workers();
    send(workers[0], Signal::SIGKILL);
    server.log.wait("event=respawn slot=1");
    assert_eq!(server.get("/hello.txt").status, 200, "who is left serves");
    assert_eq!(server.operate("status", &[]).code, 4);
    fault.end();
    assert_eq!(server.wait_workers(2)[1], workers[1]);
}

/// The kernel lets a file be waited for in five hundred epoll sets that stand in other sets, and no more.
#[test]
fn six_hundred_workers_wait_for_the_same_clients() {
    for model in ["event", "blocking"] {
        let server = Launch::echo().workers(600).args(["--model", model]).start();
        assert_eq!(server.workers().len(), 600, "{model}");
        let mut client = server.client();
        client.send("hello").unwrap();
        assert_eq!(client.take(5).unwrap(), b"hello");
    }
}
