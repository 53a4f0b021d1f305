//! Bad input: one line that says what, why and the remedy, and the right exit code.

use std::fs;

use crate::{daemon::refused, support::*};

/// What the user wrote cannot be meant: one line, exit code 2, with these words and a remedy in parentheses.
#[track_caller]
fn mistaken(arguments: &[&str], words: &[&str]) {
    let end = forkd(arguments);
    refused(&end, 2, words);
    let line = end.err.trim_end();
    assert!(line.ends_with(')') || line.contains("--help"), "no remedy in: {line}");
}

#[test]
fn an_unknown_flag_or_command() {
    mistaken(&["http", "--wrokers", "3"], &["--wrokers"]);
    mistaken(&["htttp"], &["htttp"]);
    mistaken(&["http", ".", "..", "too many"], &[".."]);
    mistaken(&["status", "--bogus"], &["--bogus"]);
}

#[test]
fn a_flag_that_is_close_is_suggested() {
    let end = forkd(&["http", "--worker", "3"]);
    assert!(end.code == 2 && end.err.contains("--workers"), "{end:?}");
}

#[test]
fn a_bad_address() {
    for address in
        ["nonsense", "127.0.0.1", "127.0.0.1:99999", "999.0.0.1:80", "unix:", "unix:@", "udp:", "fd:x", ""]
    {
        mistaken(&["echo", "-l", address], &[address, "address"]);
    }
    let long = format!("unix:/{}", "x".repeat(200));
    mistaken(&["echo", "-l", &long], &["107"]);
}

#[test]
fn an_address_that_is_not_ours() {
    // Documentation addresses (RFC 5737) are nobody's.
    let end = Launch::http().listen(["192.0.2.1:0"]).attempt().err().expect("not our address");
    refused(&end, 1, &["192.0.2.1"]);
}

#[test]
fn numbers_and_names_that_mean_nothing() {
    mistaken(&["http", "-w", "0"], &["0"]);
    mistaken(&["http", "-w", "-3"], &["-3"]);
    mistaken(&["http", "-w", "many"], &["many"]);
    mistaken(&["http", "--model", "threads"], &["threads", "per-connection"]);
    mistaken(&["http", "--model", "per-connection", "--reap", "never"], &["never", "double-fork"]);
    mistaken(&["http", "--drain-timeout", "soon"], &["soon"]);
    mistaken(&["http", "--idle-timeout", "0s"], &["0s"]);
    mistaken(&["http", "--log-level", "loud"], &["loud"]);
    mistaken(&["http", "--log-format", "xml"], &["xml"]);
    mistaken(&["http", "--name", "a/b"], &["a/b"]);
    mistaken(&["http", "--name", ""], &["name"]);
}

#[test]
fn too_many_workers() {
    mistaken(&["http", "-w", "100000"], &["100000", "workers"]);
    mistaken(&["http", "-w", "99999999999999999999"], &["99999999999999999999"]);
}

#[test]
fn flags_that_contradict_each_other() {
    mistaken(&["http", "-d", "--check", "--check"], &["--check"]);
    mistaken(&["http", "-l", "udp:127.0.0.1:0"], &["udp"]);
}

#[test]
fn a_directory_that_is_a_file_or_nothing() {
    let launch = Launch::http();
    let file = launch.root().path().join("hello.txt");
    mistaken(&["http", file.to_str().unwrap(), "-l", "127.0.0.1:0"], &["hello.txt", "directory"]);
    mistaken(&["http", "/nowhere/at/all", "-l", "127.0.0.1:0"], &["/nowhere/at/all"]);
}

#[test]
fn a_directory_that_cannot_be_read() {
    use fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    let launch = Launch::http();
    let root = launch.root().path().to_owned();
    fs::set_permissions(&root, Permissions::from_mode(0o000)).unwrap();
    let end = launch.clone().under(&as_nobody()).attempt().err();
    fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
    refused(&end.expect("it cannot be read"), 2, &["www", "ermission denied"]);
}

