//! Upgrade: another program in the same process. Nothing is lost, the pid stays, and what fails leaves all as it was.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
};

use super::daemon::refused;
use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";
const FORKD: &str = env!("CARGO_BIN_EXE_forkd");

/// A program of the story's own: a shell script.
fn program(launch: &Launch, name: &str, script: &str) -> PathBuf {
    let path = launch.folder().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A program that is forkd once the gate is there; until then a trial of it takes its time.
fn behind_gate(launch: &Launch) -> (PathBuf, PathBuf) {
    let gate = launch.folder().join("gate");
    let script =
        format!("while [ ! -e {gate} ]; do sleep 0.02; done; exec {FORKD} \"$@\"", gate = gate.display());
    (program(launch, "gated", &script), gate)
}

/// `forkd upgrade` on its way.
fn upgrading(server: &Instance, binary: &Path) -> JoinHandle<Finished> {
    started(server, "upgrade", &["--binary", binary.to_str().unwrap()])
}

fn started(server: &Instance, verb: &str, arguments: &[&str]) -> JoinHandle<Finished> {
    let mut command = forkd_command();
    command.args([verb, server.launch.name(), "--runtime-dir"]).arg(server.launch.runtime()).args(arguments);
    thread::spawn(move || run(&mut command))
}

fn under_load(launch: &Launch) -> (Instance, Load) {
    let server = launch.clone().args(["--linger", "5s"]).start();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    (server, load)
}

/// Nothing but the refusal has happened: the same workers, no trial, no generation more that serves.
#[track_caller]
fn untouched(server: &Instance, before: &[i32]) {
    assert_eq!(server.wait_workers(before.len()), before, "the old side is untouched");
    let status = server.status();
    assert_eq!((&status["generation"], &status["state"]), (&1.into(), &"running".into()));
    assert_eq!(status["counters"]["upgrades"], 0);
}

#[test]
fn upgrades_in_a_row_lose_nothing_and_keep_the_pid() {
    let (server, load) = under_load(&Launch::http().workers(2));
    let descriptors = || Process::read(server.master).unwrap().descriptors().len();
    server.operate("upgrade", &[]).done();
    let before = descriptors();
    for generation in 3..=12 {
        let end = server.operate("upgrade", &[]).done();
        assert!(end.out.contains(&format!("generation {generation}")), "it says what happened: {end:?}");
        assert_eq!(server.status()["generation"], generation);
    }
    load.end().assert_whole();
    let status = server.status();
    assert_eq!(status["master"]["pid"], server.master);
    assert_eq!((&status["counters"]["upgrades"], &status["counters"]["spawned"]), (&11.into(), &24.into()));
    assert_eq!(descriptors(), before, "no descriptor is left over by an upgrade");
    assert_eq!(server.log.all("event=upgrade done").len(), 11);
    assert_eq!(server.out.lines().len(), 1, "the ready line is printed once");
}

#[test]
fn successors_are_ready_before_predecessors_drain() {
    let server = Launch::http().workers(3).start();
    server.operate("upgrade", &[]).done();
    let lines = server.log.lines();
    for slot in 1..=3 {
        let at = |pattern: &str| lines.iter().position(|line| line.says(pattern)).expect(pattern);
        let ready = at(&format!("event=ready slot={slot} gen=2"));
        assert!(ready < at(&format!("event=draining slot={slot} gen=1")), "slot {slot}: {lines:#?}");
    }
}

#[test]
fn a_signal_upgrades_a_daemon_whose_paths_were_relative() {
    let launch = Launch::http().workers(2);
    let from = launch.folder().to_owned();
    let server = launch.from(&from).args(["--pid-file", "here.pid"]).daemon().start();
    let before = server.workers();
    server.signal(Signal::SIGUSR2);
    server.log.wait("event=upgrade gen=2 done");
    let after = server.wait_workers(2);
    assert!(after.iter().all(|pid| !before.contains(pid)));
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", server.master)).unwrap().to_str(), Some("/"));
    assert_eq!(server.get("/hello.txt").status, 200);
    assert_eq!(server.status()["master"]["pid"], server.master);
    server.operate("stop", &[]).done();
    server.wait_exit();
    assert!(!from.join("here.pid").exists(), "the file that the old program made is the new one's to remove");
}

#[test]
fn the_binary_is_the_path_that_was_started_read_anew() {
    let launch = Launch::http().workers(1);
    let (one, two) = (launch.folder().join("one"), launch.folder().join("two"));
    fs::copy(FORKD, &one).unwrap();
    fs::copy(FORKD, &two).unwrap();
    let link = launch.folder().join("current");
    symlink(&one, &link).unwrap();
    let link_text = link.to_str().unwrap().to_owned();
    let server = launch.under(&["sh", "-c", &format!("shift; exec {link_text} \"$@\""), "sh"]).start();
    let exe = || PathBuf::from(server.status()["master"]["exe"].as_str().unwrap());
    assert_eq!(exe(), one);
    fs::remove_file(&link).unwrap();
    symlink(&two, &link).unwrap();
    server.operate("upgrade", &[]).done();
    assert_eq!(exe(), two);
    fs::remove_file(&one).unwrap();
    fs::copy(FORKD, &one).unwrap();
    server.operate("upgrade", &["--binary", one.to_str().unwrap()]).done();
    assert_eq!(exe(), one, "the one that was named");
    server.operate("upgrade", &[]).done();
    assert_eq!(exe(), one, "and is from then on the one that was started");
}

#[test]
fn what_is_no_program_is_refused_and_nothing_has_happened() {
    let launch = Launch::http().workers(2);
    let text = program(&launch, "text", "");
    fs::write(&text, "no program").unwrap();
    let closed = program(&launch, "closed", "exit 0");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o644)).unwrap();
    let silent = program(&launch, "silent", "exit 0");
    let failing = program(&launch, "failing", "exit 7");
    let crashing = program(&launch, "crashing", "kill -SEGV $$");
    let other = program(&launch, "other", &format!("exec {FORKD} \"$@\" --no-such-flag"));
    let old = program(&launch, "old", "echo ready 0 > /proc/self/fd/${FORKD_UPGRADE##*:}");
    let (server, load) = under_load(&launch);
    server.allow("event=upgrade");
    let before = server.workers();
    for (binary, why) in [
        (launch.folder().join("nowhere"), "No such file"),
        (launch.folder().to_owned(), "is a directory"),
        (text, "Exec format error"),
        (closed, "Permission denied"),
        (silent, "exited with code 0 without an answer"),
        (failing, "exited with code 7 without an answer"),
        (crashing, "was killed by signal 11 (SEGV)"),
        (other, "unknown flag --no-such-flag"),
        (old, "too old: it takes over state version 0"),
    ] {
        let end = server.operate("upgrade", &["--binary", binary.to_str().unwrap()]);
        refused(&end, 1, &["upgrade failed, generation 1 serves on", why]);
        untouched(&server, &before);
    }
    load.end().assert_whole();
    assert_eq!(server.status()["counters"]["failed_upgrades"], 9);
    server.operate("upgrade", &[]).done();
}

