//! Serving: what a client gets, and what an operator sees while all is well.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::UdpSocket,
    os::{linux::net::SocketAddrExt, unix::net::UnixStream},
};

use serde_json::Value;

use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";

#[test]
fn a_file_comes_with_its_length_type_and_date() {
    let server = Launch::http().start();
    let answer = server.get("/hello.txt");
    assert_eq!((answer.status, &*answer.body), (200, HELLO));
    assert_eq!(answer.header("content-length"), Some("19"));
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{answer:?}");
    assert!(answer.header("date").is_some_and(|date| date.ends_with("GMT")), "{answer:?}");
}

#[test]
fn head_is_get_without_the_body() {
    let server = Launch::http().start();
    let mut client = server.client();
    let (head, get) = (client.head("/hello.txt").unwrap(), client.get("/hello.txt").unwrap());
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
    assert_eq!(get.body, HELLO, "the answer to HEAD had no body that could stand before this one");
}

#[test]
fn what_is_not_there_is_not_found() {
    let server = Launch::http().start();
    let mut client = server.client();
    assert_eq!(client.get("/nothing.txt").unwrap().status, 404);
    assert_eq!(client.get("/hello.txt").unwrap().status, 200, "the connection is kept after it");
    for path in ["/../run", "/%2e%2e/run", "/..%2frun", "/hello.txt/", "/%00"] {
        let status = server.get(path).status;
        assert!([400, 403, 404].contains(&status), "{path}: {status}");
    }
}

#[test]
fn a_directory_is_listed() {
    let launch = Launch::http();
    launch.root().file("a & b.txt", "x");
    let answer = launch.start().get("/");
    assert_eq!(answer.status, 200);
    assert!(
        answer.text().contains("hello.txt") && answer.text().contains("a &#38; b.txt"),
        "{}",
        answer.text()
    );
}

#[test]
fn a_connection_is_kept_until_somebody_wants_its_end() {
    let server = Launch::http().workers(1).start();
    let mut client = server.client();
    for _ in 0..3 {
        let answer = client.get("/hello.txt").unwrap();
        assert_eq!((answer.status, answer.is_last()), (200, false));
    }
    client.send("GET /hello.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    assert!(client.answer().unwrap().is_last());
    assert!(client.rest().unwrap().is_empty());
}

#[test]
fn a_method_that_nothing_answers_is_refused() {
    let server = Launch::http().start();
    let mut client = server.client();
    client.send("DELETE /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n").unwrap();
    let status = client.answer().unwrap().status;
    assert!([405, 501].contains(&status), "{status}");
    assert_eq!(server.get("/hello.txt").body, HELLO);
}

#[test]
fn echo_answers_on_every_kind_of_socket() {
    let launch = Launch::echo();
    let path = launch.folder().join("echo.socket");
    let (unix, name) = (format!("unix:{}", path.display()), format!("{}-abstract", launch.name()));
    let abstract_ = format!("unix:@{name}");
    let server = launch.listen(["127.0.0.1:0", &unix, &abstract_, "udp:127.0.0.1:0", "[::1]:0"]).start();
    assert_eq!(server.urls().len(), 5, "one URL for each listener: {}", server.ready_line);

    let mut client = server.client();
    client.send("over TCP").unwrap();
    assert_eq!(client.take(8).unwrap(), b"over TCP");
    let datagram = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagram.set_read_timeout(Some(DEADLINE)).unwrap();
    datagram.send_to(b"over UDP", server.udp()).unwrap();
    let mut reply = [0; 16];
    assert_eq!(datagram.recv_from(&mut reply).unwrap(), (8, server.udp()));
    assert_eq!(&reply[..8], b"over UDP");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name).unwrap();
    for mut stream in [UnixStream::connect(&path).unwrap(), UnixStream::connect_addr(&address).unwrap()] {
        stream.write_all(b"over Unix").unwrap();
        let mut reply = [0; 9];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"over Unix");
    }
    server.stop();
    assert!(!path.exists(), "the socket's file goes with the server");
}

