//! Under a service manager: the stories play its part, bind the notify socket and read what it is told.

use std::{
    io::Write,
    os::{fd::AsRawFd, unix::net::UnixDatagram},
    time::Duration,
};

use crate::support::*;

/// The manager's end of the notify socket.
struct Manager(UnixDatagram);

impl Manager {
    fn of(launch: &Launch) -> (Self, Launch) {
        let path = launch.folder().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        (Self(socket), launch.clone().env("NOTIFY_SOCKET", path.to_str().unwrap()))
    }

    /// The next datagram that says this; those before it are passed over.
    #[track_caller]
    fn hears(&self, state: &str) -> String {
        let mut datagram = [0; 4096];
        loop {
            let count = self.0.recv(&mut datagram).unwrap_or_else(|error| panic!("no {state}: {error}"));
            let text = String::from_utf8(datagram[..count].to_vec()).unwrap();
            if text.lines().any(|line| line == state) {
                return text;
            }
        }
    }
}

impl Manager {
    /// All that was said and not heard yet.
    fn heard(&self) -> Vec<String> {
        self.0.set_nonblocking(true).unwrap();
        let mut datagram = [0; 4096];
        let said =
            std::iter::from_fn(|| self.0.recv(&mut datagram).ok().map(|count| datagram[..count].to_vec()));
        let said = said.map(|bytes| String::from_utf8(bytes).unwrap()).collect();
        self.0.set_nonblocking(false).unwrap();
        said
    }
}

/// How long the monotonic clock runs, in microseconds.
fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(Duration::from(now).as_micros()).unwrap()
}

#[test]
fn a_manager_is_told_of_ready_reload_and_stop() {
    let (manager, launch) = Manager::of(&Launch::http().workers(2));
    let server = launch.start();
    let ready = manager.hears("READY=1");
    assert!(ready.contains(&format!("MAINPID={}\n", server.master)), "{ready}");
    assert!(ready.contains("STATUS=2 workers ready, http://127.0.0.1:"), "{ready}");
    let before = now();
    server.operate("reload", &[]).done();
    let reloading = manager.hears("RELOADING=1");
    let stamp = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!((before..=now()).contains(&stamp.parse().unwrap()), "{reloading}");
    manager.hears("READY=1");
    server.operate("stop", &[]).done();
    manager.hears("STOPPING=1");
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn a_stop_that_may_take_long_says_so() {
    let (manager, launch) = Manager::of(&Launch::http().workers(1).args(["--drain-timeout", "70s"]));
    let server = launch.start();
    server.operate("stop", &[]).done();
    assert!(manager.hears("STOPPING=1").lines().any(|line| line == "EXTEND_TIMEOUT_USEC=75000000"));
    assert_eq!(server.wait_exit(), 0);
}

#[test]
fn a_watchdog_is_fed_as_long_as_a_worker_is_well() {
    let launch = Launch::http().workers(1).args(["--liveness-timeout", "300ms"]);
    let (manager, launch) = Manager::of(&launch.env("WATCHDOG_USEC", "100000"));
    let server = launch.start();
    server.allow("event=late").allow("event=killed").allow("event=exited");
    manager.hears("STATUS=1 of 1 workers serve, generation 1");
    let worker = server.workers()[0];
    send(worker, Signal::SIGSTOP);
    server.log.wait(&format!("event=late pid={worker}"));
    // Whatever was said until then lies in the queue; from then on nobody says that all is well.
    manager.heard();
    server.log.wait(&format!("event=killed pid={worker}"));
    let said = manager.heard();
    assert!(!said.iter().any(|text| text.contains("WATCHDOG=1")), "{said:?}");
    server.wait_workers(1);
    manager.hears("WATCHDOG=1");
}

/// What a manager's script prints that starts a server with these flags, as often as it likes.
fn under(script: &str, flags: &[&str]) -> Vec<String> {
    let launch = Launch::http();
    let file = launch.folder().join("manager.py");
    std::fs::write(&file, [KEEPER, script].concat()).unwrap();
    let mut command = std::process::Command::new("python3");
    command.arg(file).current_dir(launch.folder()).args([env!("CARGO_BIN_EXE_forkd"), "http"]);
    command.arg(launch.root().path()).args(["-l", "127.0.0.1:0", "--name", "kept"]).args(flags);
    let end = run(command.arg("--runtime-dir").arg(launch.runtime())).done();
    end.out.lines().map(str::to_owned).collect()
}

#[test]
fn a_manager_keeps_the_queue_while_the_server_is_not_there() {
    let expected = [
        "kept: forkd.127.0.0.1-0",
        "stopped: 0",
        "the same address: True",
        "answered: HTTP/1.1 200 OK",
        "dropped: FDSTOREREMOVE=1 FDNAME=forkd.stale",
        "stopped: 0",
    ];
    assert_eq!(under(ONE, &["-w", "2"]), expected);
}

#[test]
fn a_manager_keeps_the_queue_of_each_slot() {
    let expected = [
        "stopped: 0",
        "kept: forkd.127.0.0.1-0 forkd.127.0.0.1-0.slot2 forkd.127.0.0.1-0.slot3",
        "answered: 32",
        "stopped: 0",
    ];
    assert_eq!(under(GROUP, &["-w", "3", "--balance", "reuseport"]), expected);
}

/// A service manager in a few lines: it keeps what it is given, and gives it back at the next start together with what a
/// configuration of long ago has left.
const KEEPER: &str = r#"
import array, os, signal, socket, subprocess, sys

note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
note.bind("notify")
note.settimeout(20)

def hear(word):
    while True:
        text, extra, _, _ = note.recvmsg(4096, socket.CMSG_SPACE(16))
        fds = array.array("i")
        for level, kind, data in extra:
            fds.frombytes(data)
        states = dict(line.split("=", 1) for line in text.decode().splitlines())
        if word in states:
            return states, list(fds)

def start(names, fds):
    environment = dict(os.environ, NOTIFY_SOCKET=os.path.abspath("notify"))
    if fds:
        environment.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(names))
    moved = [os.dup2(fd, 50 + n) for n, fd in enumerate(fds)]
    move = "".join(f"exec {3 + n}<&{fd} {fd}<&-; " for n, fd in enumerate(moved))
    script = move + 'LISTEN_PID=$$ exec "$@"'
    words = ["bash", "-c", script, "bash"] + sys.argv[1:]
    child = subprocess.Popen(words, env=environment, pass_fds=moved, stdout=subprocess.PIPE)
    for fd in moved:
        os.close(fd)
    return child