#[test]
fn a_runtime_directory_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let launch = Launch::http();
    fs::create_dir(launch.runtime()).unwrap();
    fs::set_permissions(launch.runtime(), fs::Permissions::from_mode(0o500)).unwrap();
    let end = launch.clone().under(&as_nobody()).attempt().err().expect("it cannot be written");
    refused(&end, 1, &["run", "ermission denied"]);
    let launch = Launch::http();
    fs::write(launch.runtime(), "a file in its place").unwrap();
    let end = launch.attempt().err().expect("it is no directory");
    assert!([1, 2].contains(&end.code) && end.err.lines().count() == 1, "{end:#?}");
}

#[test]
fn files_that_cannot_be_written() {
    for flag in ["--pid-file", "--log-file"] {
        let launch = Launch::http().args([flag, "/nowhere/at/all"]);
        let end = launch.attempt().err().expect("there is no such place");
        refused(&end, 1, &["/nowhere/at/all"]);
        assert!(
            !launch.file("sock").exists() && !launch.file("pid").exists(),
            "nothing is left of the attempt"
        );
    }
}

#[test]
fn a_descriptor_limit_too_low_for_the_settings() {
    let end = Launch::http().workers(64).after("ulimit -n 24").attempt().err().expect("too few descriptors");
    assert!([1, 2].contains(&end.code), "{end:#?}");
    refused(&end, end.code, &["descriptor"]);
}

#[test]
fn a_control_path_that_is_too_long() {
    let launch = Launch::http();
    let deep = launch.folder().join("d".repeat(120));
    let root = launch.root().path().to_string_lossy().into_owned();
    let end = forkd(&["http", &root, "-l", "127.0.0.1:0", "--runtime-dir", deep.to_str().unwrap()]);
    assert!(
        [1, 2].contains(&end.code) && end.err.lines().count() == 1 && end.err.contains("107"),
        "{end:#?}"
    );
}

#[test]
fn a_file_in_place_of_the_socket_is_not_removed() {
    let launch = Launch::echo();
    let path = launch.folder().join("precious");
    fs::write(&path, "keep me").unwrap();
    let launch = launch.listen([&*format!("unix:{}", path.display())]);
    let end = launch.attempt().err().expect("it is a file");
    refused(&end, 2, &["precious"]);
    assert_eq!(fs::read_to_string(path).unwrap(), "keep me");
}

#[test]
fn an_unknown_name() {
    let server = Launch::http().start();
    let runtime = server.launch.runtime().to_string_lossy().into_owned();
    for verb in ["status", "stop", "reload", "reopen"] {
        let end = forkd(&[verb, "stranger", "--runtime-dir", &runtime]);
        refused(&end, 3, &["stranger", server.launch.name()]);
    }
    refused(&forkd(&["scale", "stranger", "2", "--runtime-dir", &runtime]), 3, &["stranger"]);
    for name in ["../t", "/etc/passwd", ":1", "1"] {
        let code = forkd(&["stop", name, "--runtime-dir", &runtime]).code;
        assert!([2, 3].contains(&code), "{name}: {code}");
    }
    assert_eq!(server.get("/hello.txt").status, 200);
}

#[test]
fn no_server_at_all() {
    let launch = Launch::http();
    let runtime = launch.runtime().to_string_lossy().into_owned();
    for verb in ["status", "stop", "reload", "reopen"] {
        let end = forkd(&[verb, "--runtime-dir", &runtime]);
        assert!(end.code == 3 && end.err.lines().count() == 1, "{verb}: {end:#?}");
    }
    assert_eq!(forkd(&["list", "--runtime-dir", &runtime]).code, 0, "an empty list is an answer");
    assert!(!launch.runtime().exists(), "looking makes no directory");
}

#[test]
fn nobody_to_send_to() {
    let address = crate::daemon::free_address().to_string();
    let end = forkd(&["send", &address, "hello"]);
    refused(&end, 1, &[&address, "refused"]);
}

#[test]
fn an_error_in_json_is_no_document_on_standard_output() {
    let launch = Launch::http();
    let end = forkd(&["status", "--json", "--runtime-dir", launch.runtime().to_str().unwrap()]);
    assert!(end.code == 3 && (end.out.is_empty() || end.json().is_object()), "{end:#?}");
}
