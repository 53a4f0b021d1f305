//! Surroundings: descriptors, output that nobody reads, full disks, missing directories.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::support::*;

#[test]
fn closed_standard_descriptors_are_no_trap() {
    let launch = Launch::http().workers(1);
    let log = launch.folder().join("log");
    let launch = launch.args(["--log-file", log.to_str().unwrap()]).after("exec <&- >&- 2>&-");
    let server = launch.spawn();
    Log::File(log).wait("event=ready");
    for process in [vec![Process::read(server.master).unwrap()], server.children()].concat() {
        let descriptors = process.descriptors();
        for number in 0..3 {
            let target = &descriptors[&number];
            assert!(target == "/dev/null" || target.ends_with("/log"), "{number} of {process:?} is {target}");
        }
    }
    server.stop();
}

#[test]
fn workers_hold_nothing_that_is_not_theirs() {
    let server = Launch::http().workers(3).start();
    let own: Vec<_> = server.children().iter().map(Process::descriptors).collect();
    for descriptors in &own {
        assert!(descriptors.len() < 20, "{descriptors:#?}");
        assert!(!descriptors.values().any(|target| target.ends_with(".pid") || target.ends_with(".sock")));
    }
    server.operate("reload", &[]).done();
    let (before, after) = (own[0].len(), server.children()[0].descriptors().len());
    assert_eq!(before, after, "generations do not collect descriptors");
}

#[test]
fn the_masters_descriptors_stay_flat() {
    let server = Launch::http().workers(2).start();
    server.allow("event=exited").allow("event=respawn");
    server.operate("reload", &[]).done();
    let before = server.descriptors_at_rest();
    for _ in 0..10 {
        server.operate("reload", &[]).done();
        server.operate("scale", &["3"]).done();
        server.operate("scale", &["2"]).done();
    }
    send(server.workers()[0], Signal::SIGKILL);
    server.log.wait("event=exited status=signal:KILL");
    server.wait_workers(2);
    eventually("as many descriptors as before", || (server.descriptors_at_rest() == before).then_some(()));
}

#[test]
fn failing_reloads_cost_nothing() {
    let launch = Launch::http().workers(1);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let server = fault.inside(launch).start();
    server.allow("event=exited").allow("event=reload");
    let before = Process::read(server.master).unwrap().descriptors().len();
    fault.begin();
    for _ in 0..20 {
        assert_eq!(server.operate("reload", &["--timeout", "5s"]).code, 1);
    }
    fault.end();
    // The last caller has its answer a moment before the master lets go of its connection.
    eventually("the descriptors are those from before", || {
        (Process::read(server.master).unwrap().descriptors().len() == before).then_some(())
    });
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn a_log_reader_that_goes_away_kills_nobody() {
    let launch = Launch::http().workers(1);
    let mut command = launch.command();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    eventually("it runs", || launch.file("sock").exists().then_some(()));
    drop((child.stdout.take(), child.stderr.take()));
    let runtime = launch.runtime().to_string_lossy().into_owned();
    let operate = |words: &[&str]| forkd(&[words, &["--runtime-dir", &runtime]].concat());
    eventually("it answers", || (operate(&["status"]).code == 0).then_some(()));
    operate(&["reload"]).done();
    operate(&["scale", "2"]).done();
    operate(&["stop"]).done();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_under_the_log_stops_nothing() {
    let server = Launch::http().workers(2).args(["--log-file", "/dev/full"]).start();
    server.allow("log").allow("/dev/full");
    server.operate("reload", &[]).done();
    assert_eq!(server.get("/hello.txt").status, 200);
    send(server.workers()[0], Signal::SIGKILL);
    server.wait_workers(2);
    server.operate("stop", &[]).done();
    server.wait_exit();
}

#[test]
fn many_inherited_descriptors_are_no_burden() {
    let open = "for n in $(seq 10 60); do eval \"exec $n</dev/null\"; done";
    let server =
        Launch::http().workers(1).under(&["bash", "-c", &format!("{open}; exec \"$@\""), "bash"]).start();
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn a_umask_of_nothing_makes_no_file_for_everybody() {
    let launch = Launch::echo().workers(1);
    let unix = launch.folder().join("echo.socket");
    let server = launch.listen([&*format!("unix:{}", unix.display())]).after("umask 000").daemon().start();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&server.launch.runtime()), 0o700);
    assert_eq!(mode(&server.launch.file("sock")), 0o600);
    for path in [server.launch.file("pid"), server.launch.file("log"), unix] {
        assert_eq!(mode(&path) & 0o002, 0, "{} is {:o}", path.display(), mode(&path));
    }
}

/// Who reads the directory reads what is uploaded into it, as if its owner had put it there.
#[test]
fn a_daemon_gives_its_files_the_modes_that_its_caller_would() {
    for (umask, expected) in [("022", 0o644), ("007", 0o660), ("000", 0o664), ("777", 0o600)] {
        let launch = Launch::http().workers(1).args(["--upload"]).after(&format!("umask {umask}"));
        let file = launch.root().path().join("fresh");
        let server = launch.daemon().start();
        let mut client = server.client();
        client.send("PUT /fresh HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\ntea").unwrap();
        assert_eq!(client.answer().unwrap().status, 201);
        let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, expected, "{mode:o} after umask {umask}");
    }
}

