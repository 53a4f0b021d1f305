//! A server and its log: a disk that is full, a reader that is stuck, one that is gone. Lines are dropped and counted; no
//! client and no command waits for them.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use crate::support::*;

/// Whether it is a whole line of the event log.
fn is_whole(line: &Line) -> bool {
    let mut words = line.0.split_whitespace();
    let stamped = words.next().is_some_and(|time| time.len() == 24 && time.ends_with('Z'));
    stamped && words.next().is_some_and(|level| ["INFO", "WARN", "ERROR"].contains(&level))
}

/// How many lines the log says were dropped.
fn dropped(log: &Log, which: &str) -> usize {
    let notices = log.all(&format!("event=dropped log={which}"));
    notices.iter().map(|notice| usize::try_from(notice.number("lines")).unwrap()).sum()
}

/// Standard error is a pipe that somebody holds open and nobody reads.
fn with_a_stuck_reader(launch: Launch) -> (Launch, std::path::PathBuf) {
    let fifo = launch.folder().join("stuck");
    let script = format!("mkfifo '{0}'; exec 2<>'{0}'", fifo.display());
    (launch.after(&script), fifo)
}

#[test]
fn a_program_that_floods_a_log_that_nobody_reads_holds_nobody_up() {
    const LINES: usize = 30_000;
    let script = format!("seq {LINES}; : > flooded; exec sleep 1000");
    let (launch, fifo) = with_a_stuck_reader(Launch::run(&["sh", "-c", &script]).workers(1));
    let server = launch.start();
    let flooded = launch.folder().join("flooded");
    eventually("the program was heard to its end", || flooded.exists().then_some(()));
    assert_eq!(server.status()["state"], "running");
    let log = Log::of_pipe(File::open(fifo).unwrap());
    eventually("each line is there or counted", || {
        // Programs cannot be paused, and nobody but the log can be told: the next line says what is missing.
        server.signal(Signal::SIGWINCH);
        let seen = log.all("event=output stream=stdout").len();
        (seen + dropped(&log, "events") >= LINES).then_some(())
    });
    let lines = log.lines();
    assert!(
        dropped(&log, "events") > 0 && lines.iter().all(is_whole),
        "{:?}",
        lines.iter().find(|line| !is_whole(line))
    );
    server.stop();
}

#[test]
fn workers_serve_while_nobody_reads_the_access_log() {
    const REQUESTS: usize = 3000;
    let launch = Launch::http().workers(2);
    let fifo = launch.folder().join("access");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // A reader that is there, and does not read.
    let reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let server = launch.args(["--access-log", fifo.to_str().unwrap()]).start();
    server.allow("cannot write the access log").allow("event=dropped log=access");
    let request =
        format!("GET /hello.txt HTTP/1.1\r\nHost: test\r\nUser-Agent: {}\r\n\r\n", "x".repeat(1500));
    let mut clients = [server.client(), server.client()];
    let mut ask = |count: usize| {
        for number in 0..count {
            let client = &mut clients[number % 2];
            client.send(&request).unwrap();
            assert_eq!(client.answer().unwrap().status, 200);
        }
    };
    ask(REQUESTS);
    server.log.wait("cannot write the access log");
    let log = Log::of_pipe(reader);
    let mut asked = REQUESTS;
    eventually("each line is there or counted", || {
        ask(2);
        asked += 2;
        (dropped(&server.log, "access") > 0 && log.lines().len() + dropped(&server.log, "access") == asked)
            .then_some(())
    });
    for line in log.lines() {
        assert!(line.0.starts_with("127.0.0.1 - - [") && line.0.ends_with("x\""), "{line}");
    }
}

#[test]
fn workers_serve_when_the_reader_of_the_access_log_is_gone() {
    let launch = Launch::http().workers(2);
    let fifo = launch.folder().join("access");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let server = launch.args(["--access-log", fifo.to_str().unwrap()]).start();
    server.allow("cannot write the access log");
    let workers = server.workers();
    drop(reader);
    for _ in 0..20 {
        assert_eq!(server.get("/hello.txt").status, 200);
    }
    server.log.wait("cannot write the access log: Broken pipe");
    assert_eq!(server.workers(), workers);
}

/// Whether this machine lets us mount a small disk that nobody else sees.
fn can_mount() -> bool {
    let mount = ["-rm", "sh", "-c", "mount -t tmpfs none /tmp"];
    let can =
        std::process::Command::new("unshare").args(mount).output().is_ok_and(|end| end.status.success());
    if !can {
        let _ = writeln!(std::io::stderr(), "skipped: no disk can be mounted here (unshare -rm)");
    }
    can
}

#[test]
fn a_full_disk_costs_lines_that_are_counted_and_nothing_else() {
    if !can_mount() {
        return;
    }
    let launch = Launch::http().workers(2);
    let disk = launch.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let script = format!("mount -t tmpfs -o size=64k none '{}' && exec \"$@\"", disk.display());
    let launch = launch.under(&["unshare", "-rm", "sh", "-c", &script, "sh"]);
    let (events, access) = (disk.join("events"), disk.join("access"));
    let launch =
        launch.args(["--log-file", events.to_str().unwrap(), "--access-log", access.to_str().unwrap()]);
    let server = launch.start();
    server.allow("cannot write the log: No space left");
    // The server's own view of the machine.
    let inside = |path: &Path| {
        Path::new(&format!("/proc/{}/root", server.master)).join(path.strip_prefix("/").unwrap())
    };
    let (log, filler) = (Log::File(inside(&events)), inside(&disk.join("filler")));
    let ask = |count: usize| (0..count).for_each(|_| assert_eq!(server.get("/hello.txt").status, 200));
    ask(3);
    assert!(fs::write(&filler, vec![0; 1 << 20]).is_err(), "the disk is full");
    ask(300);
    for _ in 0..20 {
        server.operate("reload", &[]).done();
    }
    fs::remove_file(filler).unwrap();
    server.operate("reload", &[]).done();
    ask(3);
    let notice = log.wait("event=dropped log=events");
    assert!(notice.number("lines") > 20, "{notice}");
    log.wait("event=dropped log=access");
    assert!(log.lines().iter().all(is_whole), "{:#?}", log.lines());
    let answered = Log::File(inside(&access)).lines();
    assert!(answered.iter().all(|line| line.0.starts_with("127.0.0.1 - - [") && line.0.ends_with("\"-\"")));
    assert_eq!(answered.len() + dropped(&log, "access"), 306);
    server.stop();
}

#[test]
fn a_log_that_has_grown_to_its_limit_ends_nobody() {
    let launch = Launch::http().workers(2);
    let log = launch.folder().join("log");
    // The scoreboard is a file, too, in memory: the limit leaves it its room, in blocks of 512 bytes.
    let (limit, earlier) = (5 << 20, "2026-11-20T12:00:00.123Z INFO  earlier\n");
    fs::write(&log, earlier.repeat((limit - 2000) / earlier.len())).unwrap();
    let limited = format!("ulimit -f {}", limit / 512);
    let server = launch.args(["--log-file", log.to_str().unwrap()]).after(&limited).start();
    server.allow("cannot write the log: File too large");
    for _ in 0..20 {
        server.operate("reload", &[]).done();
    }
    fs::write(&log, "").unwrap();
    server.operate("reload", &[]).done();
    let log = Log::File(log);
    log.wait("event=dropped log=events");
    assert!(log.lines().iter().all(is_whole), "{:#?}", log.lines());
    server.stop();
}
