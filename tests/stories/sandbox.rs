//! Workers that the kernel keeps to what they serve, and programs that try what they must not.

use std::fs;

use crate::support::*;

/// Tries a file, a new one, a connection, and three calls that no server needs; then stays.
const TRIES: &str = r#"
cat /etc/shadow
echo x > "$OUTSIDE/new"
python3 - <<END
import ctypes, errno, os, socket
try:
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"])))
except OSError as e:
    print("connect", errno.errorcode[e.errno])
libc = ctypes.CDLL(None, use_errno=True)
for name, tried in ("ptrace", lambda: libc.ptrace(16, 1, 0, 0)), ("unshare", lambda: libc.unshare(0x10000000)), ("mount", lambda: libc.mount(b"x", b"/mnt", b"tmpfs", 0, 0)):
    print(name, tried(), errno.errorcode.get(ctypes.get_errno()))
END
exec sleep 1000
"#;

#[test]
fn a_site_in_a_sandbox_serves_takes_and_changes_generations() {
    for model in ["event", "blocking", "per-connection"] {
        let server = Launch::http().args(["--sandbox", "--upload", "--model", model]).workers(1).start();
        for verb in ["reload", "upgrade"] {
            assert_eq!(server.operate(verb, &[]).code, 0, "{model}");
            assert_eq!(server.get("/hello.txt").status, 200, "{model}");
        }
        let mut client = server.client();
        client.send("PUT /new.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nnew").unwrap();
        assert_eq!(client.answer().unwrap().status, 201, "{model}");
        assert_eq!(client.get("/new.txt").unwrap().text(), "new");
        let worker = Process::read(server.workers()[0]).unwrap();
        assert_eq!(worker.status("Seccomp").unwrap().trim(), "2", "{model}");
        assert_eq!(worker.status("NoNewPrivs").unwrap().trim(), "1");
    }
}

#[test]
fn a_room_in_a_sandbox_is_a_room() {
    let server = Launch::chat().args(["--sandbox"]).workers(2).start();
    let (mut ann, mut bob) = (Talker::enter(&server, "ann"), Talker::enter(&server, "bob"));
    ann.say("can you hear me?");
    bob.until("can you hear me?");
    assert_eq!(server.operate("reload", &[]).code, 0);
}

#[test]
fn a_program_in_a_sandbox_is_refused_what_reaches_out() {
    let python = std::process::Command::new("python3").arg("--version").output();
    if python.is_err() {
        return;
    }
    let beside = Launch::echo().start();
    let launch = Launch::run(&["sh", "-c", TRIES]).args(["--sandbox"]).workers(1);
    let outside = tempfile::tempdir().unwrap();
    let port = beside.address().port().to_string();
    let launch = launch.env("OUTSIDE", &outside.path().to_string_lossy()).env("PORT", &port);
    let server = launch.start();
    for line in [
        "/etc/shadow: Permission denied",
        "connect EACCES",
        "ptrace -1 EPERM",
        "unshare -1 EPERM",
        "mount -1 EPERM",
    ] {
        server.log.wait(&format!("event=output {line}"));
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "nothing was made there");
}

#[test]
fn a_queue_for_each_slot_is_looked_after_in_every_confinement() {
    let mut flags = vec!["--sandbox", "--balance", "reuseport"];
    let launch = Launch::http().workers(3);
    let root = launch.root().path().to_string_lossy().into_owned();
    if nix::unistd::geteuid().is_root() {
        flags.extend(["--user", "65534", "--group", "65534", "--chroot", &root]);
    }
    let server = launch.args(flags).start();
    let load = Load::start(server.address(), "/hello.txt", b"Hello from a file.\n");
    for (verb, arguments) in
        [("scale", &["1"][..]), ("reload", &[]), ("scale", &["3"]), ("upgrade", &[]), ("scale", &["2"])]
    {
        server.operate(verb, arguments).done();
        load.wait_served(100);
    }
    load.end().assert_whole();
    server.stop();
}
