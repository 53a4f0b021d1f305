//! What the file server does not do, and how it says so: in one line, with what to do about it.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    process::Command,
};

use super::files::{MIB, copy, cp, noise, partials, server, text, url};
use crate::support::*;

#[test]
fn nothing_outside_is_reached() {
    let (server, here) = server();
    let root = server.launch.root().path().to_owned();
    fs::write(here.join("secret"), "secret").unwrap();
    symlink(here.join("secret"), root.join("link")).unwrap();
    symlink(&here, root.join("dir")).unwrap();
    let to = here.join("stolen");
    for path in ["../here/secret", "a/../../here/secret", "link", "dir/secret"] {
        let end = cp(&url(server.address(), path), text(&to));
        assert_eq!(end.code, 1, "{path}: {end:?}");
        assert!(end.err.contains("the name is not allowed"), "{path}: {end:?}");
    }
    for path in ["../here/planted", "dir/planted"] {
        let end = cp(text(&here.join("secret")), &url(server.address(), path));
        assert_eq!(end.code, 1, "{path}: {end:?}");
    }
    assert!(!to.exists() && !here.join("planted").exists());
}

#[test]
fn a_server_that_only_gives_takes_nothing() {
    let launch = Launch::files().args(["--read-only"]);
    launch.root().file("a", "a");
    let server = launch.start();
    let (got, own) = (launch.folder().join("got"), launch.folder().join("own"));
    fs::write(&own, "own").unwrap();
    cp(&url(server.address(), "a"), text(&got)).done();
    let end = cp(text(&own), &url(server.address(), "a"));
    assert!(end.code == 1 && end.err.contains("nothing can be written there"), "{end:?}");
    assert!(end.err.contains("(start the server without --read-only"), "{end:?}");
    assert_eq!(fs::read(launch.root().path().join("a")).unwrap(), b"a");
}

#[test]
fn a_file_past_the_limit_is_an_error_that_names_itself() {
    // 8 MiB by the blocks of this shell, 16 by those of another. The log is a pipe, which has no such limit.
    let launch = Launch::files().workers(1).after("ulimit -f 16384");
    let server = launch.start();
    let own = launch.folder().join("own");
    fs::File::create(&own).unwrap().set_len(20 << 20).unwrap();
    let end = cp(text(&own), &url(server.address(), "a"));
    assert!(end.code == 1 && end.err.contains("the file is too large"), "{end:?}");
    assert_eq!(
        fs::read_dir(launch.root().path()).unwrap().count(),
        0,
        "nothing is left of what can never arrive"
    );
    fs::write(&own, "small").unwrap();
    cp(text(&own), &url(server.address(), "b")).done();
    // The same at the client.
    launch.root().file("long", noise(20 * MIB));
    let (forkd, long) = (forkd_command(), url(server.address(), "long"));
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 16384; exec \"$0\" \"$@\""]).arg(forkd.get_program());
    let end = run(limited.args(["cp", &long, text(&own)]));
    assert!(end.code == 1 && end.err.contains("file too large"), "{end:?}");
    assert!(
        end.err.contains("(raise the limit on files: ulimit -f; nothing of the file was kept)"),
        "{end:?}"
    );
    assert_eq!((fs::read(&own).unwrap(), partials(launch.folder()).len()), (b"small".to_vec(), 0));
}

