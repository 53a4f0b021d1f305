//! Upgrades that fail: before the new program runs, and after it has taken over.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use super::{daemon::refused, upgrade::*};
use crate::support::*;

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