def stop(child):
    child.send_signal(signal.SIGTERM)
    print("stopped:", child.wait())
"#;

/// It keeps one socket, and has another of long ago.
const ONE: &str = r#"
first = start([], [])
states, [kept] = hear("FDSTORE")
print("kept:", states["FDNAME"])
hear("READY")
address = first.stdout.readline().split()[-1]
stop(first)

listener = socket.socket(fileno=kept)
client = socket.create_connection(listener.getsockname())
client.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
stale = socket.create_server(("127.0.0.1", 0))
second = start(["forkd.stale", states["FDNAME"]], [stale.fileno(), kept])
states, _ = hear("FDSTOREREMOVE")
hear("READY")
print("the same address:", second.stdout.readline().split()[-1] == address)
print("answered:", client.makefile().readline().strip())
print("dropped:", " ".join(f"{key}={value}" for key, value in states.items()))
stop(second)
"#;

/// It keeps a group, and gives it back in another order to a server with fewer workers.
const GROUP: &str = r#"
first = start([], [])
kept = {}
while len(kept) < 3:
    states, [fd] = hear("FDSTORE")
    kept[states["FDNAME"]] = fd
hear("READY")
first.stdout.readline()
stop(first)

names = sorted(kept)
print("kept:", *names)
address = socket.socket(fileno=os.dup(kept[names[0]])).getsockname()
clients = [socket.create_connection(address) for _ in range(32)]
for client in clients:
    client.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
names.reverse()
sys.argv[sys.argv.index("-w") + 1] = "1"
second = start(names, [kept[name] for name in names])
hear("READY")
answers = [client.makefile().readline().strip() for client in clients]
print("answered:", answers.count("HTTP/1.1 200 OK"))
stop(second)
"#;

