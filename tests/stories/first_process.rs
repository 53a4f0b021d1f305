//! As the first process of a container: whoever loses its parent there comes to the master, which reaps it; and a
//! signal without a handler would be lost on it, so that each must have one.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use crate::support::*;

/// `unshare`, whose child is the first process of its namespace, and nobody of it outlives the test.
struct Container(Child);

impl Drop for Container {
    fn drop(&mut self) {
        // It kills its child, and with the first process goes the namespace.
        for process in Process::children(self.0.id().cast_signed()) {
            send(process.pid, Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_process_reaps_strangers_and_hands_a_stop_on() {
    let able = Command::new("unshare").args(["-rpf", "--mount-proc", "true"]).output();
    if !able.is_ok_and(|end| end.status.success()) {
        return; // No namespaces for us here.
    }
    let launch = Launch::http();
    let script = "trap 'echo told to go; exit 0' TERM
        sh -c 'sh -c \"while [ ! -e go ]; do sleep 0.05; done\" &'
        echo orphaned; while :; do sleep 0.05; done";
    let words = ["-w", "1", "--name", "inner", "--runtime-dir", "run", "--", "sh", "-c", script];
    let mut command = Command::new("unshare");
    command
        .args(["-rpf", "--mount-proc", env!("CARGO_BIN_EXE_forkd"), "run", "-l", "127.0.0.1:0"])
        .args(words);
    command.current_dir(launch.folder()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut container = Container(command.spawn().unwrap());
    let out = Log::of_pipe(container.0.stdout.take().unwrap());
    let log = Log::of_pipe(container.0.stderr.take().unwrap());
    assert!(out.wait("ready").0.contains("inner ready, master 1, 1 workers"), "{:?}", out.lines());
    log.wait("event=output orphaned");
    let master = eventually("unshare has a child", || {
        Process::children(container.0.id().cast_signed()).first().map(|process| process.pid)
    });
    let below = || Process::children(master);
    eventually("the orphan came to the first process", || (below().len() == 2).then_some(()));
    fs::write(launch.folder().join("go"), "").unwrap();
    eventually("it was reaped", || (below().len() == 1).then_some(()));
    // None of these is for a master, and none of them ends it.
    for stray in [Signal::SIGALRM, Signal::SIGPROF, Signal::SIGVTALRM, Signal::SIGIO, Signal::SIGXFSZ] {
        send(master, stray);
    }
    send(master, Signal::SIGUSR1);
    send(master, Signal::SIGTERM);
    log.wait("event=output told to go");
    log.wait("event=stopped");
    assert_eq!(container.0.wait().unwrap().code(), Some(0));
}
