//! Files that are put and deleted.

use std::{collections::BTreeSet, os::unix::fs::MetadataExt};

use super::*;
use crate::app::http::HttpSession;

fn uploads() -> Options {
    Options { upload: true, ..Options::default() }
}

/// A connection to a site that takes uploads.
fn connect(directory: &TempDir) -> Wire<HttpSession<Site>> {
    let site = Site::with(directory.path().join("site"), uploads()).unwrap();
    Wire::new(site.into_application().open(&nobody()), Pace::Steady)
}

fn send(client: &mut Wire<HttpSession<Site>>, text: &str) -> String {
    String::from_utf8_lossy(&client.send(text.as_bytes()).0).into_owned()
}

/// The answer to a request with this body.
fn request(directory: &TempDir, request: &str, body: &str) -> String {
    let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
    let fields: String = fields.lines().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    let text = format!("{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{fields}\r\n{body}");
    send(&mut connect(directory), &text)
}

fn read(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join("site").join(name)).unwrap()
}

/// The names in the site's top directory.
fn names(directory: &TempDir) -> BTreeSet<String> {
    let entries = fs::read_dir(directory.path().join("site")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_put_is_there_and_what_is_deleted_is_not() {
    let files = directory();
    let before = names(&files);
    let new = request(&files, "PUT /new%20%E8%8C%B6.txt", "fresh tea");
    assert_eq!((status(&new), read(&files, "new 茶.txt").as_str()), (201, "fresh tea"));
    assert_eq!(field(&new, "ETag"), field(&ask(&files, "GET /new%20%E8%8C%B6.txt"), "ETag"));
    let again = request(&files, "PUT /new%20%E8%8C%B6.txt", "");
    assert_eq!((status(&again), read(&files, "new 茶.txt").as_str()), (204, ""));
    assert_eq!(status(&request(&files, "PUT /sub/deep/x", "x")), 201);
    assert_eq!(status(&request(&files, "DELETE /new%20%E8%8C%B6.txt", "")), 204);
    assert_eq!(status(&request(&files, "DELETE /new%20%E8%8C%B6.txt", "")), 404);
    assert_eq!(names(&files), before, "nothing is left over");
}

#[test]
fn what_cannot_be_there_is_refused_before_it_comes() {
    let files = directory();
    let inside = files.path().join("site");
    mkfifo(&inside.join("fifo"), Mode::from_bits_truncate(0o644)).unwrap();
    symlink("..", inside.join("up")).unwrap();
    let before = names(&files);
    for (line, expected) in [
        ("PUT /none/x", 409),
        ("PUT /sub", 409),
        ("PUT /sub/", 409),
        ("PUT /", 409),
        ("PUT /a.txt/x", 409),
        ("PUT /fifo", 409),
        ("PUT /up/secret", 409),
        ("PUT /../secret", 400),
        ("PUT /..%2fsecret", 400),
        ("PUT /.hidden", 403),
        ("PUT /.git/config", 403),
        ("PUT /a.txt\nContent-Range: bytes 0-1/12", 400),
        ("PUT /a.txt\nContent-Encoding: gzip", 415),
        ("DELETE /sub", 409),
        ("DELETE /fifo", 409),
        ("DELETE /up/secret", 409),
        ("DELETE /.hidden", 403),
        ("DELETE /nothing", 404),
    ] {
        assert_eq!(status(&request(&files, line, "x")), expected, "{line}");
    }
    let endless =
        "PUT /big HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(status(&send(&mut connect(&files), endless)), 507);
    assert_eq!((names(&files), read(&files, "a.txt").as_str()), (before, "hello world\n"));
    assert_eq!(fs::read_to_string(files.path().join("secret")).unwrap(), "secret");
}

#[test]
fn a_change_is_made_to_what_the_client_knows() {
    let files = directory();
    let first = ask(&files, "GET /a.txt");
    let tag = field(&first, "ETag").unwrap();
    assert_eq!(status(&request(&files, "PUT /a.txt\nIf-None-Match: *", "x")), 412);
    assert_eq!(status(&request(&files, "PUT /a.txt\nIf-Match: \"other\"", "x")), 412);
    assert_eq!(status(&request(&files, "DELETE /a.txt\nIf-Match: \"other\"", "")), 412);
    assert_eq!(status(&request(&files, "PUT /b.txt\nIf-Match: *", "x")), 412);
    assert_eq!(status(&request(&files, &format!("PUT /a.txt\nIf-Match: {tag}"), "second")), 204);
    assert_eq!(status(&request(&files, &format!("PUT /a.txt\nIf-Match: {tag}"), "third")), 412);
    assert_eq!(read(&files, "a.txt"), "second");
    assert_eq!(status(&request(&files, "PUT /b.txt\nIf-None-Match: *", "x")), 201);
}

#[test]
fn until_all_of_it_is_there_the_old_file_is() {
    let files = directory();
    let before = names(&files);
    let mut client = connect(&files);
    let head = "PUT /a.txt HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(send(&mut client, head), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(send(&mut client, "4\r\nnew \r\n"), "");
    assert_eq!((read(&files, "a.txt").as_str(), names(&files)), ("hello world\n", before.clone()));
    let inode = fs::metadata(files.path().join("site/a.txt")).unwrap().ino();
    assert_eq!(status(&send(&mut client, "5\r\nwords\r\n0\r\n\r\n")), 204);
    assert_eq!(read(&files, "a.txt"), "new words");
    assert_ne!(fs::metadata(files.path().join("site/a.txt")).unwrap().ino(), inode);
    send(&mut client, &head.replace("a.txt", "half"));
    send(&mut client, "4\r\nhalf\r\n");
    drop(client);
    assert_eq!(names(&files), before, "a client that leaves halfway leaves nothing");
}

#[test]
fn a_link_is_replaced_and_what_it_leads_to_is_left_alone() {
    let files = directory();
    symlink("../secret", files.path().join("site/out")).unwrap();
    assert_eq!(status(&request(&files, "PUT /out", "mine")), 204);
    assert_eq!(read(&files, "out"), "mine");
    assert_eq!(fs::read_to_string(files.path().join("secret")).unwrap(), "secret");
}

#[cfg(feature = "auth")]
#[test]
fn who_is_not_known_is_refused_before_the_body() {
    let files = directory();
    let auth = vec![format!("ann:{}", "0".repeat(64)).parse().unwrap()];
    let site = Site::with(files.path().join("site"), Options { auth, ..uploads() }).unwrap();
    let mut client = Wire::new(site.into_application().open(&nobody()), Pace::Steady);
    let answer =
        send(&mut client, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(status(&answer), 401, "{answer}");
    assert!(!names(&files).contains("x"));
}

#[test]
fn the_methods_that_there_are_include_those() {
    let files = directory();
    let methods = Some("GET, HEAD, OPTIONS, PUT, DELETE");
    assert_eq!(field(&request(&files, "OPTIONS /", ""), "Allow"), methods);
    let post = request(&files, "POST /a.txt", "x");
    assert_eq!((status(&post), field(&post, "Allow")), (405, methods));
}