#[test]
fn a_umask_of_everything_is_no_obstacle() {
    let server = Launch::http().workers(1).after("umask 777").start();
    assert_eq!(server.get("/hello.txt").status, 200);
    server.operate("reload", &[]).done();
}

#[test]
fn a_working_directory_that_is_gone_is_no_obstacle() {
    let launch = Launch::http().workers(1);
    let gone = launch.folder().join("gone");
    fs::create_dir(&gone).unwrap();
    let server = launch.from(&gone).after("rmdir \"$PWD\"").start();
    assert_eq!(server.get("/hello.txt").status, 200);
    server.operate("reload", &[]).done();
}

#[test]
fn an_empty_environment_is_enough() {
    let server = Launch::http().workers(1).under(&["env", "-i"]).start();
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn the_default_runtime_directory_is_private() {
    let folder = Launch::http();
    let runtime = folder.folder().join("xdg");
    fs::create_dir(&runtime).unwrap();
    let root = folder.root().path().to_owned();
    let operate = |words: &[&str]| run(forkd_command().env("XDG_RUNTIME_DIR", &runtime).args(words));
    operate(&["http", root.to_str().unwrap(), "-d", "-w", "1", "-l", "127.0.0.1:0", "--name", folder.name()])
        .done();
    let listed = operate(&["list"]);
    let mode = fs::metadata(runtime.join("forkd")).unwrap().permissions().mode() & 0o777;
    operate(&["stop"]).done();
    assert!(listed.out.contains(folder.name()), "{listed:?}");
    assert_eq!(mode, 0o700);
}

#[test]
fn a_terminal_gets_its_colours_and_a_pipe_none() {
    let server = Launch::http().workers(1).start();
    for end in [server.operate("status", &[]).done(), forkd(&["--help"]).done()] {
        assert!(!end.out.contains('\u{1b}') && !end.err.contains('\u{1b}'), "{end:?}");
    }
    assert!(!server.log.lines().iter().any(|line| line.0.contains('\u{1b}')));
}

#[test]
fn what_clients_send_cannot_forge_a_log_line() {
    let launch = Launch::http().workers(1);
    launch.root().sparse("big.bin", 256 << 20);
    let server = launch.start();
    server.allow("event=exited").allow("event=respawn");
    let mut client = server.client();
    client.send("GET /big.bin?\x1b[31m\x7f\"event=forged HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    // Refused or served; in both cases nothing of it may reach the log as it came.
    let _ = client.answer_head();
    send(server.workers()[0], Signal::SIGKILL);
    server.log.wait("event=exited status=signal:KILL");
    server.wait_workers(1);
    assert!(!server.log.lines().iter().any(|line| line.0.contains('\u{1b}') || line.says("event=forged")));
}

#[test]
fn the_foreground_server_stays_in_its_callers_session() {
    let server = Launch::http().workers(1).start();
    let ours = Process::read(std::process::id().cast_signed()).unwrap();
    let master = Process::read(server.master).unwrap();
    assert_eq!((master.session, master.ppid), (ours.session, ours.pid));
}

#[test]
fn a_hundred_idle_clients_of_the_control_socket_hold_nobody_up() {
    use std::{io::Write, os::unix::net::UnixStream};
    let server = Launch::http().workers(1).start();
    let path = server.launch.file("sock");
    let idle: Vec<_> = (0..100).filter_map(|_| UnixStream::connect(&path).ok()).collect();
    assert_eq!(server.status()["state"], "running");
    for garbage in [&b"\n"[..], b"nonsense\n", b"{\"verb\":\"destroy\"}\n", &[0; 100_000], b"half"] {
        let mut stream = UnixStream::connect(&path).unwrap();
        let _ = stream.write_all(garbage);
    }
    assert_eq!(server.status()["state"], "running");
    drop(idle);
    server.allow("control");
}

#[test]
fn the_control_socket_is_for_its_owner() {
    if !nix::unistd::geteuid().is_root() {
        return; // Only root can be somebody else.
    }
    let server = Launch::http().workers(1).start();
    let path = server.launch.file("sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut knock = Command::new("setpriv");
    knock.args(["--reuid=65534", "--regid=65534", "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e"]);
    let end = run(knock.arg("exit(IO::Socket::UNIX->new(Peer => $ARGV[0]) ? 0 : 7)").arg(&path));
    assert_eq!(end.code, 7, "a stranger does not even get in: {end:?}");
}
