//! Balance: a queue for each slot, and no client lost in any of them, though the kernel moves nobody from one to another.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    thread,
};

use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";
const MODELS: [&str; 3] = ["event", "blocking", "per-connection"];

fn reuseport(launch: Launch) -> Launch {
    // The kernel can move connections from a socket that is closed to another of its group. Here nothing relies on it.
    let moves = fs::read_to_string("/proc/sys/net/ipv4/tcp_migrate_req").unwrap_or_else(|_| "0".into());
    assert_eq!(moves.trim(), "0", "net.ipv4.tcp_migrate_req is on: with it these stories show nothing");
    launch.args(["--balance", "reuseport"])
}

fn echo(model: &str, workers: u32) -> Instance {
    reuseport(Launch::echo()).workers(workers).args(["--model", model, "--drain-timeout", "2s"]).start()
}

/// The pid of the worker in a slot.
fn worker(server: &Instance, slot: i64) -> i32 {
    let status = server.status();
    let rows = status["workers"].as_array().unwrap();
    let found = rows.iter().find(|row| row["slot"] == slot).and_then(|row| row["pid"].as_i64());
    found.expect("somebody is in that slot").try_into().unwrap()
}

fn waiting(server: &Instance) -> u64 {
    server.status()["listeners"][0]["queue"].as_u64().expect("TCP has a queue")
}

/// Stops the worker of a slot, and connects clients until some wait in its queue. Each has asked for something.
fn stuck(server: &Instance, slot: i64) -> (i32, Vec<Client>) {
    let pid = worker(server, slot);
    send(pid, Signal::SIGSTOP);
    server.log.wait(&format!("event=halted slot={slot} pid={pid}"));
    let mut clients = Vec::new();
    let mut wave = || {
        clients.extend((0..16).map(|_| {
            let mut client = server.client();
            client.send(b"wanted").unwrap();
            client
        }));
    };
    wave();
    // What the others have not taken yet goes down again; what waits for the stopped one does not.
    eventually("clients wait for a worker that is stopped", || {
        let least = (0..5).map(|_| waiting(server)).min();
        if least < Some(4) {
            wave();
        }
        (least >= Some(4)).then_some(())
    });
    (pid, clients)
}

/// Every one of them is answered.
fn answered(clients: Vec<Client>) {
    for mut client in clients {
        assert_eq!(client.take(6).expect("nobody is lost"), b"wanted");
    }
}

#[test]
fn whoever_waits_for_a_worker_that_is_killed_is_served_by_its_successor() {
    for model in MODELS {
        let server = echo(model, 3);
        let (pid, clients) = stuck(&server, 2);
        send(pid, Signal::SIGKILL);
        answered(clients);
        server.allow("event=exited slot=2 status=signal:KILL");
    }
}

#[test]
fn whoever_waits_at_a_slot_that_is_taken_away_is_served_by_those_that_stay() {
    for model in MODELS {
        let server = echo(model, 4);
        let (pid, clients) = stuck(&server, 4);
        // It cannot leave by itself, so that it is killed.
        let scaled = server.operate("scale", &["2"]).done();
        assert!(scaled.out.contains("2 workers"), "{scaled:?}");
        answered(clients);
        assert!(!Process::lives(pid));
        // Who comes later is dealt to the queues of slots that nobody fills, too.
        answered(asking(&server, 64));
        server.operate("scale", &["5"]).done();
        answered(asking(&server, 64));
        server.allow("event=killed");
    }
}

/// Clients that have asked for something.
fn asking(server: &Instance, count: usize) -> Vec<Client> {
    let ask = |_| {
        let mut client = server.client();
        client.send(b"wanted").unwrap();
        client
    };
    (0..count).map(ask).collect()
}

#[test]
fn the_queue_of_a_worker_that_cannot_be_replaced_is_adopted() {
    let launch = reuseport(Launch::echo()).workers(2);
    let fault = Fault::new(&launch, BOOT_FAILS);
    let server = fault.inside(launch).start();
    let (pid, clients) = stuck(&server, 2);
    fault.begin();
    send(pid, Signal::SIGKILL);
    answered(clients);
    let gone = server.log.wait("event=gave-up slot=2");
    assert!(gone.number("deaths") > 1, "{gone}");
    answered(asking(&server, 64));
    // Its adopter dies, too: but its own slot is filled again, and with it somebody is there for both.
    fault.end();
    send(worker(&server, 1), Signal::SIGKILL);
    answered(asking(&server, 64));
    server.allow("slot=2").allow("event=exited slot=1 status=signal:KILL");
}