#[test]
fn all_addresses_means_both_families() {
    let server = Launch::http().listen([":0"]).start();
    let url = server.urls().remove(0);
    let port = url.trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    assert_eq!(fetch(format!("127.0.0.1:{port}").parse().unwrap(), "/hello.txt").unwrap().body, HELLO);
}

#[test]
fn the_ready_line_comes_once_and_says_it_all() {
    let server = Launch::http().workers(3).start();
    let (name, pid, address) = (server.launch.name(), server.master, server.address());
    assert_eq!(server.ready_line, format!("forkd: {name} ready, master {pid}, 3 workers, http://{address}"));
    assert_ne!(address.port(), 0, "the kernel's choice, not ours");
    assert_eq!(server.workers().len(), 3, "ready means that all workers are");
    server.stop();
    server.out.wait_end();
    assert_eq!(server.out.lines().len(), 1, "nothing else is printed: {:?}", server.out.lines());
}

#[test]
fn processes_say_what_they_are() {
    let server = Launch::http().workers(2).start();
    let name = server.launch.name().to_owned();
    let master = Process::read(server.master).unwrap();
    assert_eq!((master.title, &*master.comm), (format!("forkd: master {name}"), "forkd-master"));
    let mut seen = BTreeSet::new();
    for child in server.children() {
        seen.insert((child.title, child.comm));
    }
    let expected =
        [1, 2].map(|slot| (format!("forkd: worker {slot} gen 1 {name}"), format!("forkd-worker-{slot}")));
    assert_eq!(seen, expected.into());
    server.operate("reload", &[]).done();
    let titles: BTreeSet<_> = server.children().into_iter().map(|child| child.title).collect();
    assert_eq!(titles, [1, 2].map(|slot| format!("forkd: worker {slot} gen 2 {name}")).into());
}

#[test]
fn each_worker_has_a_process_group_of_its_own() {
    let server = Launch::http().workers(2).start();
    for child in server.children() {
        assert_eq!(child.group, child.pid, "{child:?}");
    }
}

