//! What workers give up before they serve, and that they cannot have it back. All of it takes root to tell.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
};

use crate::support::*;

/// With user and group nobody, in numbers.
fn as_user(launch: Launch) -> Launch {
    launch.args(["--user", "65534", "--group", "65534"])
}

#[test]
fn workers_are_somebody_else_in_each_generation_and_the_master_is_not() {
    if !is_root() {
        return;
    }
    let launch = as_user(Launch::http()).workers(2);
    let root = launch.root().path().to_string_lossy().into_owned();
    let server = launch.args(["--chroot", &root, "--limit", "nofile=100:200", "--limit", "core=0"]).start();
    for change in ["start", "reload", "upgrade", "scale"] {
        let done = match change {
            "start" => None,
            "scale" => Some(server.operate("scale", &["3"])),
            verb => Some(server.operate(verb, &[])),
        };
        assert!(done.is_none_or(|done| done.code == 0), "{change}");
        for worker in server.workers() {
            check_is_nobody(worker);
            assert_eq!(fs::read_link(format!("/proc/{worker}/root")).unwrap(), Path::new(&root));
            let limits = fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
            let limit = |name| limits.lines().find(|line: &&str| line.starts_with(name)).unwrap();
            let words: Vec<_> = limit("Max open files").split_whitespace().skip(3).take(2).collect();
            assert_eq!(words, ["100", "200"]);
        }
        assert_eq!(server.get("/hello.txt").status, 200, "{change}");
        assert_eq!(says(server.master, "Uid"), "0 0 0 0");
        assert_eq!(says(server.master, "NoNewPrivs"), "0");
    }
    let before = server.workers();
    send(before[0], Signal::SIGKILL);
    server.allow("status=signal:KILL");
    server.log.wait(&format!("event=exited pid={}", before[0]));
    server.log.wait_count(8, "event=ready");
    server.wait_workers(3).into_iter().for_each(check_is_nobody);
}

#[test]
fn who_has_become_somebody_else_hears_of_its_masters_death() {
    if !is_root() {
        return;
    }
    // It has no lifeline, as a worker has: the request for a signal must have been made after it changed its user.
    let server = as_user(Launch::run(&["sleep", "1000"])).workers(1).start();
    let program = server.workers()[0];
    check_is_nobody(program);
    send(server.master, Signal::SIGKILL);
    server.wait_exit();
    eventually("the program has ended", || (!Process::lives(program)).then_some(()));
}

#[test]
fn each_model_gives_up_root_before_it_serves() {
    if !is_root() {
        return;
    }
    for model in ["event", "blocking", "per-connection"] {
        let server = as_user(Launch::echo()).workers(1).args(["--model", model]).start();
        check_is_nobody(server.workers()[0]);
        let mut client = server.client();
        client.send("hello").unwrap();
        assert_eq!(client.take(5).unwrap(), b"hello", "{model}");
        if model == "per-connection" {
            let own = |process: &Process| process.comm == "forkd-conn";
            let connection = server.all_processes().into_iter().find(own).expect("a process for the client");
            check_is_nobody(connection.pid);
        }
    }
}

#[test]
fn a_program_is_born_as_somebody_else() {
    if !is_root() {
        return;
    }
    let say = "echo user=$USER home=$HOME own=$(id -u):$(id -g):$(id -G)";
    let stay = format!("{say}; exec sleep 1000");
    let server = Launch::run(&["sh", "-c", &stay]).args(["--user", "nobody"]).workers(1).start();
    check_is_nobody(server.workers()[0]);
    server.log.wait("event=output user=nobody own=65534:65534:65534");
    assert_eq!(says(server.master, "Uid"), "0 0 0 0");
    let server =
        Launch::run(&["sh", "-c", say]).args(["--user", "nobody", "--per-connection"]).workers(1).start();
    let said = String::from_utf8(server.client().rest().unwrap()).unwrap();
    assert!(said.contains("own=65534:65534:65534"), "{said}");
}

#[test]
fn a_program_finds_its_paths_in_the_new_root() {
    if !is_root() {
        return;
    }
    let launch = Launch::run(&["/bin/sleep", "1000"]);
    let inside = launch.folder().join("jail");
    let libraries = run(std::process::Command::new("ldd").arg("/bin/sleep")).out;
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain(["/bin/sleep"]) {
        let copy = inside.join(&file[1..]);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(file, copy).unwrap();
    }
    let server = as_user(launch).args(["--chroot", &inside.to_string_lossy()]).workers(1).start();
    let worker = server.workers()[0];
    check_is_nobody(worker);
    assert_eq!(fs::read_link(format!("/proc/{worker}/exe")).unwrap(), inside.join("bin/sleep"));
    let elsewhere = as_user(Launch::run(&["/bin/nothing"])).args(["--chroot", &inside.to_string_lossy()]);
    let Err(refused) = elsewhere.attempt() else { panic!("there is no such program in there") };
    assert!(refused.code == 2 && refused.err.contains("cannot run /bin/nothing"), "{refused:#?}");
}

