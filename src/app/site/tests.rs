//! A site of files of every kind, asked for what it has and for what it must not give.

mod chosen;
mod uploads;

use std::{
    cell::Cell,
    fs,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    path::Path,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use tempfile::TempDir;

use super::{
    root::{Root, Way},
    *,
};
use crate::{
    app::testing::{Pace, Wire, nobody},
    worker::session::{Application, Flow},
};

/// A directory `site` to serve, with a secret beside it.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("site");
    fs::create_dir_all(site.join("sub/deep")).unwrap();
    fs::create_dir_all(site.join("with index")).unwrap();
    fs::create_dir_all(site.join(".git")).unwrap();
    fs::write(directory.path().join("secret"), "secret").unwrap();
    for (name, content) in [
        ("a.txt", "hello world\n"),
        ("empty", ""),
        (".hidden", "secret"),
        (".git/config", "secret"),
        ("sub/<b>.html", "b"),
        ("with index/index.html", "the index"),
    ] {
        fs::write(site.join(name), content).unwrap();
    }
    fs::write(site.join("茶 &.txt"), "tea").unwrap();
    fs::write(site.join("large"), vec![b'x'; 100_000]).unwrap();
    directory
}

/// The site of such a directory, its paths kept below it in this way.
fn site(directory: &Path, way: Way) -> Site {
    Site::of(Root::open(&directory.join("site")).unwrap().by(way), Options::default())
}

/// The answer to one request, its first lines without the version.
fn ask_by(directory: &Path, way: Way, request: &str) -> String {
    ask_site(site(directory, way), request)
}

