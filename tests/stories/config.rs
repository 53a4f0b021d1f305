//! A configuration file: what it says, who overrules it, and what a reload makes of a new one.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::Stdio,
};

use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";

/// A server of files whose other settings stand in a file, and that file.
struct Configured {
    launch: Launch,
    file: PathBuf,
}

impl Configured {
    fn new(text: &str) -> Self {
        let launch = Launch::http();
        let file = launch.folder().join("web.toml");
        fs::write(&file, text).expect("the test's own folder can be written");
        let launch = launch.listen([]).args(["--config", "web.toml"]);
        let here = launch.folder().to_owned();
        Self { launch: launch.from(&here), file }
    }

    fn say(&self, text: &str) {
        fs::write(&self.file, text).expect("the test's own folder can be written");
    }
}

fn load(server: &Instance) -> Load {
    Load::start(server.address(), "/hello.txt", HELLO)
}

const FIRST: &str = "listen = \"127.0.0.1:0\"\nworkers = 2\nlinger = \"5s\"\n";

#[test]
fn a_reload_takes_new_workers_and_limits_from_the_file_and_loses_nothing() {
    let configured = Configured::new(FIRST);
    let server = configured.launch.start();
    let load = load(&server);
    configured.say("listen = \"127.0.0.1:0\"\nworkers = 3\nlinger = \"5s\"\ndrain-timeout = \"7s\"\n");
    let end = server.operate("reload", &[]).done();
    assert!(end.out.contains("generation 2, 3 workers"), "{end:?}");
    assert_eq!(server.wait_workers(3).len(), 3);
    load.wait_served(50);
    load.end().assert_whole();
}

#[test]
fn a_number_that_an_operator_chose_stays_until_the_file_says_another() {
    let configured = Configured::new(FIRST);
    let server = configured.launch.start();
    server.operate("scale", &["3"]).done();
    server.operate("reload", &[]).done();
    assert_eq!(server.wait_workers(3).len(), 3);
    configured.say(&FIRST.replace("workers = 2", "workers = 1"));
    server.operate("reload", &[]).done();
    assert_eq!(server.wait_workers(1).len(), 1);
}

#[test]
fn a_listener_comes_and_goes_by_reload_and_the_other_loses_nothing() {
    let configured = Configured::new(FIRST);
    let server = configured.launch.start();
    let load = load(&server);
    let door = configured.launch.folder().join("web.sock");
    configured
        .say(&FIRST.replace("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"127.0.0.1:0\", \"unix:web.sock\"]"));
    server.operate("reload", &[]).done();
    let address = server.status()["listeners"][1]["address"].as_str().expect("an address").to_owned();
    let address: SocketAddr = address.parse().expect("a port of the kernel's");
    assert_ne!(address, server.address());
    assert_eq!(fetch(address, "/hello.txt").expect("the new door is open").body, HELLO);
    assert!(door.exists());
    assert_eq!(server.status()["listeners"].as_array().map(Vec::len), Some(3));
    configured.say(FIRST);
    server.operate("reload", &[]).done();
    assert!(TcpStream::connect(address).is_err(), "the door that was removed is closed");
    assert!(!door.exists(), "its file is gone");
    load.wait_served(50);
    load.end().assert_whole();
}

#[test]
fn a_file_that_is_broken_changes_nothing_and_says_file_line_key_and_remedy() {
    let configured = Configured::new(FIRST);
    let server = configured.launch.start();
    server.allow("event=reload");
    let (before, load) = (server.workers(), load(&server));
    let here = configured.file.display();
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("its address");
    let table = [
        ("workers = 2\nlisten = ", format!("cannot read {here}:2:")),
        ("\nwrkers = 2\n", format!("cannot read {here}:2: unknown key wrkers (did you mean workers?)")),
        ("workers = \"many\"\n", format!("cannot read {here}:1: workers: cannot read \"many\"")),
        ("workers = [1, 2]\n", format!("cannot read {here}:1: workers is one value, not a list")),
        ("daemon = \"yes\"\n", format!("cannot read {here}:1: daemon takes no value (write true or false)")),
        ("command = \"echo\"\n", format!("cannot read {here}:1: this is no server of forkd http")),
        ("log-level = \"debug\"\nlisten = \":0\"", "cannot change log-level by a reload".to_owned()),
        ("log-format = \"json\"\nlisten = \":0\"", "cannot change log-format by a reload".to_owned()),
        ("pid-file = \"other.pid\"\nlisten = \":0\"", "cannot change pid-file by a reload".to_owned()),
    ];
    for (text, expected) in table {
        configured.say(text);
        let end = server.operate("reload", &[]);
        assert_eq!(end.code, 1, "{text}: {end:#?}");
        assert!(end.err.contains(&expected), "{text}: {end:#?}");
    }
    configured.say(&format!("listen = [\"127.0.0.1:0\", \"{taken}\"]\n"));
    let end = server.operate("reload", &[]);
    assert!(end.code == 1 && end.err.contains("in use"), "{end:#?}");
    fs::remove_file(&configured.file).expect("removed");
    assert_eq!(server.operate("reload", &[]).code, 1);
    assert_eq!(server.wait_workers(2), before, "nobody was replaced");
    configured.say(FIRST);
    server.operate("reload", &[]).done();
    load.wait_served(50);
    load.end().assert_whole();
}