#[test]
fn a_program_that_hangs_is_ended_at_the_limit_with_all_that_it_started() {
    let launch = Launch::http().workers(1);
    let hanging = program(&launch, "hanging", "sleep 1000; exit 0");
    let server = launch.start();
    server.allow("event=upgrade");
    let before = server.workers();
    let end = server.operate("upgrade", &["--binary", hanging.to_str().unwrap(), "--timeout", "300ms"]);
    refused(&end, 1, &["did not answer within 300ms"]);
    untouched(&server, &before);
    eventually("its processes are gone", || (server.all_processes().len() == 2).then_some(()));
}

#[test]
fn a_trial_that_is_killed_is_a_refusal() {
    let launch = Launch::http().workers(1);
    let hanging = program(&launch, "hanging", "exec sleep 1000");
    let server = launch.start();
    server.allow("event=upgrade");
    let before = server.workers();
    let upgrade = upgrading(&server, &hanging);
    let trial = eventually("the trial", || server.children().into_iter().find(|child| child.comm == "sleep"));
    send(trial.pid, Signal::SIGKILL);
    refused(&upgrade.join().unwrap(), 1, &["was killed by signal 9 (KILL)"]);
    untouched(&server, &before);
}

#[test]
fn a_worker_that_cannot_start_in_the_new_program_is_the_reason() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let server = fault.inside(launch).start();
    server.allow("event=upgrade");
    let before = server.workers();
    fault.begin();
    refused(&server.operate("upgrade", &[]), 1, &["oo many open files"]);
    untouched(&server, &before);
    fault.end();
    server.operate("upgrade", &[]).done();
}

