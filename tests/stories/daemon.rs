//! Daemon mode: the command comes back when the server serves, or says why it does not.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    thread,
};

use crate::support::*;

#[test]
fn the_command_returns_when_the_server_serves() {
    let server = Launch::http().workers(2).daemon().start();
    assert_eq!(server.get("/hello.txt").status, 200, "at once: ready is no promise but a fact");
    assert_eq!(server.workers().len(), 2);
}

#[test]
fn it_has_let_go_of_all_that_was_its_callers() {
    let server = Launch::http().workers(2).daemon().start();
    let ours = Process::read(std::process::id().cast_signed()).unwrap();
    let master = Process::read(server.master).unwrap();
    assert_ne!(master.session, ours.session, "a session of its own");
    assert_ne!(master.session, master.pid, "forked twice: no leader, so it never gets a terminal again");
    assert_ne!(master.ppid, ours.pid, "nobody waits for it but the adopter");
    for process in [vec![master], server.children()].concat() {
        assert_eq!(process.tty, 0, "no terminal: {process:?}");
        assert_eq!(fs::read_link(format!("/proc/{}/cwd", process.pid)).unwrap().to_str(), Some("/"));
        let descriptors = process.descriptors();
        for number in 0..3 {
            assert_eq!(descriptors[&number], "/dev/null", "{number} of {process:?}");
        }
    }
}

#[test]
fn its_log_is_in_the_runtime_directory_and_stays() {
    let server = Launch::http().workers(1).daemon().start();
    server.log.wait("event=ready");
    let end = server.operate("stop", &[]).done();
    server.wait_exit();
    let left: Vec<_> =
        fs::read_dir(server.launch.runtime()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [server.launch.file("log")], "{end:?}");
    assert_eq!(server.log.all("event=stopped").len(), 1);
    let mode = fs::metadata(server.launch.file("log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o027, 0, "not for everybody to read or write: {mode:o}");
}

#[test]
fn a_port_in_use_is_said_by_the_command() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for launch in [Launch::http(), Launch::http().daemon()] {
        let launch = launch.listen([&*address]);
        let end = launch.attempt().err().expect("the port is taken");
        refused(&end, 1, &[&address, "in use"]);
        assert!(
            !launch.file("pid").exists() && !launch.file("sock").exists(),
            "nothing is left of the attempt"
        );
    }
}

#[test]
fn a_missing_directory_is_the_users_mistake() {
    for launch in [Launch::http(), Launch::http().daemon()] {
        fs::remove_dir_all(launch.root().path()).unwrap();
        let end = launch.attempt().err().expect("there is nothing to serve");
        refused(&end, 2, &["www", "directory"]);
    }
}

#[test]
fn a_port_for_the_privileged_is_refused_to_others() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if first.trim().parse().unwrap_or(1024) < 2 {
        return; // Here everybody may bind every port: there is nothing to refuse.
    }
    for launch in [Launch::http(), Launch::http().daemon()] {
        let end = launch.listen(["127.0.0.1:1"]).under(&as_nobody()).attempt().err().expect("a refusal");
        refused(&end, 1, &["127.0.0.1:1", "ermission denied"]);
    }
}

#[test]
fn workers_that_die_at_boot_are_told_with_their_own_words() {
    for launch in [Launch::http(), Launch::http().daemon()] {
        let fault = Fault::new(&launch, BOOT_FAILS);
        fault.begin();
        let launch = fault.inside(launch).workers(1);
        let end = launch.attempt().err().expect("no worker can start");
        assert_eq!(end.code, 1, "{end:#?}");
        assert!(end.err.contains("oo many open files"), "the worker's own words: {end:#?}");
        assert!(
            !launch.file("pid").exists() && !launch.file("sock").exists(),
            "nothing is left of the attempt"
        );
    }
}

#[test]
fn workers_that_never_become_ready_are_told_at_the_boot_limit() {
    let launch = Launch::http().daemon();
    let fault = Fault::new(&launch, BOOT_HANGS);
    fault.begin();
    let end = fault
        .inside(launch)
        .workers(1)
        .args(["--boot-timeout", "200ms"])
        .attempt()
        .err()
        .expect("no worker starts");
    assert!(end.code == 1 && end.err.contains("boot"), "{end:#?}");
}

#[test]
fn the_pid_file_names_the_master_and_is_locked_by_it() {
    let server = Launch::http().workers(1).daemon().start();
    let path = server.launch.file("pid");
    assert_eq!(fs::read_to_string(&path).unwrap().trim(), server.master.to_string());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let lock = run(Command::new("flock").arg("-n").arg(&path).arg("true"));
    assert_eq!(lock.code, 1, "the lock is held: {lock:?}");
    // Only by the master: a worker that outlived it must not keep the next one from starting.
    for child in server.children() {
        let held = child.descriptors();
        assert!(!held.values().any(|target| target.ends_with(".pid")), "{held:?}");
    }
}

