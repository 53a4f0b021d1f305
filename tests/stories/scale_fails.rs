//! Workers that cannot be had: whoever asked for them is told why, and is not left waiting.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use crate::support::*;

/// The one line that a failed command says, without the server's name.
#[track_caller]
fn complaint(server: &Instance, end: &Finished) -> String {
    let name = format!("forkd: {}: ", server.launch.name());
    let first = end.err.lines().next().and_then(|line| line.strip_prefix(&name));
    assert_eq!((end.code, end.out.as_str(), first.is_some()), (1, "", true), "{end:#?}");
    first.unwrap_or_default().to_owned()
}

#[test]
fn a_scale_that_no_fork_can_carry_out_says_so_and_is_tried_on() {
    let launch = Launch::http().workers(1);
    let fault = Fault::new(&launch, FORK_FAILS);
    let server = fault.inside(launch).start();
    server.allow("event=respawn");
    let before = server.workers();
    fault.begin();
    let end = server.operate("scale", &["3"]);
    let expected = "cannot scale to 3 workers: 1 serve, and slot 2 is tried on after 9 failures: cannot fork a worker: \
                    resource temporarily unavailable (allow more processes: ulimit -u, pids.max)";
    assert_eq!((complaint(&server, &end).as_str(), end.err.lines().count()), (expected, 1));
    assert_eq!((server.workers(), server.operate("status", &[]).code), (before.clone(), 4));
    fault.end();
    assert_eq!(server.wait_workers(3)[0], before[0], "as soon as there is room they are born");
    server.operate("scale", &["2"]).done();
}

#[test]
fn a_reload_whose_way_back_no_fork_can_carry_out_is_answered() {
    let launch = Launch::http().workers(2);
    let fault = Fault::new(&launch, FORK_FAILS);
    let server = fault.inside(launch).start();
    server.allow("event=respawn").allow("event=exited").allow("event=reload").allow("event=killed");
    fault.begin();
    send(server.workers()[1], Signal::SIGKILL);
    server.log.wait("event=respawn slot=2");
    let end = server.operate("reload", &[]);
    assert!(complaint(&server, &end).contains("generation 1 serves on: cannot fork a worker"), "{end:#?}");
    assert_eq!((server.workers().len(), server.operate("status", &[]).code), (1, 4));
    fault.end();
    server.wait_workers(2);
}

#[test]
fn a_scale_whose_program_is_gone_says_where_it_was_looked_for() {
    let launch = Launch::run(&["./serve"]).workers(1);
    let (program, away) = (launch.folder().join("serve"), launch.folder().join("away"));
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let server = launch.start();
    server.allow("event=respawn");
    fs::rename(&program, &away).unwrap();
    let end = server.operate("scale", &["2"]);
    let words = complaint(&server, &end);
    let start = "cannot scale to 2 workers: 1 serve, and slot 2 is tried on after 9 failures: cannot run ";
    assert!(words.starts_with(start) && words.contains("serve: no such file or directory ("), "{words}");
    fs::rename(&away, &program).unwrap();
    server.wait_workers(2);
}

#[test]
fn a_scale_whose_workers_die_tells_their_last_lines_and_can_be_asked_for_again() {
    let program = r#"
import os, socket, sys, time
if os.path.exists("fail"):
    print("it looks bad", file=sys.stderr)
    sys.exit("no luck today")
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", "\0" + os.environ["NOTIFY_SOCKET"][1:])
time.sleep(1000)
"#;
    if Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_err() {
        return println!("skipped: no python3 here");
    }
    let server = Launch::run(&["python3", "-c", program]).args(["--ready", "notify"]).workers(1).start();
    server.allow("event=exited").allow("event=respawn").allow("event=gave-up");
    let fail = server.launch.folder().join("fail");
    fs::write(&fail, "").unwrap();
    let end = server.operate("scale", &["2"]);
    let expected = "cannot scale to 2 workers: 1 serve, and slot 2 was given up after 9 deaths in a row: no luck today \
                    (mend that and scale again)";
    assert_eq!(complaint(&server, &end), expected);
    let lines: Vec<_> = end.err.lines().skip(1).map(|line| line.split("| ").nth(1)).collect();
    assert_eq!(lines, [Some("it looks bad"), Some("no luck today")], "{end:#?}");
    fs::remove_file(fail).unwrap();
    assert!(server.operate("scale", &["2"]).done().out.contains("2 workers"), "it tries again");
    server.wait_workers(2);
}
