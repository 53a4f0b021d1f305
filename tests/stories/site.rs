//! The file server as its owner sets it up: users, uploads, fields, and the log of who asked for what.

use std::{fs, net::Shutdown, path::Path};

use crate::support::*;

/// `ann` with the password `secret`, as `openssl passwd -5` prints it.
const USER: &str = "ann:$5$rounds=1000$abcdefgh$XIppta5rT8zJUu4vAOKQXrwq9uY4Ijlz6VjyOmkx5i4";

/// What a browser sends for her.
const KNOWN: &str = "Authorization: Basic YW5uOnNlY3JldA==\r\n";

/// The answer to a request with these fields and this body.
fn ask(server: &Instance, line: &str, fields: &str, body: &str) -> Answer {
    let mut client = server.client();
    let length = body.len();
    client
        .send(format!("{line} HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{fields}\r\n{body}"))
        .unwrap();
    client.answer().unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn flags_say_how_files_are_shown() {
    let launch = Launch::http().args([
        "--spa",
        "--index",
        "home.htm",
        "--no-listing",
        "--cors",
        "--cache",
        "10m",
        "--header",
        "X-Frame-Options: DENY",
        "--precompressed",
    ]);
    launch.root().file("home.htm", "home").file("hello.txt.gz", "in gzip");
    fs::create_dir(launch.root().path().join("sub")).unwrap();
    let server = launch.start();
    assert_eq!(server.get("/users/7").body, b"home");
    assert_eq!((server.get("/gone.js").status, server.get("/sub/").status), (404, 403));
    let answer = ask(&server, "GET /hello.txt", "Accept-Encoding: gzip, br;q=0\r\n", "");
    assert_eq!((answer.text().as_str(), answer.header("content-encoding")), ("in gzip", Some("gzip")));
    assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
    assert_eq!(answer.header("cache-control"), Some("max-age=600"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
}

#[test]
fn flags_that_cannot_be_meant_are_refused_before_anything_starts() {
    for flags in
        [["--auth", "ann:secret"], ["--header", "Date: now"], ["--index", "a/b"], ["--access-format", "x"]]
    {
        let end = Launch::http().args(flags).attempt().err().expect("refused");
        assert_eq!(end.code, 2, "{end:#?}");
        assert!(!end.err.contains("secret"), "a secret does not belong into a log: {}", end.err);
    }
    let end = Launch::http().daemon().args(["--access-log", "-"]).attempt().err().expect("refused");
    assert_eq!(end.code, 2, "{end:#?}");
}

#[test]
fn files_come_by_put_and_go_by_delete_for_who_is_known() {
    let launch = Launch::http().args(["--upload", "--auth", USER]);
    let folder = launch.root().path().to_owned();
    let server = launch.start();
    assert_eq!(ask(&server, "PUT /new", "", "words").status, 401);
    assert!(!folder.join("new").exists());
    assert_eq!(ask(&server, "PUT /new", KNOWN, "words").status, 201);
    assert_eq!(fs::read_to_string(folder.join("new")).unwrap(), "words");
    assert_eq!(ask(&server, "PUT /new", KNOWN, "other words").status, 204);
    assert_eq!(ask(&server, "GET /new", KNOWN, "").text(), "other words");
    assert_eq!(ask(&server, "PUT /none/new", KNOWN, "words").status, 409);
    assert_eq!(ask(&server, "DELETE /new", KNOWN, "").status, 204);
    assert_eq!(ask(&server, "GET /new", KNOWN, "").status, 404);
}

#[test]
fn a_worker_that_is_killed_during_an_upload_leaves_nothing_and_the_old_file() {
    let launch = Launch::http().workers(1).args(["--upload"]);
    let folder = launch.root().path().to_owned();
    let names = || fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    let before = names();
    let server = launch.start();
    server.allow("event=exited status=signal:KILL").allow("event=respawn");
    let mut client = server.client();
    client
        .send("PUT /hello.txt HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    assert!(client.take(25).unwrap().starts_with(b"HTTP/1.1 100 Continue\r\n"), "the upload has begun");
    client.send("half").unwrap();
    send(server.workers()[0], Signal::SIGKILL);
    client.wait_close();
    server.wait_workers(1);
    assert_eq!(server.get("/hello.txt").text(), "Hello from a file.\n");
    assert_eq!(names(), before);
}

#[test]
fn every_answer_is_a_line_that_harms_nobody() {
    let launch = Launch::http();
    let path = launch.folder().join("access.log");
    let server = launch.args(["--access-log", path.to_str().unwrap(), "--auth", USER]).start();
    ask(
        &server,
        "GET /hello.txt",
        &format!("{KNOWN}User-Agent: a\"b\u{1f375}\r\nReferer: http://r/\r\n"),
        "",
    );
    ask(&server, "GET /nothing?<script>", "", "");
    let body = "Content-Length: 70000\r\n";
    for words in ["what is this\r\n\r\n".into(), format!("POST /large HTTP/1.1\r\nHost: test\r\n{body}\r\n")]
    {
        let mut client = server.client();
        client.send(words).unwrap();
        client.stream().shutdown(Shutdown::Write).unwrap();
        client.wait_close();
    }
    let written = eventually("four lines", || Some(lines(&path)).filter(|lines| lines.len() == 4));
    assert!(written[0].starts_with("127.0.0.1 - ann ["), "{}", written[0]);
    let end = "\"GET /hello.txt HTTP/1.1\" 200 19 \"http://r/\" \"a\\x22b\\xF0\\x9F\\x8D\\xB5\"";
    assert!(written[0].ends_with(end), "{}", written[0]);
    assert!(written[1].contains("\"GET /nothing?<script> HTTP/1.1\" 401 17 \"-\" \"-\""), "{}", written[1]);
    assert!(written[2].contains("\"-\" 400 33 \"-\" \"-\""), "{}", written[2]);
    assert!(written[3].contains("\"POST /large HTTP/1.1\" 413 "), "{}", written[3]);
}

#[test]
fn no_line_is_lost_or_torn_when_the_log_is_renamed_under_load() {
    let launch = Launch::http().workers(2);
    let (path, old) = (launch.folder().join("access.log"), launch.folder().join("access.log.1"));
    let server = launch.args(["--access-log", path.to_str().unwrap(), "--access-format", "json"]).start();
    let batch = "GET /hello.txt HTTP/1.1\r\nHost: test\r\n\r\n".repeat(20);
    let mut asked = 0;
    let mut load = || {
        let mut clients: Vec<_> = (0..4).map(|_| server.client()).collect();
        for client in &mut clients {
            client.send(&batch).unwrap();
        }
        for client in &mut clients {
            for _ in 0..20 {
                assert_eq!(client.answer().unwrap().status, 200);
                asked += 1;
            }
        }
    };
    load();
    fs::rename(&path, &old).unwrap();
    load();
    server.operate("reopen", &[]).done();
    eventually("the new file is written to", || {
        load();
        (!lines(&path).is_empty()).then_some(())
    });
    let all = eventually("every answer has its line", || {
        let all = [lines(&old), lines(&path)].concat();
        (all.len() >= asked).then_some(all)
    });
    assert_eq!(all.len(), asked);
    for line in all {
        let json: serde_json::Value = serde_json::from_str(&line).expect("a whole line");
        assert_eq!(
            (&json["target"], &json["status"], &json["bytes"]),
            (&"/hello.txt".into(), &200.into(), &19.into())
        );
    }
}

#[test]
fn a_special_file_is_refused_while_others_are_served() {
    let launch = Launch::http().workers(1);
    let folder = launch.root().path().to_owned();
    let end = run(std::process::Command::new("mkfifo").arg(folder.join("fifo")));
    assert_eq!(end.code, 0, "{end:?}");
    std::os::unix::fs::symlink("/dev/zero", folder.join("zero")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("out")).unwrap();
    let server = launch.start();
    assert_eq!(server.get("/fifo").status, 403);
    for path in ["/zero", "/out", "/%2e%2e/run", "/..%5c..%5crun", "/.%252e/run"] {
        assert!([400, 404].contains(&server.get(path).status), "{path}");
    }
    assert_eq!(server.get("/hello.txt").status, 200);
}

/// The value of a line of the metrics; 0 if there is no such line.
fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn what_a_process_for_one_connection_counts_stands_in_the_numbers_of_its_worker() {
    for reap in ["wait", "double-fork"] {
        let launch = Launch::http().workers(1).args(["--model", "per-connection", "--reap", reap]);
        let server = launch.args(["--metrics", "/metrics"]).start();
        let counted = |name: &str, expected: u64| {
            eventually("all is told", || {
                (metric(&server.get("/metrics").text(), name) == expected).then_some(())
            });
        };
        let mut kept = server.client();
        for _ in 0..2 {
            kept.send("GET /nothing HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            assert_eq!(kept.answer().unwrap().status, 404);
        }
        counted("forkd_responses_total{code=\"4xx\"}", 2);
        drop(kept);
        assert_eq!(server.get("/nothing").status, 404);
        counted("forkd_responses_total{code=\"4xx\"}", 3);
        let page = server.get("/metrics").text();
        assert!(metric(&page, "forkd_request_duration_seconds_count") >= 3, "{page}");
        assert!(server.status()["workers"][0]["requests"].as_u64() >= Some(3), "{}", server.status());
    }
}

#[test]
fn any_worker_shows_the_numbers_of_all_and_none_ever_falls() {
    let launch = Launch::http().workers(2).args(["--metrics", "/metrics"]);
    let server = launch.start();
    server.allow("event=exited status=signal:KILL").allow("event=respawn");
    for _ in 0..5 {
        assert_eq!((server.get("/hello.txt").status, server.get("/nothing").status), (200, 404));
    }
    let answer = server.get("/metrics");
    assert!(answer.header("content-type").is_some_and(|kind| kind.starts_with("text/plain; version=0.0.4")));
    let page = answer.text();
    assert_eq!(metric(&page, "forkd_requests_total"), 10, "{page}");
    assert_eq!(metric(&page, "forkd_responses_total{code=\"2xx\"}"), 5);
    assert_eq!(metric(&page, "forkd_responses_total{code=\"4xx\"}"), 5);
    assert_eq!(metric(&page, "forkd_request_duration_seconds_count"), 10);
    assert!(metric(&page, "forkd_sent_bytes_total") > 1000, "{page}");
    assert!(page.contains(&format!("forkd_accept_queue{{listener=\"{}\"}} 0\n", server.address())), "{page}");
    server.operate("reload", &[]).done();
    send(server.workers()[0], Signal::SIGKILL);
    server.log.wait("event=exited status=signal:KILL");
    server.wait_workers(2);
    let page = eventually("both workers are ready", || {
        let page = server.get("/metrics").text();
        let ready =
            ["idle", "busy"].map(|state| metric(&page, &format!("forkd_workers{{state=\"{state}\"}}")));
        (ready.iter().sum::<u64>() == 2).then_some(page)
    });
    assert!(metric(&page, "forkd_requests_total") >= 11, "what the dead have counted stays: {page}");
    assert!(metric(&page, "forkd_responses_total{code=\"4xx\"}") >= 5, "{page}");
    assert_eq!(metric(&page, "forkd_worker_restarts_total{reason=\"crashed\"}"), 1, "{page}");
    assert_eq!(metric(&page, "forkd_worker_restarts_total{reason=\"reload\"}"), 2, "{page}");
    assert_eq!(metric(&page, "forkd_workers_spawned_total"), 5, "{page}");
}