#[test]
fn many_failing_reloads_leave_no_descriptor_behind() {
    let configured = Configured::new(FIRST);
    let server = configured.launch.start();
    server.allow("event=reload");
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("its address");
    let count = || fs::read_dir(format!("/proc/{}/fd", server.master)).expect("our own server").count();
    configured
        .say(&FIRST.replace("\"127.0.0.1:0\"", &format!("[\"127.0.0.1:0\", \"unix:w.sock\", \"{taken}\"]")));
    assert_eq!(server.operate("reload", &[]).code, 1);
    let before = count();
    for _ in 0..20 {
        assert_eq!(server.operate("reload", &[]).code, 1);
    }
    // The last caller's connection may be open a moment longer than its answer takes.
    eventually("no descriptor is left behind", || (count() <= before).then_some(()));
    assert!(!configured.launch.folder().join("w.sock").exists());
}

#[test]
fn a_new_side_that_cannot_start_gives_back_its_listeners_and_its_limits() {
    let configured = Configured::new(FIRST);
    let fault = Fault::new(&configured.launch, BOOT_FAILS);
    let launch = fault.inside(configured.launch.clone());
    let server = launch.start();
    server.allow("gen=2").allow("event=reload");
    let (before, load) = (server.workers(), load(&server));
    fault.begin();
    configured.say(
        &FIRST
            .replace("\"127.0.0.1:0\"", "[\"127.0.0.1:0\", \"unix:w.sock\"]")
            .replace("workers = 2", "workers = 4"),
    );
    let end = server.operate("reload", &[]);
    assert!(end.code == 1 && end.err.contains("oo many open files"), "{end:#?}");
    assert_eq!(server.wait_workers(2), before);
    let status = server.status();
    assert_eq!(status["listeners"].as_array().map(Vec::len), Some(1));
    assert!(!launch.folder().join("w.sock").exists());
    fault.end();
    server.operate("reload", &[]).done();
    assert_eq!(server.wait_workers(4).len(), 4, "what the file says counts as new still");
    load.wait_served(50);
    load.end().assert_whole();
}

#[test]
fn a_reload_behind_another_says_so() {
    let configured = Configured::new(FIRST);
    let fault = Fault::new(&configured.launch, BOOT_HANGS);
    let server = fault.inside(configured.launch.clone()).start();
    fault.begin();
    server.signal(Signal::SIGHUP);
    server.log.wait("event=spawned gen=2");
    let mut second = forkd_command();
    second.args(["reload", server.launch.name(), "--runtime-dir"]).arg(server.launch.runtime());
    let second = std::thread::spawn(move || run(&mut second));
    server.log.wait("event=reload behind=2");
    fault.end();
    let end = second.join().expect("it ends").done();
    assert!(
        end.out.contains("generation 3") && end.out.contains("it waited for the reload to generation 2"),
        "{end:?}"
    );
}

#[test]
fn a_daemon_finds_its_relative_file_again() {
    let configured = Configured::new(FIRST);
    let server = configured.launch.clone().daemon().start();
    configured.say(&FIRST.replace("workers = 2", "workers = 1"));
    server.operate("reload", &[]).done();
    assert_eq!(server.wait_workers(1).len(), 1);
}

