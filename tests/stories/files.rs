//! The file server and its client: what arrives is right and whole, whatever dies on the way.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::support::*;

pub const MIB: usize = 1 << 20;

/// Bytes that do not repeat, so that a part in the wrong place is seen.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// A server of files with two workers, and a folder for its client.
pub fn server() -> (Instance, PathBuf) {
    let launch = Launch::files().workers(2);
    let here = launch.folder().join("here");
    fs::create_dir(&here).unwrap();
    (launch.start(), here)
}

pub fn url(address: SocketAddr, path: &str) -> String {
    format!("tcp://{address}/{path}")
}

pub fn cp(from: &str, to: &str) -> Finished {
    forkd(&["cp", from, to])
}

/// A client that copies in the background.
pub fn copy(from: &str, to: &str) -> Child {
    let mut command = forkd_command();
    command.args(["cp", from, to]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What has not arrived wholly in a folder.
pub fn partials(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| text(path).ends_with(".part")).collect()
}

#[test]
fn files_of_every_length_arrive_both_ways_under_any_name() {
    let (server, here) = server();
    let root = server.launch.root();
    let lengths = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 5 * MIB + 77];
    for (number, length) in lengths.into_iter().enumerate() {
        let (name, content) = (format!("文件 {number} %20 é"), noise(length));
        root.file(&name, &content);
        let got = here.join(&name);
        let line = cp(&url(server.address(), &name), text(&got)).done().out;
        assert!(line.contains("verified"), "{line}");
        assert!(fs::read(&got).unwrap() == content, "{length} bytes fetched");
        cp(text(&got), &url(server.address(), &format!("up/deep/{name}"))).done();
        let stored = root.path().join("up/deep").join(&name);
        assert!(fs::read(&stored).unwrap() == content, "{length} bytes sent");
        let time = |path: &Path| fs::metadata(path).unwrap().mtime();
        assert_eq!(time(&stored), time(&root.path().join(&name)), "a file keeps its time");
    }
    let listed = forkd(&["ls", &url(server.address(), "up/deep")]).done().out;
    assert_eq!(listed.lines().count(), lengths.len());
    assert!(listed.contains("文件 0 %20 é"), "{listed}");
    assert!(partials(&here).is_empty() && partials(&root.path().join("up/deep")).is_empty());
}

#[test]
fn a_long_sparse_file_arrives_sparse() {
    let (server, here) = server();
    server.launch.root().sparse("hole", 48 << 20);
    let got = here.join("hole");
    cp(&url(server.address(), "hole"), text(&got)).done();
    let metadata = fs::metadata(&got).unwrap();
    assert_eq!(metadata.len(), 48 << 20);
    assert!(metadata.blocks() * 512 < 1 << 20, "{} blocks", metadata.blocks());
}

#[test]
fn directories_are_copied_with_all_that_is_in_them_and_once() {
    let (server, here) = server();
    let tree = here.join("tree");
    fs::create_dir_all(tree.join("子/empty")).unwrap();
    fs::write(tree.join("a"), "a").unwrap();
    fs::write(tree.join("子/run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("子/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = cp(text(&tree), &url(server.address(), ""));
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("(use -r)"), "{refused:?}");
    forkd(&["cp", "-r", text(&tree), &url(server.address(), "")]).done();
    let back = here.join("back");
    assert_eq!(
        forkd(&["cp", "-r", &url(server.address(), "tree"), text(&back)]).done().out.lines().count(),
        2
    );
    assert_eq!(fs::read(back.join("a")).unwrap(), b"a");
    assert!(back.join("子/empty").is_dir());
    assert_ne!(fs::metadata(back.join("子/run.sh")).unwrap().permissions().mode() & 0o100, 0);
    // All of it is there: nothing is sent again.
    fs::write(tree.join("a"), "changed").unwrap();
    let again = forkd(&["cp", "-r", text(&tree), &url(server.address(), "")]).done().out;
    assert_eq!(again.lines().count(), 1, "{again}");
}

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
    assert_eq!(fs::read(launch.root().path().join("a")).unwrap(), b"a");
}

#[test]
fn ten_clients_at_once() {
    let (server, here) = server();
    let content = noise(8 * MIB + 5);
    server.launch.root().file("big", &content);
    let mut clients: Vec<_> = (0..10)
        .map(|n| match n % 2 {
            0 => copy(&url(server.address(), "big"), text(&here.join(format!("got{n}")))),
            _ => copy(text(&server.launch.root().path().join("big")), &url(server.address(), "together")),
        })
        .collect();
    for client in &mut clients {
        assert!(eventually("the client ends", || client.try_wait().unwrap()).success());
    }
    for n in (0..10).step_by(2) {
        assert!(fs::read(here.join(format!("got{n}"))).unwrap() == content);
    }
    assert!(fs::read(server.launch.root().path().join("together")).unwrap() == content);
    assert!(partials(server.launch.root().path()).is_empty());
}

#[test]
fn a_file_past_the_limit_is_an_error_that_names_itself() {
    // 32 MiB by the blocks of this shell, 64 by those of another. The log is a pipe, which has no such limit.
    let launch = Launch::files().workers(1).after("ulimit -f 65536");
    let server = launch.start();
    let own = launch.folder().join("own");
    fs::File::create(&own).unwrap().set_len(72 << 20).unwrap();
    let end = cp(text(&own), &url(server.address(), "a"));
    assert!(end.code == 1 && end.err.contains("the file is too large"), "{end:?}");
    assert_eq!(
        fs::read_dir(launch.root().path()).unwrap().count(),
        0,
        "nothing is left of what can never arrive"
    );
    fs::write(&own, "small").unwrap();
    cp(text(&own), &url(server.address(), "b")).done();
}

#[test]
fn a_full_disk_is_an_error_that_names_itself_and_keeps_the_old_file() {
    let launch = Launch::files().workers(1);
    let disk = launch.root().path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut mount = Command::new("mount");
    if run(mount.args(["-t", "tmpfs", "-o", "size=4m", "none", text(&disk)])).code != 0 {
        // Only root may mount; the limit of the story before shows the same way of an error.
        return;
    }
    let server = launch.start();
    let own = launch.folder().join("own");
    fs::write(disk.join("a"), "old").unwrap();
    fs::write(&own, noise(6 * MIB)).unwrap();
    let end = cp(text(&own), &url(server.address(), "disk/a"));
    let (old, left) = (fs::read(disk.join("a")), partials(&disk));
    server.stop();
    run(Command::new("umount").arg(&disk)).done();
    assert!(end.code == 1 && end.err.contains("the disk is full"), "{end:?}");
    assert_eq!((old.unwrap(), left.len()), (b"old".to_vec(), 0));
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