#[test]
fn the_status_document_has_every_key() {
    let server = Launch::http().workers(2).start();
    server.get("/hello.txt");
    // The worker hears of the closed connection a moment after the client has its answer.
    let status = eventually("nobody is connected", || {
        let status = server.status();
        let workers = status["workers"].as_array().unwrap();
        workers.iter().all(|worker| worker["active"] == 0).then_some(status)
    });
    has_keys(
        &status,
        "name version state model uptime_s generation master listeners workers counters last_exits",
    );
    assert_eq!((&status["name"], &status["state"]), (&server.launch.name().into(), &"running".into()));
    assert_eq!((&status["model"], &status["generation"]), (&"event".into(), &1.into()));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    has_keys(&status["master"], "pid exe user");
    assert_eq!(
        status["master"],
        serde_json::json!({"pid": server.master, "exe": env!("CARGO_BIN_EXE_forkd"), "user": null})
    );
    let listener = &status["listeners"][0];
    has_keys(listener, "address protocol queue backlog");
    assert_eq!(listener["address"], server.address().to_string());
    assert_eq!((&listener["protocol"], &listener["queue"]), (&"http".into(), &0.into()));
    assert!(listener["backlog"].as_u64() > Some(0));
    has_keys(&status["counters"], "spawned exited crashed killed reloads upgrades failed_reloads");
    assert_eq!((&status["counters"]["spawned"], &status["counters"]["crashed"]), (&2.into(), &0.into()));
    let workers = status["workers"].as_array().unwrap();
    for (worker, slot) in workers.iter().zip(1..) {
        has_keys(
            worker,
            "slot pid generation state age_s accepted active requests bytes_in bytes_out rss_bytes",
        );
        has_keys(worker, "pss_bytes cpu_s current current_s");
        assert_eq!(
            (&worker["slot"], &worker["generation"], &worker["state"]),
            (&slot.into(), &1.into(), &"idle".into())
        );
        assert!(
            worker["rss_bytes"].as_u64() > worker["pss_bytes"].as_u64(),
            "forked memory is shared: {worker}"
        );
    }
    let sum = |key: &str| workers.iter().map(|worker| worker[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((workers.len(), sum("accepted"), sum("requests"), sum("active")), (2, 1, 1, 0));
    assert!(sum("bytes_in") > 40 && sum("bytes_out") > 100, "{workers:?}");
}

#[test]
fn the_status_document_remembers_the_last_exits() {
    let server = Launch::http().workers(2).start();
    server.allow("event=exited status=signal:KILL").allow("event=respawn");
    let victim = server.workers()[1];
    send(victim, Signal::SIGKILL);
    server.log.wait("event=exited slot=2");
    server.wait_workers(2);
    let status = server.status();
    let exit = &status["last_exits"][0];
    has_keys(exit, "slot generation pid reason during age_s");
    assert_eq!((&exit["slot"], &exit["generation"], &exit["pid"]), (&2.into(), &1.into(), &victim.into()));
    assert!(exit["reason"].as_str().is_some_and(|reason| reason.contains("KILL")), "{exit}");
    assert_eq!(status["counters"]["crashed"], 1);
}

#[test]
fn a_server_is_found_by_name_pid_port_or_alone() {
    let server = Launch::http().start();
    let runtime = server.launch.runtime().to_string_lossy().into_owned();
    let names =
        [server.launch.name().to_owned(), server.master.to_string(), format!(":{}", server.address().port())];
    for name in &names {
        let before = forkd(&["status", "--json", "--runtime-dir", &runtime, name]).done();
        let after = forkd(&["status", name, "--runtime-dir", &runtime, "--json"]).done();
        assert_eq!(before.json()["name"], server.launch.name(), "{name}");
        assert_eq!(after.json()["master"]["pid"], server.master, "{name}");
    }
    let alone = forkd(&["status", "--runtime-dir", &runtime]).done();
    assert!(alone.out.contains(server.launch.name()) && alone.out.contains("running"), "{}", alone.out);
    let end = forkd(&["status", "--runtime-dir", &runtime, "stranger"]);
    assert_eq!(end.code, 3, "{end:?}");
}

#[test]
fn the_only_server_needs_no_name_but_one_of_two_does() {
    let one = Launch::http().start();
    let runtime = one.launch.runtime().to_string_lossy().into_owned();
    let mut command = forkd_command();
    let other = format!("{}-b", one.launch.name());
    command.args(["echo", "-d", "-w", "1", "-l", "127.0.0.1:0", "--name", &other, "--runtime-dir", &runtime]);
    run(&mut command).done();
    let end = forkd(&["status", "--runtime-dir", &runtime]);
    let listed = forkd(&["list", "--runtime-dir", &runtime]);
    let json = forkd(&["list", "--runtime-dir", &runtime, "--json"]);
    forkd(&["stop", &other, "--runtime-dir", &runtime]).done();
    assert!(end.code != 0 && end.err.contains(&other) && end.err.contains(one.launch.name()), "{end:#?}");
    assert!(listed.out.contains(&other) && listed.out.contains(one.launch.name()), "{listed:#?}");
    assert_eq!(json.done().json().as_array().map(Vec::len), Some(2));
    let listed = forkd(&["list", "--runtime-dir", &runtime]).done();
    assert!(!listed.out.contains(&other), "{listed:#?}");
}

#[test]
fn without_a_name_it_is_called_by_command_and_port() {
    let server = Launch::http().unnamed().start();
    let name = format!("http-{}", server.address().port());
    assert!(server.ready_line.starts_with(&format!("forkd: {name} ready")), "{}", server.ready_line);
    assert!(server.launch.runtime().join(format!("{name}.pid")).exists());
}

#[test]
fn send_is_a_client_for_every_kind_of_socket() {
    let launch = Launch::echo();
    let unix = format!("unix:{}", launch.folder().join("s").display());
    let server = launch.listen(["127.0.0.1:0", "udp:127.0.0.1:0", &unix]).start();
    for address in [server.address().to_string(), format!("udp:{}", server.udp()), unix] {
        let end = forkd(&["send", &address, "hello there"]).done();
        assert_eq!(end.out.trim_end(), "hello there", "{address}");
        let typed = run_with_input(forkd_command().args(["send", &address]), b"one\ntwo\n").done();
        assert_eq!(typed.out, "one\ntwo\n", "{address}");
    }
}

#[test]
fn a_json_log_has_the_same_keys() {
    let server = Launch::http().args(["--log-format", "json"]).workers(1).start();
    server.stop();
    let lines: Vec<Value> = server
        .log
        .lines()
        .iter()
        .map(|line| serde_json::from_str(&line.0).expect("a document per line"))
        .collect();
    let events: Vec<_> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    for event in ["spawned", "ready", "draining", "exited", "stopped"] {
        assert!(events.contains(&event), "no {event} in {events:?}");
    }
    let exited = lines.iter().find(|line| line["event"] == "exited").unwrap();
    assert_eq!(
        (&exited["slot"], &exited["gen"], &exited["status"]),
        (&1.into(), &1.into(), &"exit:0".into())
    );
    assert!(exited["pid"].is_i64());
}

#[test]
fn the_life_of_a_worker_is_a_line_for_each_step() {
    let server = Launch::http().workers(1).start();
    let pid = server.workers()[0];
    server.stop();
    let mut last = 0;
    for event in ["spawned", "ready", "draining", "exited"] {
        let pattern = format!("event={event} slot=1 gen=1 pid={pid}");
        let at = server.log.lines().iter().position(|line| line.says(&pattern));
        assert!(at >= Some(last), "`{pattern}` is missing or out of order");
        last = at.unwrap_or_default();
    }
    assert_eq!(server.log.all("event=exited status=exit:0").len(), 1);
    assert_eq!(server.log.all("event=stopped").len(), 1);
}

#[test]
fn checking_starts_nothing() {
    let launch = Launch::http();
    let root = launch.root().path().to_string_lossy().into_owned();
    let runtime = launch.runtime().to_string_lossy().into_owned();
    forkd(&["http", &root, "--check", "-l", "127.0.0.1:0", "--runtime-dir", &runtime]).done();
    assert!(!launch.file("pid").exists() && !launch.file("sock").exists());
    assert_eq!(forkd(&["http", &root, "--check", "-l", "nonsense"]).code, 2);
}

#[test]
fn help_man_and_completions_speak_of_the_same_commands() {
    let help = forkd(&["--help"]).done().out;
    let man = forkd(&["man"]).done().out;
    for verb in
        ["http", "echo", "status", "stop", "reload", "scale", "reopen", "list", "send", "completions", "man"]
    {
        assert!(help.contains(verb) && man.contains(verb), "{verb} is missing");
    }
    assert!(man.starts_with(".") && man.contains(".TH"), "a man page is roff");
    for shell in ["bash", "zsh", "fish"] {
        assert!(forkd(&["completions", shell]).done().out.contains("forkd"), "{shell}");
    }
    assert!(forkd(&["--version"]).done().out.contains(env!("CARGO_PKG_VERSION")));
}

/// Each flag that the help of `http` names is one that works.
#[test]
fn the_help_of_http_names_the_flags_of_the_contract() {
    let help = forkd(&["http", "--help"]).done().out;
    let flags = "--listen --workers --model --reap --daemon --name --runtime-dir --pid-file --log-file --log-level \
                 --log-format --check --linger --boot-timeout --drain-timeout --idle-timeout --header-timeout \
                 --body-timeout --write-timeout";
    for flag in flags.split_whitespace() {
        assert!(help.contains(flag), "{flag} is missing");
    }
}

#[track_caller]
fn has_keys(value: &Value, keys: &str) {
    for key in keys.split_whitespace() {
        assert!(value.get(key).is_some(), "no `{key}` in {value:#}");
    }
}
