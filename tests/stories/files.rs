//! The file server and its client: what arrives is right and whole, whatever dies on the way.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Child, Stdio},
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
    let lengths = [0, 1, 65_535, 65_536, 65_537, MIB - 1, MIB, MIB + 1, 2 * MIB + 77];
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
    server.launch.root().sparse("hole", 20 << 20);
    let got = here.join("hole");
    cp(&url(server.address(), "hole"), text(&got)).done();
    let metadata = fs::metadata(&got).unwrap();
    assert_eq!(metadata.len(), 20 << 20);
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
        3,
        "two files and the total"
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
fn ten_clients_at_once() {
    let (server, here) = server();
    let content = noise(2 * MIB + 5);
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
