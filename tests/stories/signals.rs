//! Signals: storms of them, those inherited in a bad state, and those that are not meant for us.

use std::{fs, process::Command};

use crate::support::*;

#[test]
fn a_storm_of_signals_is_survived() {
    let server = Launch::http().workers(2).args(["--linger", "5s"]).start();
    let load = Load::start(server.address(), "/hello.txt", b"Hello from a file.\n");
    let kinds = [Signal::SIGCHLD, Signal::SIGUSR1, Signal::SIGWINCH, Signal::SIGCONT, Signal::SIGPIPE];
    for kind in kinds.iter().cycle().take(1000) {
        server.signal(*kind);
    }
    // Which of two kinds that wait together came last nobody knows, so a pause may have the last word.
    server.operate("resume", &[]).done();
    assert_eq!(server.workers().len(), 2);
    load.wait_served(50);
    load.end().assert_whole();
}

#[test]
fn a_storm_of_hangups_is_bounded_work() {
    let server = Launch::http().workers(1).start();
    (0..1000).for_each(|_| server.signal(Signal::SIGHUP));
    eventually("one generation, one worker", || {
        let status = server.status();
        let rows = status["workers"].as_array()?.clone();
        (rows.len() == 1 && rows[0]["generation"] == status["generation"]).then_some(())
    });
    server.wait_workers(1);
    let generation = server.status()["generation"].as_u64().unwrap();
    assert!(generation < 500, "signals that wait together are one: generation {generation}");
}

#[test]
fn a_storm_of_scaling_ends_where_it_should() {
    let server = Launch::http().workers(2).start();
    for _ in 0..20 {
        server.signal(Signal::SIGTTIN);
        server.signal(Signal::SIGTTOU);
    }
    let count = eventually("rest", || {
        let workers = server.workers();
        (server.children().len() == workers.len()).then_some(workers.len())
    });
    assert!((1..=22).contains(&count), "{count}");
    server.operate("scale", &["2"]).done();
    server.wait_workers(2);
}

#[test]
fn unknown_real_time_signals_to_a_worker_are_a_death_like_any_other() {
    let server = Launch::http().workers(2).start();
    server.allow("event=exited").allow("event=respawn");
    let victim = server.workers()[0];
    // nix's waitpid loses such a child.
    run(Command::new("kill").args(["-s", "RTMIN+3", &victim.to_string()])).done();
    let line = server.log.wait(&format!("event=exited pid={victim}"));
    assert!(line.field("status").is_some_and(|status| status.starts_with("signal:RT")), "{line}");
    server.wait_workers(2);
    server.check_no_zombie();
}

#[test]
fn every_way_to_die_is_logged_as_what_it_was() {
    let server = Launch::http().workers(1).start();
    server.allow("event=exited").allow("event=respawn").allow("event=gave-up");
    for (signal, name) in [(Signal::SIGSEGV, "SEGV"), (Signal::SIGABRT, "ABRT")] {
        let victim = server.wait_workers(1)[0];
        send(victim, signal);
        server.log.wait(&format!("event=exited pid={victim} status=signal:{name}"));
    }
    server.wait_workers(1);
}

#[test]
fn an_inherited_ignored_sigchld_is_reset_and_said() {
    let server =
        Launch::http().workers(2).under(&["perl", "-e", "$SIG{CHLD} = 'IGNORE'; exec @ARGV", "--"]).start();
    server.allow("CHLD").allow("event=exited").allow("event=respawn");
    assert!(server.log.lines().iter().any(|line| line.0.contains("CHLD")), "{:#?}", server.log.lines());
    let master = Process::read(server.master).unwrap();
    assert!(!master.mask_has("SigIgn", Signal::SIGCHLD));
    send(server.workers()[0], Signal::SIGKILL);
    server.log.wait("event=exited status=signal:KILL");
    server.wait_workers(2);
}

#[test]
fn other_inherited_ignored_signals_do_not_deafen_it() {
    let server = Launch::http().workers(1).after("trap '' TERM HUP INT USR1").start();
    server.allow("ignored");
    server.signal(Signal::SIGHUP);
    server.log.wait("event=exited gen=1 status=exit:0");
    server.wait_workers(1);
    server.stop();
}

#[test]
fn inherited_blocked_signals_do_not_deafen_it() {
    let block =
        "use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(SIGTERM, SIGCHLD, SIGHUP, SIGINT)); exec @ARGV";
    let server = Launch::http().workers(2).under(&["perl", "-e", block, "--"]).start();
    server.allow("blocked").allow("event=exited").allow("event=respawn");
    for process in [vec![Process::read(server.master).unwrap()], server.children()].concat() {
        let mask = process.status("SigBlk").unwrap();
        assert_eq!(mask.trim_start_matches('0'), "", "nothing stays blocked: {process:?}");
    }
    send(server.workers()[0], Signal::SIGKILL);
    server.log.wait("event=exited status=signal:KILL");
    server.wait_workers(2);
    server.stop();
}

#[test]
fn workers_hear_their_own_signals_and_the_master_its_own() {
    let server = Launch::http().workers(2).start();
    let workers = server.workers();
    // A TERM to a worker by hand drains that worker; the master replaces it and does not stop itself.
    send(workers[0], Signal::SIGTERM);
    server.allow("event=exited").allow("event=respawn");
    server.log.wait(&format!("event=exited pid={} status=exit:0", workers[0]));
    let after = server.wait_workers(2);
    assert_eq!(after[1], workers[1]);
    assert_ne!(after[0], workers[0]);
}

#[test]
fn as_pid_one_it_reaps_strangers() {
    let unshare = ["unshare", "-Upfr", "--mount-proc"];
    if run(Command::new(unshare[0]).args(&unshare[1..]).arg("true")).code != 0 {
        return; // Not permitted here: a namespace of processes needs the right to make one.
    }
    // The shell's grandchild outlives its parent and so becomes a child of PID 1, which the shell has become.
    let script = "(sh -c 'sleep 0.2 & sleep 0.1' &); exec \"$@\"";
    let launch = Launch::http().workers(1);
    let wrapped = launch.under(&["unshare", "-Upfr", "--mount-proc", "sh", "-c", script, "sh"]);
    let server = wrapped.spawn();
    server.allow("strange").allow("reaped");
    eventually("it is ready", || (!server.out.lines().is_empty()).then_some(()));
    let inner = Process::children(server.master).remove(0);
    assert!(server.out.lines()[0].0.contains("master 1,"), "{:?}", server.out.lines());
    eventually("its strangers have come and gone, and no zombie is left", || {
        let children = Process::children(inner.pid);
        (children.len() == 1 && children[0].comm == "forkd-worker-1").then_some(())
    });
    send(inner.pid, Signal::SIGTERM);
    assert_eq!(server.wait_exit(), 0);
    assert!(!fs::exists(server.launch.file("pid")).unwrap());
}