#[test]
fn a_stale_pid_file_blocks_nothing_and_kills_nobody() {
    let mut stranger = Command::new("sleep").arg("1000").stdout(Stdio::null()).spawn().unwrap();
    let pids =
        [stranger.id().to_string(), "1".into(), "0".into(), "-1".into(), "99999999999999999999".into()];
    for content in pids.into_iter().chain(["".into(), "nonsense\n".into(), "\0".into()]) {
        let launch = Launch::http().workers(1).daemon();
        fs::create_dir(launch.runtime()).unwrap();
        fs::write(launch.file("pid"), &content).unwrap();
        let end = forkd(&["stop", launch.name(), "--runtime-dir", launch.runtime().to_str().unwrap()]);
        assert_eq!(end.code, 3, "nothing runs, whatever the file says: {end:?}");
        let server = launch.start();
        assert_eq!(fs::read_to_string(launch.file("pid")).unwrap().trim(), server.master.to_string());
        server.operate("stop", &[]).done();
        server.wait_exit();
    }
    assert!(stranger.try_wait().unwrap().is_none(), "the stranger was not touched");
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_second_start_is_refused_and_the_first_unharmed() {
    let server = Launch::http().workers(1).start();
    let workers = server.workers();
    for launch in [server.launch.clone(), server.launch.clone().daemon()] {
        let end = launch.attempt().err().expect("its name is taken");
        refused(&end, 1, &[server.launch.name(), &server.master.to_string()]);
    }
    assert_eq!(server.workers(), workers);
    assert!(server.launch.file("pid").exists() && server.launch.file("sock").exists());
}

#[test]
fn of_two_simultaneous_starts_one_wins() {
    one_wins(2);
}

#[test]
fn of_twenty_simultaneous_starts_one_wins() {
    one_wins(20);
}

/// Starts `count` daemons of one name at once.
fn one_wins(count: usize) {
    let launch = Launch::http().workers(1).daemon();
    let starts: Vec<_> = (0..count)
        .map(|_| {
            let mut command = launch.command();
            thread::spawn(move || run(&mut command))
        })
        .collect();
    let ends: Vec<_> = starts.into_iter().map(|start| start.join().unwrap()).collect();
    let winners: Vec<_> = ends.iter().filter(|end| end.code == 0).collect();
    assert_eq!(winners.len(), 1, "{ends:#?}");
    for end in ends.iter().filter(|end| end.code != 0) {
        refused(end, 1, &[launch.name(), "pid"]);
    }
    let pid: i32 =
        winners[0].out.split("master ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert_eq!(fs::read_to_string(launch.file("pid")).unwrap().trim(), pid.to_string());
    let runtime = launch.runtime();
    let status = forkd(&["status", "--json", "--runtime-dir", runtime.to_str().unwrap()]).done().json();
    assert_eq!(status["master"]["pid"], pid, "the winner answers");
    forkd(&["stop", launch.name(), "--runtime-dir", runtime.to_str().unwrap()]).done();
    eventually("the winner is gone", || (!Process::lives(pid)).then_some(()));
}

#[test]
fn of_two_servers_for_one_port_one_wins() {
    let address = free_address().to_string();
    let launches = [0, 1].map(|_| Launch::http().workers(1).daemon().listen([&*address]));
    let starts = launches.each_ref().map(|launch| {
        let mut command = launch.command();
        thread::spawn(move || run(&mut command))
    });
    let ends = starts.map(|start| start.join().unwrap());
    for (launch, end) in launches.iter().zip(&ends).filter(|(_, end)| end.code == 0) {
        forkd(&["stop", launch.name(), "--runtime-dir", launch.runtime().to_str().unwrap()]).done();
        assert!(end.out.contains(&address));
    }
    assert_eq!(ends.iter().filter(|end| end.code == 0).count(), 1, "{ends:#?}");
    refused(ends.iter().find(|end| end.code != 0).unwrap(), 1, &["in use"]);
}

#[test]
fn relative_paths_are_the_callers_also_after_reload_and_reopen() {
    let launch = Launch::http();
    let folder = launch.folder().to_owned();
    let mut command = forkd_command();
    command.current_dir(&folder).args([
        "http",
        "www",
        "-d",
        "-w",
        "1",
        "-l",
        "127.0.0.1:0",
        "--name",
        launch.name(),
    ]);
    let end =
        run(command.args(["--runtime-dir", "run", "--log-file", "my.log", "--pid-file", "my.pid"])).done();
    let address: SocketAddr = end.out.trim_end().rsplit("http://").next().unwrap().parse().unwrap();
    let operate = |verb: &str| {
        run(forkd_command().current_dir(&folder).args([verb, "--runtime-dir", "run", launch.name()]))
    };
    let first = fetch(address, "/hello.txt").map(|answer| answer.status);
    let reload = operate("reload");
    let second = fetch(address, "/hello.txt").map(|answer| answer.status);
    fs::rename(folder.join("my.log"), folder.join("my.log.1")).unwrap();
    let reopen = operate("reopen");
    let files = (folder.join("my.pid").exists(), folder.join("run").exists());
    let stop = operate("stop");
    assert_eq!((first.unwrap(), second.unwrap(), files), (200, 200, (true, true)));
    assert_eq!((reload.code, reopen.code, stop.code), (0, 0, 0), "{reload:?} {reopen:?} {stop:?}");
    assert!(
        fs::read_to_string(folder.join("my.log")).unwrap().contains("event=stopped"),
        "a new file at the old place"
    );
    assert!(!folder.join("my.pid").exists());
}

#[test]
fn a_program_that_asks_for_a_document_gets_one_also_of_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for verb in ["status", "stop", "reload"] {
        let end = forkd(&[verb, "nobody", "--json", "--runtime-dir", folder.path().to_str().unwrap()]);
        let document: serde_json::Value = serde_json::from_str(&end.out).expect("one document");
        assert_eq!((end.code, &document["ok"], &document["exit"]), (3, &false.into(), &3.into()), "{end:?}");
        assert!(document["text"].as_str().is_some_and(|text| text.contains("nobody")), "{document}");
    }
}

/// The command ended with `code` and one line on standard error that has all the `words`.
#[track_caller]
pub fn refused(end: &Finished, code: i32, words: &[&str]) {
    assert_eq!(end.code, code, "{end:#?}");
    assert_eq!((end.out.as_str(), end.err.lines().count()), ("", 1), "one line, on standard error: {end:#?}");
    for word in words {
        assert!(end.err.contains(word), "no `{word}` in {end:#?}");
    }
}

/// An address that nobody listens on, for now.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