#[test]
fn the_units_that_the_doctor_prints_are_good() {
    let page = forkd(&["doctor", "--systemd"]).done().out;
    let folder = Launch::http();
    let mut files = Vec::new();
    for unit in ["forkd.socket", "forkd.service"] {
        let (_, rest) =
            page.split_once(&format!("# /etc/systemd/system/{unit}\n")).expect("its file is named");
        let text = rest.split("# /etc/").next().unwrap();
        files.push(folder.folder().join(unit));
        std::fs::write(files.last().unwrap(), text).unwrap();
    }
    let mut command = std::process::Command::new("systemd-analyze");
    let Ok(end) = command.arg("verify").args(&files).output() else {
        let _ = writeln!(std::io::stderr(), "skipped: systemd-analyze is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&end.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("forkd")).collect();
    assert!(end.status.success() && ours.is_empty(), "{said}");
}

#[test]
fn a_socket_unit_gives_its_sockets_by_name() {
    let passed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = passed.as_raw_fd();
    nix::fcntl::fcntl(&passed, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let script = format!("exec 3<&{number}; export LISTEN_FDS=1 LISTEN_FDNAMES=web LISTEN_PID=$$");
    let server = Launch::http().workers(2).listen(["systemd:web"]).after(&script).start();
    assert_eq!(server.address(), passed.local_addr().unwrap());
    assert_eq!(server.get("/hello.txt").status, 200);
    server.operate("reload", &[]).done();
    assert_eq!(server.get("/hello.txt").status, 200);
    server.stop();
    assert!(
        std::net::TcpStream::connect(passed.local_addr().unwrap()).is_ok(),
        "it is the manager's, and open"
    );
}

#[test]
fn a_program_that_has_once_said_that_it_is_alive_is_held_to_it() {
    let program = r#"
import os, socket, sys, time
note = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = "\0" + os.environ["NOTIFY_SOCKET"][1:]
print("watched every", os.environ["WATCHDOG_USEC"], flush=True)
note.sendto(b"READY=1", name)
if os.environ["FORKD_SLOT"] == "1":
    note.sendto(b"WATCHDOG=1", name)
note.sendto(b"STATUS=still here", name)
time.sleep(1000)
"#;
    let launch = Launch::run(&["python3", "-c", program]).workers(2);
    let server = launch.args(["--ready", "notify", "--liveness-timeout", "300ms"]).start();
    server.allow("event=late").allow("event=killed").allow("event=exited");
    server.log.wait("event=output watched 300000");
    let [silent, never] = server.workers()[..] else { panic!("two workers") };
    server.log.wait(&format!("event=exited slot=1 pid={silent} status=signal:ABRT"));
    server.log.wait_count(2, "event=late slot=1");
    assert!(server.log.all("event=late slot=2").is_empty(), "who never says so is not asked for it");
    assert!(server.workers().contains(&never));
}

#[test]
fn a_daemon_names_its_own_pid() {
    let (manager, launch) = Manager::of(&Launch::echo().workers(1).daemon());
    let server = launch.start();
    let pid = format!("MAINPID={}\n", server.master);
    assert!(manager.hears("READY=1").contains(&pid));
}

#[test]
fn a_manager_that_is_not_there_or_does_not_listen_keeps_nobody() {
    let launch = Launch::http().workers(1);
    let server = launch.clone().env("NOTIFY_SOCKET", "/nowhere/at/all").start();
    assert_eq!(server.get("/hello.txt").status, 200);
    drop(server);
    let (_deaf, launch) = Manager::of(&Launch::http().workers(1));
    let server = launch.start();
    // Far more than the queue of a socket holds.
    for count in 0..30 {
        server.operate("scale", &[if count % 2 == 0 { "2" } else { "1" }]).done();
    }
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn another_forkd_is_a_parent_like_any_other() {
    let forkd = env!("CARGO_BIN_EXE_forkd");
    let inner = ["echo", "-l", "fd:3", "-w", "1", "--name", "inner", "--runtime-dir", "inner"];
    let server = Launch::run(&[&[forkd][..], &inner].concat());
    let server = server.args(["--ready", "notify"]).workers(1);
    let server = server.listen(["127.0.0.1:0"]).start();
    let mut client = server.client();
    client.send("hello").unwrap();
    assert_eq!(client.take(5).unwrap(), b"hello");
    let status = server.status();
    assert!(status["workers"][0]["current"].as_str().unwrap().starts_with("1 workers ready"), "{status}");
}
