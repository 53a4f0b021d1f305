//! The library: what it refuses to its users. What it does for them, the examples show.

use std::{sync::mpsc, thread};

use forkd::Server;

/// A process with threads cannot fork safely: only one thread is copied, with all the locks of the others.
#[test]
fn a_process_with_threads_is_refused_and_the_threads_are_named() {
    let (quit, wait) = mpsc::channel::<()>();
    let (running, started) = mpsc::channel();
    let idle = move || {
        running.send(()).expect("somebody waits for it");
        wait.recv().expect_err("nothing is sent");
    };
    let idler = thread::Builder::new().name("idler".into()).spawn(idle).unwrap();
    started.recv().unwrap();
    let error = Server::bind("127.0.0.1:0").workers(1).serve(|_| Ok(())).expect_err("threads run");
    drop(quit);
    idler.join().unwrap();
    assert!(error.to_string().contains("thread") && error.to_string().contains("idler"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

#[test]
fn what_cannot_be_meant_is_said_when_the_server_is_started() {
    for (server, word) in [
        (Server::bind("nonsense"), "nonsense"),
        (Server::bind("127.0.0.1:0").workers(0), "workers"),
        (Server::bind("127.0.0.1:0").workers(100_000), "100000"),
        (Server::bind("127.0.0.1:0").workers_within(0..=2), "0 workers"),
        (Server::bind("127.0.0.1:0").model(forkd::config::Model::Event), "event"),
    ] {
        let error = server.serve(|_| Ok(())).expect_err(word);
        assert!(error.to_string().contains(word), "no `{word}` in: {error}");
        assert_eq!(error.exit_code(), 2, "{error}");
    }
}