#[test]
fn flags_win_and_print_says_who_said_what() {
    let configured =
        Configured::new("workers = 2\ndrain-timeout = \"9s\"\nlisten = [\":1\", \"unix:@two\"]\n");
    let mut print = forkd_command();
    print.current_dir(configured.launch.folder());
    print.args(["config", "print", "--json", "http", "-w", "3", "--config", "web.toml"]);
    let end = run(&mut print).done().json();
    let settings = end[0]["settings"].as_array().expect("a list").clone();
    let of = |key: &str| {
        let found = settings.iter().find(|setting| setting["key"] == key).expect(key);
        (
            found["value"].as_str().unwrap_or_default().to_owned(),
            found["from"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let place = |line: u32| format!("{}:{line}", configured.file.display());
    assert_eq!(of("workers"), ("3".into(), "flag".into()));
    assert_eq!(of("drain-timeout"), ("9s".into(), place(2)));
    assert_eq!(of("listen"), (":1 unix:@two".into(), place(3)));
    assert_eq!(of("boot-timeout"), ("30s".into(), "default".into()));
    assert_eq!(of("name").0, "http-1");
}

/// Two servers in one file.
fn pair(folder: &std::path::Path, echo: &str) -> PathBuf {
    let file = folder.join("two.toml");
    let text = format!(
        "runtime-dir = \"run\"\nworkers = 1\nlisten = \"127.0.0.1:0\"\n\n[server.web]\ncommand = \"http\"\n\
         dir = \"www\"\n\n[server.echo]\n{echo}\n"
    );
    fs::write(&file, text).expect("the test's own folder can be written");
    file
}

#[test]
fn a_file_starts_several_servers_and_a_signal_ends_them() {
    let launch = Launch::http();
    let file = pair(launch.folder(), "command = \"echo\"\nworkers = 2");
    let mut start = forkd_command();
    start.current_dir(launch.folder()).arg("start").arg(&file);
    let mut child = start.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
    let out = Log::of_pipe(child.stdout.take().expect("a pipe"));
    let log = Log::of_pipe(child.stderr.take().expect("a pipe"));
    let web = out.wait("forkd: web ready, 1 workers").0;
    out.wait("forkd: echo ready, 2 workers");
    let address = web.rsplit("http://").next().expect("a URL").parse().expect("an address");
    assert_eq!(fetch(address, "/hello.txt").expect("it serves").body, HELLO);
    let masters = Process::children(child.id().cast_signed());
    assert_eq!(masters.len(), 2, "one master each: {masters:#?}");
    let list = run(forkd_command().args(["list", "--json", "--runtime-dir"]).arg(launch.runtime()));
    assert_eq!(list.done().json().as_array().map(Vec::len), Some(2));
    send(child.id().cast_signed(), Signal::SIGTERM);
    let status = eventually("all are gone", || child.try_wait().expect("our own child"));
    assert_eq!(status.code(), Some(0));
    log.wait_end();
    assert!(masters.iter().all(|master| Process::read(master.pid).is_none()));
    assert_eq!(fs::read_dir(launch.runtime()).expect("there").count(), 0, "no file is left");
}

#[test]
fn a_file_is_checked_whole_before_anything_is_started() {
    let launch = Launch::http();
    let at = |line: u32, file: &PathBuf| format!("cannot read {}:{line}:", file.display());
    for (echo, line) in
        [("command = \"ecko\"", 10), ("comand = \"echo\"", 9), ("command = \"echo\"\nindex = 1", 11)]
    {
        let file = pair(launch.folder(), echo);
        for flags in [&["--check"][..], &[], &["-d"]] {
            let end = run(forkd_command().current_dir(launch.folder()).arg("start").arg(&file).args(flags));
            assert_eq!(end.code, 2, "{end:#?}");
            assert!(end.err.contains(&at(line, &file)), "{end:#?}");
        }
    }
    assert!(!launch.runtime().exists(), "nothing was started");
    let file = pair(launch.folder(), "command = \"echo\"");
    run(forkd_command().current_dir(launch.folder()).arg("start").arg(&file).arg("--check")).done();
    assert!(!launch.runtime().exists());
}

#[test]
fn daemons_of_a_file_are_started_all_or_none() {
    let launch = Launch::http();
    // A listener of ours makes the second one fail after the first one serves.
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("its address");
    let file = pair(launch.folder(), &format!("command = \"echo\"\nlisten = \"{taken}\""));
    let end = run(forkd_command().current_dir(launch.folder()).arg("start").arg(&file).arg("-d"));
    assert_ne!(end.code, 0, "{end:#?}");
    let list = || run(forkd_command().args(["list", "--json", "--runtime-dir"]).arg(launch.runtime()));
    assert_eq!(list().json().as_array().map(Vec::len), Some(0), "the first was stopped again");
    let file = pair(launch.folder(), "command = \"echo\"");
    let end = run(forkd_command().current_dir(launch.folder()).arg("start").arg(&file).arg("-d")).done();
    assert_eq!(end.out.lines().count(), 2, "{end:#?}");
    for name in ["web", "echo"] {
        run(forkd_command().args(["stop", name, "--runtime-dir"]).arg(launch.runtime())).done();
    }
}