#[test]
fn a_room_keeps_its_store_though_its_workers_may_not_open_it() {
    if !is_root() {
        return;
    }
    let launch = as_user(Launch::chat()).workers(2);
    let folder = launch.folder().join("empty");
    fs::create_dir(&folder).unwrap();
    let server = launch.args(["--chroot", &folder.to_string_lossy()]).start();
    let (mut ann, mut bob) = (Talker::enter(&server, "ann"), Talker::enter(&server, "bob"));
    ann.say("can you hear me?");
    bob.until("can you hear me?");
    assert_eq!(server.operate("reload", &[]).code, 0);
    server.workers().into_iter().for_each(check_is_nobody);
    let mut eve = Talker::connect(&server);
    eve.say("eve");
    eve.until("can you hear me?");
}

#[test]
fn who_has_become_somebody_else_writes_where_that_one_may() {
    if !is_root() {
        return;
    }
    let launch = as_user(Launch::http()).args(["--upload"]).workers(1);
    let root = launch.root().path().to_owned();
    let put = |server: &Instance| {
        let mut client = server.client();
        client.send("PUT /new.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nnew").unwrap();
        client.answer().unwrap().status
    };
    let server = launch.start();
    assert_eq!(put(&server), 403, "the directory is root's");
    chown(&root, Some(NOBODY), None).unwrap();
    assert_eq!(put(&server), 201);
    assert_eq!(fs::read(root.join("new.txt")).unwrap(), b"new");
    drop(server);
    let server = launch.args(["--chroot", &root.to_string_lossy()]).start();
    assert_eq!(put(&server), 204, "in a root without /proc");
}

#[test]
fn a_way_out_of_the_new_root_keeps_a_worker_from_being_ready() {
    if !is_root() {
        return;
    }
    let launch = as_user(Launch::echo()).workers(1).after("exec 9</");
    let folder = launch.folder().join("empty");
    fs::create_dir(&folder).unwrap();
    let launch = launch.args(["--chroot", &folder.to_string_lossy()]);
    let server = launch.spawn();
    server.allow("event=exited").allow("event=stopped").allow("cannot enter the root");
    let exit = server.log.wait("event=exited");
    assert!(exit.says("descriptor 9 leads out"), "{exit}");
    assert!(server.log.all("event=ready").is_empty());
    server.signal(Signal::SIGTERM);
    server.wait_exit();
}

#[test]
fn what_is_served_must_be_readable_for_whom_a_worker_becomes() {
    if !is_root() {
        return;
    }
    let launch = as_user(Launch::http()).workers(1);
    fs::set_permissions(launch.root().path(), fs::Permissions::from_mode(0o700)).unwrap();
    let server = launch.spawn();
    server.allow("event=exited").allow("event=stopped");
    let exit = server.log.wait("event=exited");
    assert!(exit.says("cannot read") && exit.says("Permission denied"), "{exit}");
    server.signal(Signal::SIGTERM);
    server.wait_exit();
}

#[test]
fn what_cannot_be_given_up_is_refused_before_anything_is_bound() {
    let folder = tempfile::tempdir().unwrap();
    let (outside, www) = (folder.path().join("outside"), folder.path().join("www"));
    [&outside, &www].into_iter().for_each(|path| fs::create_dir(path).unwrap());
    let (outside, www) = (outside.to_string_lossy().into_owned(), www.to_string_lossy().into_owned());
    let mut table = vec![
        (vec!["--user", "no-such-user"], "cannot run workers as user \"no-such-user\""),
        (vec!["--user", ""], "cannot run workers as user \"\""),
        (vec!["--user", "0day"], "cannot run workers as user \"0day\""),
        (vec!["--group", "no-such-group"], "cannot run workers as group \"no-such-group\""),
        (vec!["--limit", "files=7"], "nothing is called so"),
    ];
    if is_root() {
        let log = format!("{outside}/log");
        chown(&outside, Some(NOBODY), None).unwrap();
        let log: &'static str = Box::leak(log.into_boxed_str());
        let outside: &'static str = Box::leak(outside.into_boxed_str());
        table.push((vec!["--chroot", outside], "it lies outside"));
        table.push((vec!["--chroot", "/no/such/dir"], "cannot make /no/such/dir the root of workers"));
        table.push((vec!["--user", "4000000"], "no account says which group it has"));
        table.push((
            vec!["--user", "65534", "--group", "1", "--log-file", log],
            "where its workers may write",
        ));
        table.push((
            vec!["--user", "65534", "--group", "1", "--access-log", log],
            "where its workers may write",
        ));
    }
    for (flags, words) in table {
        let arguments = [&["http", "--check", &www], &flags[..]].concat();
        let refused = forkd(&arguments);
        assert!(refused.code == 2 && refused.err.contains(words), "{flags:?}: {refused:#?}");
    }
    let mut words = as_nobody();
    words.extend([env!("CARGO_BIN_EXE_forkd"), "http", "--check", &www, "--user", "1", "--group", "1"]);
    if is_root() {
        words.splice(1..1, ["--reuid=65534", "--clear-groups"]);
    }
    let refused = run(std::process::Command::new(words[0]).args(&words[1..]));
    assert!(refused.code == 2 && refused.err.contains("only root can become somebody else"), "{refused:#?}");
}