/// A disk of four megabytes, for as long as this lives.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nobody but root may mount: the limit of the story before shows the same way of an error.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = run(mount.args(["-t", "tmpfs", "-o", "size=4m", "none", text(&at)]));
        (mounted.code == 0).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever stands in it yet does not keep it.
        run(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

#[test]
fn a_full_disk_at_the_server_is_an_error_that_names_itself_and_keeps_the_old_file() {
    let launch = Launch::files().workers(1);
    let Some(disk) = SmallDisk::mount(launch.root().path().join("disk")) else { return };
    let server = launch.start();
    let own = launch.folder().join("own");
    fs::write(disk.0.join("a"), "old").unwrap();
    fs::write(&own, noise(6 * MIB)).unwrap();
    let end = cp(text(&own), &url(server.address(), "disk/a"));
    assert!(end.code == 1 && end.err.contains("the disk is full"), "{end:?}");
    assert!(end.err.contains("(make room on the server; nothing of the file was kept)"), "{end:?}");
    assert_eq!((fs::read(disk.0.join("a")).unwrap(), partials(&disk.0).len()), (b"old".to_vec(), 0));
}

#[test]
fn a_full_disk_at_the_client_is_an_error_that_names_itself_and_keeps_the_old_file() {
    let (server, here) = server();
    let Some(disk) = SmallDisk::mount(here.join("disk")) else { return };
    server.launch.root().file("a", noise(6 * MIB)).file("b", "b");
    let to = disk.0.join("a");
    fs::write(&to, "old").unwrap();
    let end = cp(&url(server.address(), "a"), text(&to));
    assert!(end.code == 1 && end.err.contains("no space left on device"), "{end:?}");
    assert!(end.err.contains("(make room on this machine; nothing of the file was kept)"), "{end:?}");
    assert_eq!(end.err.lines().count(), 1, "{end:?}");
    assert_eq!((fs::read(&to).unwrap(), partials(&disk.0).len()), (b"old".to_vec(), 0));
    // What fits arrives.
    cp(&url(server.address(), "b"), text(&to)).done();
    assert_eq!(fs::read(&to).unwrap(), b"b");
}

#[test]
fn a_quota_of_the_file_system_names_itself_on_either_side() {
    let launch = Launch::files().workers(1);
    let fault = Fault::new(&launch, QUOTA_EXCEEDED);
    let server = fault.inside(launch).start();
    let (root, own) = (server.launch.root(), server.launch.folder().join("own"));
    root.file("a", "old");
    fs::write(&own, noise(2 * MIB)).unwrap();
    fault.begin();
    let sent = cp(text(&own), &url(server.address(), "a"));
    assert!(sent.code == 1 && sent.err.contains("the quota is used up"), "{sent:?}");
    assert!(sent.err.contains("or its user's; nothing of the file was kept)"), "{sent:?}");
    assert_eq!((fs::read(root.path().join("a")).unwrap(), partials(root.path()).len()), (b"old".to_vec(), 0));
    let got = server.launch.folder().join("got");
    fs::write(&got, "old").unwrap();
    let mut client = forkd_command();
    let fetched = run(fault.in_command(client.args(["cp", &url(server.address(), "a"), text(&got)])));
    assert!(fetched.code == 1 && fetched.err.contains("quota exceeded"), "{fetched:?}");
    assert!(fetched.err.contains("on this machine"), "{fetched:?}");
    assert!(fetched.err.contains("nothing of the file was kept"), "{fetched:?}");
    assert_eq!((fs::read(&got).unwrap(), partials(server.launch.folder()).len()), (b"old".to_vec(), 0));
    fault.end();
    cp(text(&own), &url(server.address(), "a")).done();
    cp(&url(server.address(), "a"), text(&got)).done();
    assert_eq!(fs::read(&got).unwrap(), fs::read(&own).unwrap());
}

#[test]
fn what_is_no_client_is_told_so_and_harms_nobody() {
    let (server, here) = server();
    server.launch.root().file("a", "a");
    let frame = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let pull = frame(&[&[7_u8][..], &0_u64.to_be_bytes(), &1_u32.to_be_bytes()].concat());
    let attacks = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        u32::MAX.to_be_bytes().to_vec(),
        frame(b""),
        frame(b"\xff\xff"),
        frame(b"\x05\xff\xffa"),
        frame(&[&[7_u8][..], &u64::MAX.to_be_bytes(), &u32::MAX.to_be_bytes()].concat()),
        pull.repeat(500),
    ];
    for attack in attacks {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may close before all of it was sent.
        let _ = stream.write_all(&attack);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert_eq!(answer.get(4), Some(&16), "a failure is told: {answer:?}");
    }
    cp(&url(server.address(), "a"), text(&here.join("a"))).done();
}

