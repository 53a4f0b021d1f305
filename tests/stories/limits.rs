//! The limits on a worker: each is named when it strikes, and spares who only waits. What a handler does about them is
//! told with the example `deadline`.

use crate::support::*;

/// Stops a worker as a debugger or a person would, and waits until it is killed for that: by then every other one has
/// been without a sign of life for as long.
fn outlast_the_limit(server: &Instance, slot: usize) {
    let victim = server.wait_workers(2)[slot - 1];
    send(victim, Signal::SIGSTOP);
    server.log.wait(&format!("event=halted slot={slot} pid={victim}"));
    let killed = server.log.wait(&format!("event=killed slot={slot} pid={victim}"));
    assert!(killed.field("reason").is_some_and(|why| why.starts_with("liveness limit")), "{killed}");
    server.log.wait(&format!("event=exited pid={victim} status=signal:KILL"));
}

fn allow_a_kill(server: &Instance) {
    for event in ["event=late", "event=killed", "event=exited"] {
        server.allow(event);
    }
}

#[test]
fn a_stopped_worker_is_killed_by_the_liveness_limit_and_an_idle_one_is_not() {
    let server = Launch::http().workers(2).args(["--liveness-timeout", "200ms"]).start();
    allow_a_kill(&server);
    let idle = server.workers()[1];
    outlast_the_limit(&server, 1);
    outlast_the_limit(&server, 1);
    assert_eq!(server.wait_workers(2)[1], idle, "who only waits is alive");
    let counters = &server.status()["counters"];
    assert_eq!((&counters["killed"], &counters["crashed"]), (&2.into(), &0.into()));
}

#[test]
fn a_worker_that_goes_on_in_time_is_left_alone() {
    let server = Launch::http().workers(1).start();
    let worker = server.workers()[0];
    send(worker, Signal::SIGSTOP);
    server.log.wait("event=halted slot=1");
    send(worker, Signal::SIGCONT);
    server.log.wait("event=continued slot=1");
    assert_eq!(server.get("/hello.txt").status, 200);
    assert_eq!(server.workers(), [worker]);
}

#[test]
fn a_slow_download_is_a_sign_of_life_in_every_model() {
    for model in ["event", "blocking"] {
        let launch = Launch::http().workers(2).args(["--liveness-timeout", "1s", "--model", model]);
        launch.root().sparse("big", 64 << 20);
        let server = launch.start();
        allow_a_kill(&server);
        let mut client = server.client();
        client.send("GET /big HTTP/1.1\r\nHost: test\r\n\r\n").expect("sent");
        let busy = eventually("one has the download", || {
            let rows = server.status()["workers"].as_array()?.clone();
            rows.iter().position(|row| row["active"] == 1)
        });
        outlast_the_limit(&server, 2 - busy);
        assert_eq!(client.answer().expect("all of it").body.len(), 64 << 20, "{model}");
    }
}
