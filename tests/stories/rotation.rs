//! Logs that are renamed while workers write them that could not open them again.

use std::{fs, path::Path};

use crate::support::*;

const HELLO: &[u8] = b"Hello from a file.\n";

/// Workers in each kind of confinement that there is here.
fn confined() -> Vec<Vec<&'static str>> {
    let mut all = vec![vec![], vec!["--sandbox"]];
    if nix::unistd::geteuid().is_root() {
        all.push(vec!["--user", "65534", "--group", "65534"]);
        all.push(vec!["--user", "65534", "--group", "65534", "--sandbox"]);
    }
    all
}

/// How many whole lines a log has.
fn count(path: &Path, begin: &str, end: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.lines().all(|line| line.starts_with(begin) && line.contains(end));
    assert!(whole, "{}: {text}", path.display());
    text.lines().count() as u64
}

#[test]
fn the_access_log_is_rotated_under_load_and_no_line_is_lost() {
    for flags in confined() {
        for model in ["event", "blocking"] {
            let launch = Launch::http().workers(2).args(flags.iter().copied()).args(["--model", model]);
            let log = launch.folder().join("access");
            let server = launch.clone().args(["--access-log", log.to_str().unwrap()]).start();
            let load = Load::start(server.address(), "/hello.txt", HELLO);
            let mut files = vec![log.clone()];
            for round in 1..=5 {
                load.wait_served(20);
                let old = launch.folder().join(format!("access.{round}"));
                fs::rename(&log, &old).unwrap();
                if round % 2 == 0 {
                    server.signal(Signal::SIGUSR1);
                } else {
                    server.operate("reopen", &[]).done();
                }
                eventually("the new file is there", || log.exists().then_some(()));
                files.push(old);
            }
            load.wait_served(20);
            let tally = load.end();
            tally.assert_whole();
            server.stop();
            let lines = || files.iter().map(|file| count(file, "127.0.0.1 - - [", "\" 200 ")).sum::<u64>();
            assert_eq!(lines(), tally.served, "{flags:?} {model}");
            let last = count(&log, "127", "200");
            assert!(last > 0, "{flags:?} {model}: workers have gone over to the new file");
        }
    }
}

#[test]
fn the_event_log_is_rotated_under_workers_who_may_not_open_it() {
    for flags in confined() {
        let launch = Launch::http().workers(1).args(flags.iter().copied());
        let (log, old) = (launch.folder().join("events"), launch.folder().join("events.1"));
        let server = launch.args(["--log-file", log.to_str().unwrap()]).start();
        fs::rename(&log, &old).unwrap();
        server.operate("reopen", &[]).done();
        server.operate("reload", &[]).done();
        let (before, after) = (fs::read_to_string(&old).unwrap(), fs::read_to_string(&log).unwrap());
        assert!(before.contains("event=ready") && !before.contains("gen=2"), "{before}");
        assert!(after.contains("event=ready slot=1 gen=2") && !after.contains("cannot"), "{after}");
        // The worker itself has the new one open, and it alone.
        let worker = server.workers()[0];
        let open = |path: &Path| {
            let links = fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
            links.flatten().filter_map(|link| fs::read_link(link.path()).ok()).any(|link| link == path)
        };
        assert!(open(&log) && !open(&old), "{flags:?}");
    }
}
