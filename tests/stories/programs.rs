//! Any program as a worker: what it is born with, how it says that it is ready, and how it goes.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use crate::support::*;

/// Says what it was born with, and stays.
const BIRTH: &str = "echo born fds=$LISTEN_FDS for=$LISTEN_PID mine=$$ names=$LISTEN_FDNAMES slot=$FORKD_SLOT \
                     gen=$FORKD_GENERATION name=$FORKD_NAME here=$PWD told=$TOLD notify=$NOTIFY_SOCKET; exec sleep 1000";

/// A server that says when it accepts, and finishes what it has at TERM.
const SERVER: &str = r#"
import os, select, signal, socket
listener = socket.socket(fileno=3)
listener.setblocking(False)
wake, woken = socket.socketpair()
signal.signal(signal.SIGTERM, lambda *_: wake.send(b"x"))
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = os.environ["NOTIFY_SOCKET"]
notify.connect("\0" + name[1:] if name[0] == "@" else name)
if os.path.exists("fail"):
    raise SystemExit("no luck today")
notify.send(b"STATUS=serving\nREADY=1")
while True:
    if woken in select.select([listener, woken], [], [])[0]:
        break
    try:
        client, _ = listener.accept()
    except BlockingIOError:
        continue
    client.setblocking(True)
    with client, client.makefile("rb") as lines:
        path = lines.readline().split()[1]
        while lines.readline().strip():
            pass
        body = b"%d" % os.getpid() if path == b"/pid" else b"Hello"
        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
"#;

/// That server in the launch's folder, for as long as there is a Python here.
fn python_server() -> Option<(Launch, PathBuf)> {
    let launch = Launch::run(&["python3", "server.py"]).args(["--ready", "notify"]);
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return None;
    }
    let folder = launch.folder().to_owned();
    fs::write(folder.join("server.py"), SERVER).unwrap();
    Some((launch, folder))
}

#[test]
fn a_program_is_born_with_its_sockets_and_nothing_else() {
    let launch = Launch::run(&["sh", "-c", BIRTH]).listen(["127.0.0.1:0", "udp:127.0.0.1:0"]).workers(2);
    let server = launch.args(["--env", "TOLD=this"]).after("ulimit -S -n 300; exec 7</dev/null").start();
    server.allow("event=signals-reset");
    let (port, udp) = (server.address().port(), server.udp().port());
    for worker in server.wait_workers(2) {
        let born = server.log.wait(&format!("event=output pid={worker} mine={worker} for={worker}"));
        let name = server.launch.name();
        for fact in [
            "fds=2".to_owned(),
            format!("names=tcp-{port}:udp-{udp}"),
            format!("name={name} here={}", server.launch.folder().display()),
            "told=this".to_owned(),
        ] {
            assert!(born.says(&fact), "{fact} in {born}");
        }
        assert!(born.field("notify").is_some_and(|name| name.len() > 1 && name.starts_with('@')), "{born}");
        let process =
            eventually("the program is alone", || Process::read(worker).filter(|p| p.comm == "sleep"));
        let held: Vec<_> = process.descriptors().into_keys().collect();
        assert_eq!(held, [0, 1, 2, 3, 4]);
        for mask in ["SigBlk", "SigIgn", "SigCgt"] {
            assert_eq!(process.status(mask).unwrap(), "0000000000000000", "{mask}");
        }
        assert_eq!(soft_limit(worker), "300", "it is the caller's");
        assert_eq!(nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(worker))).unwrap().as_raw(), worker);
    }
}

/// How many descriptors it may have without asking for more.
fn soft_limit(pid: i32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    open_files.split_whitespace().nth(3).unwrap().to_owned()
}

#[test]
fn what_cannot_be_run_is_named_before_anything_is_bound() {
    let plain = Launch::run(&["./plain"]);
    fs::write(plain.folder().join("plain"), "").unwrap();
    fs::set_permissions(plain.folder().join("plain"), fs::Permissions::from_mode(0o644)).unwrap();
    for (launch, words) in [
        (Launch::run(&["no-such-program"]), "no such file or directory (it is not in PATH"),
        (Launch::run(&["./nowhere"]), "nowhere: no such file or directory (check the path"),
        (plain, "plain: permission denied (make it executable: chmod +x)"),
        (Launch::run(&["/tmp"]), "cannot run /tmp: is a directory (name a file, not a directory)"),
        (Launch::run(&["true"]).args(["--cwd", "nowhere"]), "nowhere: no such file or directory"),
    ] {
        let end = run(&mut launch.command());
        assert_eq!((end.code, end.err.contains(words)), (2, true), "{end:#?}");
        assert_eq!(run(&mut launch.args(["--check"]).command()).code, 2);
    }
}