#[test]
fn a_reload_and_an_upgrade_leave_nobody_in_the_queue_of_a_stopped_predecessor() {
    for (verb, model) in ["reload", "upgrade"].into_iter().zip(MODELS) {
        let server = echo(model, 3);
        let (pid, clients) = stuck(&server, 2);
        server.operate(verb, &[]).done();
        answered(clients);
        assert!(!Process::lives(pid));
        assert_eq!(server.status()["generation"], 2);
        answered(asking(&server, 64));
        server.allow("event=killed");
    }
}

#[test]
fn under_load_workers_come_and_go_and_no_request_fails() {
    let server = reuseport(Launch::http()).workers(3).args(["--linger", "5s"]).start();
    let load = Load::start(server.address(), "/hello.txt", HELLO);
    for round in 0..4 {
        server.operate("scale", &["1"]).done();
        load.wait_served(50);
        server.operate(if round % 2 == 0 { "reload" } else { "upgrade" }, &[]).done();
        load.wait_served(50);
        server.operate("scale", &["4"]).done();
        load.wait_served(50);
        server.operate("reload", &[]).done();
    }
    load.end().assert_whole();
    assert_eq!((server.status()["generation"].as_u64(), server.wait_workers(4).len()), (Some(9), 4));
}

#[test]
fn status_adds_up_the_queues_and_says_each_workers_share() {
    let server = reuseport(Launch::echo()).workers(3).args(["--liveness-timeout", "off"]).start();
    let one = reuseport(Launch::echo()).workers(1).start().status()["listeners"][0]["backlog"].as_u64();
    let listener = &server.status()["listeners"][0];
    assert_eq!((listener["queue"].as_u64(), listener["backlog"].as_u64()), (Some(0), one.map(|one| 3 * one)));
    answered(asking(&server, 64));
    let status = server.status();
    let rows = status["workers"].as_array().unwrap();
    let shares: Vec<_> = rows.iter().map(|row| row["share"].as_f64().expect("a share")).collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    for (row, share) in rows.iter().zip(&shares) {
        assert_eq!(share * 64.0, row["accepted"].as_f64().unwrap());
    }
    assert!(server.operate("status", &[]).done().out.contains(" SHARE "));
    server.workers().into_iter().for_each(|pid| send(pid, Signal::SIGSTOP));
    server.log.wait_count(3, "event=halted");
    let clients = asking(&server, 20);
    eventually("all of them wait", || (waiting(&server) == 20).then_some(()));
    server.children().iter().for_each(|child| send(child.pid, Signal::SIGCONT));
    answered(clients);
}

/// A sender that has sent something.
fn sender(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"wanted", to).unwrap();
    socket
}

fn echoed(senders: &[UdpSocket]) {
    for socket in senders {
        let mut answer = [0; 64];
        assert_eq!(socket.recv(&mut answer).expect("no datagram is lost"), 6);
    }
}

/// The sockets at an address.
fn sockets(server: &Instance) -> usize {
    let sockets = forkd(&["sock", &server.master.to_string(), "--json"]).json();
    let at = server.udp().to_string();
    let every = ["listeners", "connections"].map(|key| sockets[key].as_array().cloned().unwrap_or_default());
    let here = every.concat().into_iter().filter(|socket| socket["address"] == at.as_str());
    here.map(|socket| socket["sockets"].as_u64().unwrap_or(1) as usize).sum()
}