#[test]
fn a_quota_counts_what_is_there_and_what_is_arriving() {
    let launch = Launch::files().workers(2).args(["--quota", "5M"]);
    let server = launch.start();
    let here = launch.folder().join("here");
    fs::create_dir(&here).unwrap();
    let send = |name: &str, length: usize| {
        fs::write(here.join(name), noise(length)).unwrap();
        cp(text(&here.join(name)), &url(server.address(), name))
    };
    send("a", 3 * MIB).done();
    let end = send("b", 2 * MIB + 1);
    assert!(end.code == 1 && end.err.contains("the quota is used up"), "{end:?}");
    assert!(end.err.contains("--quota") && end.err.contains("nothing of the file was kept"), "{end:?}");
    // What is replaced does not count twice.
    send("a", 4 * MIB + 1).done();
    send("a", 1).done();
    // One that is arriving counts with all that it will be, at whichever worker.
    let wire = Wire::to(server.address(), 2 * MIB as u64);
    fs::write(here.join("slow"), noise(4 * MIB)).unwrap();
    let mut slow = copy(text(&here.join("slow")), &url(wire.address(), "slow"));
    eventually("it arrives", || (!partials(launch.root().path()).is_empty()).then_some(()));
    assert_eq!(send("b", MIB).code, 1);
    send("b", MIB - 1).done();
    wire.release();
    assert!(eventually("the client ends", || slow.try_wait().unwrap()).success());
    assert!(partials(launch.root().path()).is_empty());
}

#[test]
fn a_quota_stands_in_the_file_and_is_another_after_a_reload() {
    let launch = Launch::files().workers(2);
    let settings = launch.folder().join("files.toml");
    let launch = launch.args(["--config", text(&settings)]);
    fs::write(&settings, "quota = \"1M\"\n").unwrap();
    let server = launch.start();
    let own = launch.folder().join("own");
    fs::write(&own, noise(2 * MIB)).unwrap();
    let send = || cp(text(&own), &url(server.address(), "a"));
    let refused = send();
    assert!(refused.code == 1 && refused.err.contains("the quota is used up"), "{refused:?}");
    for (quota, code) in [("3M", 0), ("1500K", 1), ("off", 0)] {
        fs::write(&settings, format!("quota = \"{quota}\"\n")).unwrap();
        server.operate("reload", &[]).done();
        assert_eq!(send().code, code, "{quota}");
    }
}

#[test]
fn what_may_not_be_or_cannot_be_is_said_with_a_remedy() {
    let launch = Launch::files().workers(1).under(&as_nobody());
    let root = launch.root();
    root.file("locked", "secret").file("a", "a");
    fs::create_dir(root.path().join("closed")).unwrap();
    let set = |name: &str, mode| {
        fs::set_permissions(root.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    set("locked", 0);
    set("closed", 0o500);
    let server = launch.start();
    let own = launch.folder().join("own");
    fs::write(&own, "own").unwrap();
    let long = "n".repeat(256);
    let at = |path: &str| url(server.address(), path);
    let table = [
        (at("locked"), text(&own).to_owned(), "permission denied", "(let the user that"),
        (text(&own).to_owned(), at("closed/a"), "permission denied", "(let the user that"),
        (text(&own).to_owned(), at(&long), "the name is too long", "(choose a shorter one"),
        (at("absent"), text(&own).to_owned(), "there is no such file", "(`forkd ls` shows"),
        (
            at("a"),
            format!("{}/absent/a", text(launch.folder())),
            "no such file or directory",
            "(make the directory first)",
        ),
    ];
    for (from, to, why, remedy) in table {
        let end = cp(&from, &to);
        assert!(end.code == 1 && end.err.contains(why) && end.err.contains(remedy), "{from} {to}: {end:?}");
        assert_eq!(end.err.lines().count(), 1, "{end:?}");
    }
    assert_eq!(fs::read(&own).unwrap(), b"own");
    set("closed", 0o700);
}
