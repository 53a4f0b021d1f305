//! A master that becomes the user of its workers, before it forks the first. All of it takes root to tell.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

use crate::support::*;

const AS_NOBODY: [&str; 5] = ["--user", "65534", "--group", "65534", "--drop-master"];

/// In a folder that the user can enter.
fn open(launch: Launch) -> Launch {
    fs::set_permissions(launch.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    launch.args(AS_NOBODY)
}

/// A command of the operator's, as nobody types it.
fn as_nobody_would(server: &Instance, launch: &Launch, verb: &str) -> Finished {
    let words = ["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_forkd"), verb];
    let mut command = std::process::Command::new("setpriv");
    command.args(words).arg(server.master.to_string()).arg("--runtime-dir").arg(launch.runtime());
    run(&mut command)
}

#[test]
fn the_master_is_somebody_else_and_does_all_that_a_master_does() {
    if !is_root() {
        return;
    }
    let launch = open(Launch::http()).workers(2).args(["--balance", "reuseport"]);
    let socket = launch.runtime().join("web").to_string_lossy().into_owned();
    let launch = launch.listen(["127.0.0.1:0", &format!("unix:{socket}")]);
    let server = launch.start();
    for change in ["start", "reload", "upgrade", "upgrade", "scale"] {
        match change {
            "start" => {}
            "scale" => drop(server.operate("scale", &["3"]).done()),
            verb => drop(server.operate(verb, &[]).done()),
        }
        check_is_nobody(server.master);
        server.workers().into_iter().for_each(check_is_nobody);
        assert_eq!(server.get("/hello.txt").status, 200, "{change}");
        assert_eq!(server.status()["master"]["user"], "nobody", "{change}");
    }
    for file in [launch.runtime(), launch.file("pid"), launch.file("sock"), socket.into()] {
        assert_eq!(fs::symlink_metadata(&file).unwrap().uid(), NOBODY, "{}", file.display());
    }
    let before = server.workers();
    send(before[0], Signal::SIGKILL);
    server.allow("status=signal:KILL");
    server.log.wait(&format!("event=exited pid={}", before[0]));
    eventually("it was replaced", || {
        let workers = server.workers();
        (workers.len() == 3 && !workers.contains(&before[0])).then_some(())
    });
    as_nobody_would(&server, &launch, "reload").done();
    as_nobody_would(&server, &launch, "stop").done();
    server.wait_exit();
}

#[test]
fn a_server_in_the_background_has_its_log_as_the_user() {
    if !is_root() {
        return;
    }
    let launch = open(Launch::http()).workers(1).daemon();
    let server = launch.start();
    assert_eq!(fs::metadata(launch.file("log")).unwrap().uid(), NOBODY);
    let old = launch.file("old");
    fs::rename(launch.file("log"), &old).unwrap();
    server.operate("reopen", &[]).done();
    server.operate("reload", &[]).done();
    assert!(fs::read_to_string(&old).unwrap().contains("event=ready"));
    assert!(fs::read_to_string(launch.file("log")).unwrap().contains("event=reload"));
    fs::remove_file(old).unwrap();
    server.stop();
}