#[test]
fn datagrams_have_a_queue_for_each_worker_and_none_is_lost_in_it() {
    for model in MODELS {
        let launch = Launch::echo().listen(["udp:127.0.0.1:0"]).workers(3);
        let server = launch.args(["--model", model, "--drain-timeout", "1s"]).start();
        assert_eq!(sockets(&server), 3, "one for each worker");
        let stop = |slot| {
            let pid = worker(&server, slot);
            send(pid, Signal::SIGSTOP);
            server.log.wait(&format!("event=halted slot={slot} pid={pid}"));
            pid
        };
        let ask = || -> Vec<_> { (0..64).map(|_| sender(server.udp())).collect() };
        let (killed, senders) = (stop(1), ask());
        send(killed, Signal::SIGKILL);
        echoed(&senders);
        let (_, senders) = (stop(2), ask());
        server.operate("reload", &[]).done();
        echoed(&senders);
        let (_, senders) = (stop(3), ask());
        server.operate("scale", &["1"]).done();
        echoed(&senders);
        server.operate("upgrade", &[]).done();
        echoed(&ask());
        assert_eq!(sockets(&server), 3, "a group does not shrink");
        server.allow("event=exited slot=1 status=signal:KILL").allow("event=killed");
    }
}

#[test]
fn under_a_stream_of_datagrams_workers_are_exchanged_and_none_is_lost() {
    let server = Launch::echo().listen(["udp:127.0.0.1:0"]).workers(2).start();
    let to = server.udp();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            thread::spawn(move || {
                let socket = sender(to);
                for _ in 0..2000 {
                    echoed(std::slice::from_ref(&socket));
                    socket.send_to(b"wanted", to).unwrap();
                }
            })
        })
        .collect();
    for verb in ["reload", "upgrade", "reload"] {
        server.operate(verb, &[]).done();
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
}

#[test]
fn datagrams_share_one_queue_where_that_is_wanted_or_could_not_be_otherwise() {
    let shared = Launch::echo().listen(["udp:127.0.0.1:0"]).workers(2).args(["--balance", "shared"]).start();
    assert_eq!(sockets(&shared), 1);
    // What is sent to all would reach every socket, and each worker would answer.
    let everywhere = Launch::echo().listen(["udp:0.0.0.0:0"]).workers(3).start();
    let to = SocketAddr::from(([127, 255, 255, 255], everywhere.udp().port()));
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_broadcast(true).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let here = SocketAddr::from(([127, 0, 0, 1], everywhere.udp().port()));
    for (to, sent) in [(to, &b"to all"[..]), (here, b"to one")] {
        socket.send_to(sent, to).unwrap();
        let mut answer = [0; 64];
        // Had the first been answered twice, the second answer would stand in front of this one.
        let count = socket.recv(&mut answer).unwrap();
        assert_eq!(&answer[..count], sent);
    }
}

#[test]
fn what_cannot_be_balanced_so_is_refused() {
    let refused = |words: &[&str], why: &str| {
        let end = forkd(words);
        assert_eq!(end.code, 2, "{end:#?}");
        assert!(end.err.contains(why), "{end:#?}");
    };
    let word = ["--balance", "reuseport"];
    refused(&[&["run", "-l", "127.0.0.1:0"], &word[..], &["--", "cat"]].concat(), "--per-connection");
    refused(&[&["echo", "-l", "unix:@forkd-balance"], &word[..]].concat(), "more than one queue");
    refused(&["echo", "--balance", "fair"], "shared, reuseport");
    let launch = reuseport(Launch::echo()).workers(2);
    let unix = format!("unix:{}", launch.folder().join("s").display());
    let mixed = launch.listen(["127.0.0.1:0", &unix]).start();
    mixed.log.wait(&format!("{unix} has one queue for all workers"));
}

#[test]
fn a_reload_cannot_change_the_balance() {
    let launch = Launch::echo().workers(2);
    let file = launch.folder().join("echo.toml");
    let write = |balance: &str| fs::write(&file, format!("balance = \"{balance}\"\n")).unwrap();
    write("reuseport");
    let server = launch.args(["--config", file.to_str().unwrap()]).start();
    write("shared");
    let end = server.operate("reload", &[]);
    assert!(end.code == 1 && end.err.contains("cannot change balance by a reload"), "{end:#?}");
    let end = server.operate("upgrade", &[]);
    assert!(end.code == 1 && end.err.contains("it has one for each slot"), "{end:#?}");
    answered(asking(&server, 16));
    server.allow("event=reload").allow("event=upgrade");
}