#[test]
fn a_program_drains_at_term_and_its_children_go_with_it() {
    let server = Launch::run(&["sh", "-c", "sleep 1000 & echo child=$!; wait"]).workers(1).start();
    let child = server.log.wait("event=output child").number("child");
    assert!(Process::lives(child));
    server.operate("stop", &[]).done();
    assert_eq!(server.wait_exit(), 0);
    server.log.wait("event=exited slot=1 status=signal:TERM reason=stop");
    eventually("the grandchild is gone", || (!Process::lives(child)).then_some(()));
}

#[test]
fn a_program_that_hears_no_term_is_killed_at_the_limit() {
    let launch = Launch::run(&["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1000; done"]);
    let server = launch.workers(1).args(["--drain-timeout", "300ms"]).start();
    server.allow("event=killed");
    server.log.wait("event=output deaf");
    server.operate("stop", &[]).done();
    server.log.wait("event=killed drain limit of 300ms");
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn a_program_that_dies_is_replaced_and_its_last_line_is_the_reason() {
    let launch =
        Launch::run(&["sh", "-c", "test -e ok || { echo no luck today >&2; exit 3; }; exec sleep 1000"]);
    let server = launch.workers(1).start();
    server.allow("event=exited").allow("event=respawn");
    let death = server.log.wait("event=exited status=exit:3");
    assert_eq!(death.field("reason").as_deref(), Some("no luck today"));
    fs::write(server.launch.folder().join("ok"), "").unwrap();
    eventually("a worker that stays", || {
        let worker = Process::read(*server.workers().first()?)?;
        (worker.comm == "sleep").then_some(())
    });
}

#[test]
fn lines_of_many_programs_are_never_torn() {
    let write = "i=0; while [ $i -lt 200 ]; do printf 'begin-%s-%s-' $FORKD_SLOT $i; echo \"and-end\"; i=$((i+1)); done; \
                 printf 'no end'; exec sleep 1000";
    let server = Launch::run(&["sh", "-c", write]).workers(3).start();
    for slot in 1..=3 {
        let lines = server.log.wait_count(200, &format!("event=output slot={slot} begin-"));
        for (number, line) in lines.iter().enumerate() {
            assert!(line.says(&format!(" begin-{slot}-{number}-and-end ")), "{line}");
        }
    }
    server.operate("stop", &[]).done();
    assert_eq!(server.wait_exit(), 0);
    assert_eq!(server.log.all("event=output").iter().filter(|line| line.says(" no end ")).count(), 3);
}

#[test]
fn a_python_server_reloads_without_losing_a_request() {
    let Some((launch, _)) = python_server() else { return println!("skipped: no python3 here") };
    let server = launch.workers(2).start();
    let before = server.wait_workers(2);
    let load = Load::start(server.address(), "/", b"Hello");
    for _ in 0..3 {
        load.wait_served(50);
        server.operate("reload", &[]).done();
    }
    load.wait_served(50);
    load.end().assert_whole();
    assert!(server.wait_workers(2).iter().all(|pid| !before.contains(pid)));
    assert_eq!(server.status()["workers"][0]["current"], "serving");
}

#[test]
fn a_reload_that_the_program_does_not_survive_leaves_everything_as_it_was() {
    let Some((launch, folder)) = python_server() else { return println!("skipped: no python3 here") };
    let server = launch.workers(1).start();
    server.allow("event=exited").allow("event=reload");
    let before = server.wait_workers(1);
    fs::write(folder.join("fail"), "").unwrap();
    let end = server.operate("reload", &[]);
    assert_eq!((end.code, end.err.contains("no luck today")), (1, true), "{end:#?}");
    assert_eq!(server.wait_workers(1), before);
    assert_eq!(server.get("/pid").text(), before[0].to_string());
    fs::remove_file(folder.join("fail")).unwrap();
    server.operate("reload", &[]).done();
    assert_ne!(server.wait_workers(1), before);
}

#[test]
fn a_failed_reload_tells_the_last_lines_of_the_program_that_failed_it() {
    let program = r#"
import os, socket, sys, time
if os.path.exists("fail"):
    for number in range(30):
        print("step", number, "\x1b[31m", file=sys.stderr)
    sys.exit("no luck today")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", "\0" + os.environ["NOTIFY_SOCKET"][1:])
time.sleep(1000)
"#;
    if run(std::process::Command::new("python3").arg("--version")).code != 0 {
        return println!("skipped: no python3 here");
    }
    let server = Launch::run(&["python3", "-c", program]).args(["--ready", "notify"]).workers(1).start();
    server.allow("event=exited").allow("event=reload");
    fs::write(server.launch.folder().join("fail"), "").unwrap();
    let told = server.operate("reload", &[]);
    let lines: Vec<_> = told.err.lines().collect();
    assert!(told.code == 1 && lines.len() == 11, "one line says why, ten are the program's: {told:#?}");
    assert!(lines[0].contains("reload failed, generation 1 serves on: no luck today"), "{told:#?}");
    assert!(
        lines[1].ends_with("| step 21 \\u{1b}[31m") && lines[10].ends_with("| no luck today"),
        "{told:#?}"
    );
    let json = server.operate("reload", &["--json"]).json();
    assert_eq!((&json["ok"], &json["lines"][9]), (&false.into(), &"no luck today".into()));
    fs::remove_file(server.launch.folder().join("fail")).unwrap();
    assert_eq!(server.operate("reload", &["--json"]).json()["lines"], serde_json::json!([]));
}

#[test]
fn programs_cannot_be_paused_and_it_is_said() {
    let server = Launch::run(&["sleep", "1000"]).workers(1).start();
    let end = server.operate("pause", &[]);
    assert_eq!((end.code, end.err.contains("cannot pause")), (2, true), "{end:#?}");
    assert_eq!(server.status()["state"], "running");
}

#[test]
fn an_upgrade_hears_the_programs_on_and_turns_them_like_a_reload() {
    let launch = Launch::run(&["sh", "-c", "echo up; while read -r _; do :; done; exec sleep 1000"]);
    let server = launch.workers(2).after("ulimit -S -n 300").start();
    let (master, before) = (server.master, server.wait_workers(2));
    server.operate("upgrade", &[]).done();
    let after = server.wait_workers(2);
    assert_eq!(after.iter().map(|pid| soft_limit(*pid)).collect::<Vec<_>>(), ["300", "300"]);
    assert!(after.iter().all(|pid| !before.contains(pid)));
    assert_eq!((server.master, server.log.wait_count(4, "event=output up").len()), (master, 4));
    for pid in before {
        server.log.wait(&format!("event=exited pid={pid} status=signal:TERM reason=replaced"));
    }
}

#[test]
fn a_connection_is_the_programs_standard_input_and_output() {
    let server = Launch::run(&["cat"]).args(["--per-connection"]).workers(2).start();
    let mut clients: Vec<_> = (0..5).map(|_| server.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let text = format!("line {number}\n");
        client.send(&text).unwrap();
        assert_eq!(client.take(text.len()).unwrap(), text.as_bytes());
    }
    for client in &mut clients {
        client.half_close().unwrap();
        assert!(client.rest().unwrap().is_empty());
    }
    eventually("every program is gone", || {
        server.workers().into_iter().all(|worker| Process::children(worker).is_empty()).then_some(())
    });
}

#[test]
fn a_program_per_connection_finishes_and_what_it_leaves_goes_with_it() {
    let script = "sleep 1000 & echo child=$! >&2; read -r line; echo got $line from $REMOTE_ADDR; cat";
    let launch = Launch::run(&["sh", "-c", script]).args(["--per-connection", "--linger", "100ms"]);
    let server = launch.workers(1).start();
    let mut client = server.client();
    let child = server.log.wait("event=output stream=stderr child").number("child");
    client.send("hello\n").unwrap();
    let answer = b"got hello from 127.0.0.1\n";
    assert_eq!(client.take(answer.len()).unwrap(), answer);
    server.operate("reload", &[]).done();
    // A silent client looks to the program as if it had no more to say.
    assert!(client.rest().unwrap().is_empty());
    eventually("what it left is gone", || (!Process::lives(child)).then_some(()));
    assert_eq!(server.client().send("again\n").ok(), Some(()));
}