#[test]
fn a_log_that_the_user_may_not_make_is_told_and_the_old_one_goes_on() {
    if !is_root() {
        return;
    }
    let launch = open(Launch::http()).workers(2);
    let (log, old) = (launch.folder().join("access"), launch.folder().join("access.1"));
    let server = launch.args(["--access-log", log.to_str().unwrap()]).start();
    server.allow("cannot open the log again");
    let lines = |path: &Path| fs::read_to_string(path).map_or(0, |text| text.lines().count());
    let ask = || (0..20).for_each(|_| assert_eq!(server.get("/hello.txt").status, 200));
    ask();
    fs::rename(&log, &old).unwrap();
    let refused = server.operate("reopen", &[]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(
        refused.err.contains("Permission denied (the old file is still written to; make that file for user")
    );
    ask();
    eventually("the old one has them", || (lines(&old) == 40).then_some(()));
    // As logrotate(8) does where its file says "create 640 nobody".
    fs::write(&log, "").unwrap();
    chown(&log, Some(NOBODY), None).unwrap();
    server.operate("reopen", &[]).done();
    eventually("workers have gone over", || {
        assert_eq!(server.get("/hello.txt").status, 200);
        (lines(&log) >= 5).then_some(())
    });
}

#[test]
fn a_reload_that_takes_root_is_refused_and_changes_nothing() {
    if !is_root() {
        return;
    }
    let launch = open(Launch::http()).workers(1).listen([]);
    let (file, private) = (launch.folder().join("web.toml"), launch.folder().join("private"));
    fs::create_dir(&private).unwrap();
    let say = |more: &str| fs::write(&file, format!("listen = [\"127.0.0.1:0\"{more}]\n")).unwrap();
    say("");
    let server = launch.clone().args(["--config", file.to_str().unwrap()]).start();
    server.allow("event=reload");
    let workers = server.workers();
    say(&format!(", \"unix:{}/x\"", private.display()));
    let refused = server.operate("reload", &[]);
    assert!(refused.code == 1 && refused.err.contains("permission denied"), "{refused:#?}");
    assert_eq!((server.workers(), server.get("/hello.txt").status), (workers, 200));
    let own = launch.runtime().join("x");
    say(&format!(", \"unix:{}\"", own.display()));
    server.operate("reload", &[]).done();
    assert_eq!(fs::symlink_metadata(own).unwrap().uid(), NOBODY);
}

#[test]
fn whom_it_has_become_stays_until_the_server_is_started_again() {
    if !is_root() {
        return;
    }
    let launch = Launch::http().workers(1);
    fs::set_permissions(launch.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = launch.folder().join("web.toml");
    let say = |text: &str| fs::write(&file, text).unwrap();
    say("user = \"65534\"\ngroup = \"65534\"\ndrop-master = true\n");
    let server = launch.args(["--config", file.to_str().unwrap()]).start();
    server.allow("event=reload");
    check_is_nobody(server.master);
    for (text, key) in [
        ("user = \"65534\"\ngroup = \"65534\"\n", "drop-master"),
        ("user = \"1\"\ngroup = \"65534\"\ndrop-master = true\n", "user"),
        ("user = \"65534\"\ngroup = \"1\"\ndrop-master = true\n", "group"),
    ] {
        say(text);
        let refused = server.operate("reload", &[]);
        let words = format!("cannot change {key} by a reload");
        assert!(refused.code == 1 && refused.err.contains(&words), "{text}: {refused:#?}");
    }
    say("user = \"65534\"\ngroup = \"65534\"\ndrop-master = true\n");
    server.operate("reload", &[]).done();
}

#[test]
fn a_master_that_could_not_do_its_work_is_refused_before_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let www = folder.path().to_string_lossy().into_owned();
    for (flags, words) in [
        (vec!["--drop-master"], "--user"),
        (vec!["--drop-master", "--user", "65534", "--chroot", &www], "--chroot"),
    ] {
        let refused = forkd(&[&["http", "--check", &www], &flags[..]].concat());
        assert!(refused.code == 2 && refused.err.contains(words), "{flags:?}: {refused:#?}");
    }
    if !is_root() {
        return;
    }
    let launch = open(Launch::http()).workers(1);
    fs::create_dir(launch.runtime()).unwrap();
    let Err(refused) = launch.attempt() else { panic!("it cannot clear that directory") };
    assert!(refused.code == 1 && refused.err.contains("it belongs to user 0, not to "), "{refused:#?}");
}

#[test]
fn a_master_of_roots_cannot_drop_itself_by_an_upgrade() {
    if !is_root() {
        return;
    }
    let launch = Launch::http().workers(1);
    let file = launch.folder().join("web.toml");
    fs::write(&file, "").unwrap();
    let server = launch.args(["--config", file.to_str().unwrap()]).start();
    server.allow("event=upgrade");
    fs::write(&file, "user = \"65534\"\ngroup = \"65534\"\ndrop-master = true\n").unwrap();
    let refused = server.operate("upgrade", &[]);
    assert!(
        refused.code == 1 && refused.err.contains("cannot drop the master by an upgrade"),
        "{refused:#?}"
    );
    assert_eq!(server.get("/hello.txt").status, 200);
}