fn ask_site(site: Site, request: &str) -> String {
    let (line, fields) = request.split_once('\n').unwrap_or((request, ""));
    let fields: String = fields.lines().map(|field| format!("{field}\r\n")).collect();
    let app = site.into_application();
    let bytes = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let (answer, _) = Wire::new(app.open(&nobody()), Pace::Steady).send(bytes.as_bytes());
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(directory: &TempDir, request: &str) -> String {
    ask_by(directory.path(), Way::Beneath, request)
}

/// The status of an answer.
fn status(answer: &str) -> u16 {
    answer.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// The value of a field of an answer.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn files_come_whole_with_their_type_and_length() {
    let site = directory();
    for (path, content_type, content) in [
        ("/a.txt", "text/plain; charset=utf-8", "hello world\n"),
        ("/empty", "application/octet-stream", ""),
        ("/%E8%8C%B6%20&.txt", "text/plain; charset=utf-8", "tea"),
        ("/sub/../a.txt?x", "text/plain; charset=utf-8", "hello world\n"),
        ("/with%20index/", "text/html; charset=utf-8", "the index"),
        ("//a.txt", "text/plain; charset=utf-8", "hello world\n"),
    ] {
        let answer = ask(&site, &format!("GET {path}"));
        assert_eq!((status(&answer), body(&answer)), (200, content), "{path}");
        assert_eq!(field(&answer, "Content-Type"), Some(content_type), "{path}");
        assert_eq!(field(&answer, "Content-Length"), Some(content.len().to_string().as_str()), "{path}");
        let head = ask(&site, &format!("HEAD {path}"));
        assert_eq!((status(&head), body(&head)), (200, ""), "{path}");
        assert_eq!(field(&head, "Content-Length"), field(&answer, "Content-Length"), "{path}");
    }
    let large = ask(&site, "GET /large");
    assert_eq!((status(&large), body(&large).len()), (200, 100_000));
}

#[test]
fn nothing_outside_and_nothing_hidden_is_given_by_either_way() {
    let files = directory();
    let inside = files.path().join("site");
    symlink("../secret", inside.join("out")).unwrap();
    symlink(files.path().join("secret"), inside.join("absolute")).unwrap();
    symlink("..", inside.join("up")).unwrap();
    symlink("loop", inside.join("loop")).unwrap();
    symlink("/proc/self/root", inside.join("magic")).unwrap();
    for way in [Way::Beneath, Way::Stepwise] {
        for path in [
            "/../secret",
            "/%2e%2e/secret",
            "/..%2fsecret",
            "/%252e%252e/secret",
            "/sub/../../secret",
            "/out",
            "/absolute",
            "/up/secret",
            "/up/",
            "/loop",
            "/magic/etc/passwd",
            "/magic/",
            "/.hidden",
            "/.git/config",
            "/%2egit/config",
            "/.git/",
            "/sub/../.hidden",
            "/a.txt%00.html",
            "/a.txt/",
            "/a.txt/x",
            "/nothing",
            "/\\..\\secret",
            "/%c0%ae%c0%ae/secret",
            "/./.././secret",
        ] {
            let answer = ask_by(files.path(), way, &format!("GET {path}"));
            assert!(matches!(status(&answer), 400 | 404), "{way:?} {path}: {answer}");
            assert!(!body(&answer).contains("secret"), "{way:?} {path}");
        }
    }
}

#[test]
fn links_that_stay_inside_are_followed_where_the_kernel_vouches_for_them() {
    let files = directory();
    symlink("sub/../a.txt", files.path().join("site/link")).unwrap();
    assert_eq!(body(&ask_by(files.path(), Way::Beneath, "GET /link")), "hello world\n");
    assert_eq!(status(&ask_by(files.path(), Way::Stepwise, "GET /link")), 404);
    assert_eq!(body(&ask_by(files.path(), Way::Stepwise, "GET /with%20index/")), "the index");
    assert!(ask_by(files.path(), Way::Stepwise, "GET /sub/").contains("deep/"));
}

#[test]
fn a_root_that_is_a_link_itself_is_served() {
    let files = directory();
    symlink("site", files.path().join("link")).unwrap();
    let site = Site::open(files.path().join("link")).unwrap();
    let found = site.root.find(b"a.txt");
    assert!(matches!(found, Ok(root::Found::File(_))));
    assert!(Site::open(files.path().join("secret")).is_err(), "a file is no site");
}

#[test]
fn special_files_are_refused_without_waiting_for_them() {
    let files = directory();
    let inside = files.path().join("site");
    mkfifo(&inside.join("fifo"), Mode::from_bits_truncate(0o644)).unwrap();
    let _listener = UnixListener::bind(inside.join("socket")).unwrap();
    fs::set_permissions(inside.join("a.txt"), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(status(&ask(&files, "GET /fifo")), 403);
    assert_eq!(status(&ask(&files, "GET /socket")), 403);
    // Root may read everything.
    let unreadable = status(&ask(&files, "GET /a.txt"));
    assert_eq!(unreadable, if nix::unistd::geteuid().is_root() { 200 } else { 403 });
    let listing = ask(&files, "GET /");
    assert!(!listing.contains("fifo") && !listing.contains("socket"));
}

#[test]
fn a_directory_without_its_slash_is_redirected_and_never_to_another_host() {
    let files = directory();
    for (target, location) in [
        ("/sub", "/sub/"),
        ("//sub?a=b", "/sub/?a=b"),
        ("/with%20index", "/with%20index/"),
        ("/sub/.//deep", "/sub/deep/"),
    ] {
        let answer = ask(&files, &format!("GET {target}"));
        assert_eq!((status(&answer), field(&answer, "Location")), (301, Some(location)), "{target}");
    }
}

#[test]
fn a_listing_shows_what_may_be_seen() {
    let files = directory();
    symlink("../secret", files.path().join("site/out")).unwrap();
    symlink("sub", files.path().join("site/inner")).unwrap();
    let page = ask(&files, "GET /");
    assert_eq!(field(&page, "Content-Type"), Some("text/html; charset=utf-8"));
    for seen in ["<a href=\"a.txt\">", "<bdi>sub</bdi>/", "<a href=\"inner/\">", "茶 &#38;.txt", "98 KiB"] {
        assert!(page.contains(seen), "{seen} in {page}");
    }
    for unseen in [".hidden", "git", "secret", "out\"", "href=\"../\""] {
        assert!(!page.contains(unseen), "{unseen} in {page}");
    }
    assert!(page.find("sub/\"").unwrap() < page.find("a.txt").unwrap(), "directories first");
    let below = ask(&files, "GET /sub/");
    assert!(below.contains("href=\"%3Cb%3E.html\"") && below.contains("<bdi>&#60;b&#62;.html</bdi>"));
    assert!(below.contains("href=\"../\""));
}

#[test]
fn who_has_it_already_is_told_so() {
    let files = directory();
    let answer = ask(&files, "GET /a.txt");
    let (etag, date) = (field(&answer, "ETag").unwrap(), field(&answer, "Last-Modified").unwrap());
    for condition in [format!("If-None-Match: {etag}"), format!("If-Modified-Since: {date}")] {
        let again = ask(&files, &format!("GET /a.txt\n{condition}"));
        assert_eq!((status(&again), body(&again)), (304, ""), "{condition}");
        assert_eq!((field(&again, "ETag"), field(&again, "Content-Length")), (Some(etag), None));
    }
    assert_eq!(status(&ask(&files, "GET /a.txt\nIf-None-Match: \"other\"")), 200);
    assert_eq!(status(&ask(&files, "GET /a.txt\nIf-Match: \"other\"")), 412);
    fs::write(files.path().join("site/a.txt"), "changed").unwrap();
    assert_eq!(body(&ask(&files, &format!("GET /a.txt\nIf-None-Match: {etag}"))), "changed");
}

#[test]
fn a_range_is_a_part() {
    let files = directory();
    let answer = ask(&files, "GET /a.txt\nRange: bytes=6-10");
    assert_eq!((status(&answer), body(&answer)), (206, "world"));
    assert_eq!(field(&answer, "Content-Range"), Some("bytes 6-10/12"));
    let beyond = ask(&files, "GET /a.txt\nRange: bytes=12-");
    assert_eq!((status(&beyond), field(&beyond, "Content-Range")), (416, Some("bytes */12")));
    assert_eq!(status(&ask(&files, "HEAD /a.txt\nRange: bytes=6-10")), 200);
    assert_eq!(status(&ask(&files, "GET /a.txt\nRange: bytes=6-10\nIf-Range: \"other\"")), 200);
    assert_eq!(body(&ask(&files, "GET /large\nRange: bytes=-50000")).len(), 50_000);
}

#[test]
fn several_ranges_are_several_parts() {
    let files = directory();
    let answer = ask(&files, "GET /a.txt\nRange: bytes=0-4, 6-6,-2");
    assert_eq!(status(&answer), 206, "{answer}");
    let boundary =
        field(&answer, "Content-Type").unwrap().strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |place, content| {
        format!(
            "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {place}/12\r\n\r\n{content}\r\n"
        )
    };
    let expected = [part("0-4", "hello"), part("6-6", "w"), part("10-11", "d\n")].concat();
    assert_eq!(body(&answer), format!("{expected}--{boundary}--\r\n"));
    assert_eq!(field(&answer, "Content-Length"), Some(body(&answer).len().to_string().as_str()));
    let large = ask(&files, "GET /large\nRange: bytes=0-49999,50001-");
    assert_eq!(body(&large).matches('x').count(), 99_999);
    assert_eq!(field(&large, "Content-Length"), Some(body(&large).len().to_string().as_str()));
}

#[test]
fn a_set_of_ranges_that_no_honest_client_asks_for_is_refused() {
    let files = directory();
    let many: Vec<_> = (0..1000).map(|at| format!("{at}-{at}")).collect();
    for set in ["0-,0-,0-".to_owned(), "0-,".repeat(500), many.join(",")] {
        let answer = ask(&files, &format!("GET /large\nRange: bytes={set}"));
        assert_eq!(
            (status(&answer), field(&answer, "Content-Range")),
            (416, Some("bytes */100000")),
            "{set}"
        );
    }
}

#[test]
fn a_file_larger_than_four_gigabytes_has_its_length_and_its_end() {
    let files = directory();
    let file = fs::File::create(files.path().join("site/huge")).unwrap();
    file.set_len(5 << 30).unwrap();
    assert_eq!(field(&ask(&files, "HEAD /huge"), "Content-Length"), Some("5368709120"));
    let end = ask(&files, "GET /huge\nRange: bytes=5368709110-");
    assert_eq!((status(&end), body(&end)), (206, "\0".repeat(10).as_str()));
}

#[test]
fn other_methods_are_told_which_there_are() {
    let files = directory();
    for method in ["POST", "PUT", "DELETE", "TRACE", "get"] {
        let answer = ask(&files, &format!("{method} /a.txt"));
        assert_eq!((status(&answer), field(&answer, "Allow")), (405, Some("GET, HEAD, OPTIONS")), "{method}");
    }
    assert_eq!(status(&ask(&files, "OPTIONS *")), 204);
}

/// What comes of a file of this length that has ten bytes left when it is looked at, on each of so many looks.
fn shrunk(length: u64, looks: u32) -> (String, Flow) {
    let files = directory();
    let path = files.path().join("site/shrinking");
    fs::write(&path, "").unwrap();
    let (site, looked) = (site(files.path(), Way::Beneath), Cell::new(0));
    let app = Http::new(move |request: &Request<'_>| {
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(if looked.replace(looked.get() + 1) < looks { length } else { 10 }).unwrap();
        let response = site.handle(request);
        file.set_len(10).unwrap();
        response
    });
    let mut client = Wire::new(app.open(&nobody()), Pace::Steady);
    let (answer, flow) = client.send(b"GET /shrinking HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.row.read().requests, 1);
    (String::from_utf8(answer).unwrap(), flow)
}

#[test]
fn a_file_that_shrinks_is_never_sent_short() {
    // Its head was on its way: nothing but the end of the connection can take that back.
    assert!(shrunk(100_000, 1).0.ends_with("[UnexpectedEof]"));
    // Nothing was sent yet: it is looked at again, and with patience, but not for ever.
    for looks in [1, 3] {
        let (answer, flow) = shrunk(1000, looks);
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nContent-Length: 10\r\n"),
            "{answer}"
        );
        assert!(matches!(flow, Flow::Read(_)), "{flow:?}");
    }
    let (answer, flow) = shrunk(1000, u32::MAX);
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert!(matches!(flow, Flow::Read(_)), "{flow:?}");
}

/// A name that is a file and a link outwards by turns must never give what the link leads to.
#[test]
fn a_name_that_changes_while_it_is_fetched_gives_nothing_from_outside() {
    let files = directory();
    let inside = files.path().join("site");
    fs::write(inside.join("calm"), "calm").unwrap();
    symlink("../secret", inside.join("storm")).unwrap();
    for way in [Way::Beneath, Way::Stepwise] {
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    for source in ["calm", "storm"] {
                        let fresh = inside.join(format!("fresh-{source}"));
                        if source == "calm" {
                            fs::hard_link(inside.join(source), &fresh).unwrap();
                        } else {
                            symlink("../secret", &fresh).unwrap();
                        }
                        fs::rename(&fresh, inside.join("flips")).unwrap();
                    }
                }
            });
            for _ in 0..2000 {
                let answer = ask_by(files.path(), way, "GET /flips");
                assert!(!answer.contains("secret"), "{way:?}: {answer}");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
