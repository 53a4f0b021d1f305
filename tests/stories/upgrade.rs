//! Upgrade: another program in the same process. Nothing is lost, the pid stays, and what fails leaves all as it was.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    thread::{self, JoinHandle},
};

use crate::support::*;

pub const HELLO: &[u8] = b"Hello from a file.\n";
pub const FORKD: &str = env!("CARGO_BIN_EXE_forkd");

/// A program of the story's own: a shell script.
pub fn program(launch: &Launch, name: &str, script: &str) -> PathBuf {
    let path = launch.folder().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A program that is forkd once the gate is there; until then a trial of it takes its time.
pub fn behind_gate(launch: &Launch) -> (PathBuf, PathBuf) {
    let gate = launch.folder().join("gate");
    let script =
        format!("while [ ! -e {gate} ]; do sleep 0.02; done; exec {FORKD} \"$@\"", gate = gate.display());
    (program(launch, "gated", &script), gate)
}

/// `forkd upgrade` on its way.
pub fn upgrading(server: &Instance, binary: &Path) -> JoinHandle<Finished> {
    started(server, "upgrade", &["--binary", binary.to_str().unwrap()])
}

pub fn started(server: &Instance, verb: &str, arguments: &[&str]) -> JoinHandle<Finished> {
    let mut command = forkd_command();
    command.args([verb, server.launch.name(), "--runtime-dir"]).arg(server.launch.runtime()).args(arguments);
    thread::spawn(move || run(&mut command))
}

pub fn under_load(launch: &Launch) -> (Instance, Load) {
    let server = launch.clone().args(["--linger", "5s"]).start();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    (server, load)
}

/// Nothing but the refusal has happened: the same workers, no trial, no generation more that serves.
#[track_caller]
pub fn untouched(server: &Instance, before: &[i32]) {
    assert_eq!(server.wait_workers(before.len()), before, "the old side is untouched");
    let status = server.status();
    assert_eq!((&status["generation"], &status["state"]), (&1.into(), &"running".into()));
    assert_eq!(status["counters"]["upgrades"], 0);
}

#[test]
fn upgrades_in_a_row_lose_nothing_and_keep_the_pid() {
    let (server, load) = under_load(&Launch::http().workers(2));
    server.operate("upgrade", &[]).done();
    let before = server.descriptors_at_rest();
    for generation in 3..=12 {
        let end = server.operate("upgrade", &[]).done();
        assert!(end.out.contains(&format!("generation {generation}")), "it says what happened: {end:?}");
        assert_eq!(server.status()["generation"], generation);
    }
    load.end().assert_whole();
    let status = server.status();
    assert_eq!(status["master"]["pid"], server.master);
    assert_eq!((&status["counters"]["upgrades"], &status["counters"]["spawned"]), (&11.into(), &24.into()));
    assert_eq!(server.descriptors_at_rest(), before, "no descriptor is left over by an upgrade");
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