/// A program whose trial is forkd's, and which is another one when it takes over.
fn turncoat(launch: &Launch, then: &str) -> PathBuf {
    let script = format!("case $FORKD_UPGRADE in become*) {then};; *) exec {FORKD} \"$@\";; esac");
    program(launch, "turncoat", &script)
}

#[test]
fn a_new_program_that_cannot_begin_gives_way_to_the_old_one() {
    let launch = Launch::http().workers(2);
    let turncoat = turncoat(&launch, &format!("exec {FORKD} \"$@\" --no-such-flag"));
    let (server, load) = under_load(&launch);
    server.allow("event=upgrade");
    let before = server.workers();
    let end = server.operate("upgrade", &["--binary", turncoat.to_str().unwrap()]);
    refused(&end, 1, &["upgrade failed, generation 1 serves on", "--no-such-flag"]);
    untouched(&server, &before);
    load.wait_served(50);
    load.end().assert_whole();
    assert_eq!(server.status()["master"]["pid"], server.master);
    server.operate("upgrade", &[]).done();
    server.operate("reload", &[]).done();
}

#[test]
fn a_new_program_whose_workers_fail_after_all_gives_way_to_the_old_one() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let gate = launch.folder().join("fault");
    let turncoat = turncoat(&launch, &format!("touch {}; exec {FORKD} \"$@\"", gate.display()));
    let (server, load) = under_load(&fault.inside(launch));
    server.allow("event=upgrade").allow("gen=2");
    let before = server.workers();
    let end = server.operate("upgrade", &["--binary", turncoat.to_str().unwrap()]);
    refused(&end, 1, &["upgrade failed, generation 1 serves on", "oo many open files"]);
    untouched(&server, &before);
    load.wait_served(50);
    load.end().assert_whole();
    assert_eq!(server.status()["master"]["exe"], FORKD);
    fault.end();
    server.operate("upgrade", &[]).done();
}

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

#[test]
fn as_pid_one_it_stays_pid_one() {
    let unshare = ["unshare", "-Upfr", "--mount-proc"];
    if run(Command::new(unshare[0]).args(&unshare[1..]).arg("true")).code != 0 {
        return; // Not permitted here: a namespace of processes needs the right to make one.
    }
    let server = Launch::http().workers(2).under(&unshare).spawn();
    eventually("it is ready", || (!server.out.lines().is_empty()).then_some(()));
    let inner = Process::children(server.master).remove(0);
    for generation in 2..=3 {
        server.operate("upgrade", &[]).done();
        let status = server.status();
        assert_eq!((&status["generation"], &status["master"]["pid"]), (&generation.into(), &1.into()));
    }
    send(inner.pid, Signal::SIGUSR2);
    server.log.wait("event=upgrade gen=4 done");
    send(inner.pid, Signal::SIGTERM);
    assert_eq!(server.wait_exit(), 0);
    server.check_clean();
}

#[test]
fn a_socket_with_a_path_is_the_same_one_all_the_time() {
    use std::os::unix::{fs::MetadataExt, net::UnixStream};
    let launch = Launch::http().workers(2);
    let path = launch.folder().join("web.sock");
    let server = launch.listen(["127.0.0.1:0", &format!("unix:{}", path.display())]).start();
    let inode = || fs::metadata(&path).unwrap().ino();
    let before = inode();
    for _ in 0..3 {
        server.operate("upgrade", &[]).done();
        UnixStream::connect(&path).unwrap();
    }
    assert_eq!(inode(), before, "it was never bound anew");
    server.stop();
    assert!(!path.exists(), "the new program removes what the old one made");
}

/// A parent that passes a socket by number, as systemd and einhorn do, and sees one process all the time.
#[test]
fn a_passed_socket_is_kept() {
    let launch = Launch::http().workers(2).listen(["fd:3"]);
    let script = "import os, socket, sys\n\
        s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(128)\n\
        os.dup2(s.fileno(), 3); os.set_inheritable(3, True); os.execv(sys.argv[1], sys.argv[1:])";
    if run(Command::new("python3").arg("-V")).code != 0 {
        return;
    }
    let server = launch.under(&["python3", "-c", script]).start();
    // Python ignores a signal that we do not.
    server.allow("event=signals-reset");
    for generation in 2..=3 {
        server.operate("upgrade", &[]).done();
        assert_eq!(server.get("/hello.txt").status, 200);
        assert_eq!(server.status()["generation"], generation);
    }
}
