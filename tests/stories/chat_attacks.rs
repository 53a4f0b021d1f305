//! What breaks the course's chat, and what else a stranger may try: each gets a civil answer, and the room goes on.

use serde_json::json;

use crate::support::*;

#[test]
fn what_breaks_the_courses_server_is_answered() {
    let server = Launch::chat().workers(2).start();
    let mut alice = Talker::enter(&server, "alice");
    let stranger = Letters::new(&server);
    for (bytes, answer) in [
        (&b"L"[..], "cannot understand that"),
        (b"", "cannot understand that"),
        (b"X y z", "cannot understand that"),
        (b"L \xff\xfe", "not UTF-8"),
        ("L 张".as_bytes().split_last().unwrap().1, "not UTF-8"),
        (b"L a b", "a name has no blanks"),
        ("L 管理员".as_bytes(), "reserved for the admin"),
        ("L 管理员 guess".as_bytes(), "not the admin's token"),
        (b"L alice", "the name alice is taken"),
        (b"L ALICE", "the name ALICE is taken"),
        (b"C stranger hello", "you are not in the room"),
        ("C 管理员 hello".as_bytes(), "you are not in the room"),
        (b"C alice", "there is no text"),
        (b"Q alice", "you are not alice"),
        // Whoever is not here may as well go.
        (b"Q nobody", "EXIT"),
    ] {
        let got = stranger.ask(bytes);
        assert!(got.contains(answer), "{:?}: {got}", String::from_utf8_lossy(bytes));
    }
    let zhang = Letters::enter(&server, "zhang");
    assert!(zhang.ask("C alice as another").contains("you are not alice"));
    assert!(zhang.ask("C 管理员 as the admin").contains("you are not 管理员"));
    assert!(zhang.ask("L other").contains("you are in already, as zhang"));
    let long = format!("C zhang {}", "x".repeat(4001));
    assert!(zhang.ask(long).contains("at most 4000 bytes"));
    // What was lost on the way can be asked again.
    assert_eq!([zhang.ask("L zhang"), zhang.ask("Q zhang"), zhang.ask("Q zhang")], ["OK", "EXIT", "EXIT"]);
    assert!(zhang.ask("C zhang too late").contains("you are not in the room"));
    Letters::enter(&server, "zhang").send("C zhang the room goes on");
    alice.until("zhang: the room goes on");
    assert!(!alice.heard.iter().any(|line| line.contains("as another") || line.contains("as the admin")));
}

#[test]
fn a_silent_client_is_let_go_and_its_reader_ends() {
    let server = Launch::chat().workers(2).args(["--udp-silence", "1ms"]).start();
    let mut bob = Talker::enter(&server, "bob");
    let silent = Letters::enter(&server, "silent");
    bob.until("* silent left");
    let words: Vec<_> = std::iter::repeat_with(|| silent.next()).take_while(|word| word != "EXIT").collect();
    assert!(words.iter().any(|word| word.contains("said nothing for a long time")), "{words:?}");
}

#[test]
fn the_admin_is_who_has_the_token_by_any_door() {
    let launch = Launch::chat().workers(2);
    let file = launch.folder().join("token");
    std::fs::write(&file, "open sesame\n").unwrap();
    let server = launch.args(["--admin-token-file", &file.to_string_lossy()]).start();
    let mut bob = Talker::enter(&server, "bob");
    let bearer = |token: &str| {
        let mut client = server.client();
        let head = format!("POST /admin HTTP/1.1\r\nHost: room\r\nAuthorization: Bearer {token}\r\n");
        client.send(format!("{head}Content-Length: 5\r\nConnection: close\r\n\r\nhello")).unwrap();
        client.answer().unwrap().status
    };
    assert_eq!(
        [bearer("guess"), bearer(""), bearer("open sesam"), bearer("open sesame")],
        [403, 403, 403, 200]
    );
    assert_eq!(bob.until("hello"), "管理员: hello");
    let mut talker = Talker::connect(&server);
    talker.say("管理员 guess");
    assert_eq!(talker.until("!"), "! that is not the admin's token");
    talker.say("管理员 open sesame");
    talker.until("* welcome, 管理员");
    talker.say("/quit");
    bob.until("* 管理员 left");
    assert_eq!(Letters::new(&server).ask("L 管理员 open sesame"), "OK");
    let again = Page::join(&server, &json!({ "name": "管理员", "token": "open sesame" }));
    assert_eq!(again.status, 409, "there is one admin at a time: {}", again.text());
}

#[test]
fn lines_that_are_no_lines_are_answered_or_end_their_connection() {
    let server = Launch::chat().workers(1).start();
    let mut bob = Talker::enter(&server, "bob");
    let mut talker = Talker::connect(&server);
    for (name, answer) in [
        ("", "a name is missing"),
        ("a b", "a name has no blanks"),
        ("bob", "the name bob is taken"),
        ("管理员", "not the admin's token"),
        ("x\x1b[2J", "a name has no blanks"),
    ] {
        talker.say(name);
        assert!(talker.until("! ").contains(answer), "{name:?}");
    }
    talker.send(b"\xff\xfe\n");
    talker.until("! that is not UTF-8");
    talker.send("eve\r\n");
    talker.until("* welcome, eve");
    talker.send(b"\x1b[2J\x07bell \xe2\x80\xae\xff\n\x1b]0;title\x07 red\n");
    talker.until("! that is not UTF-8");
    // What a terminal would obey is seen instead.
    assert_eq!(bob.until("red"), "eve: \u{fffd}]0;title\u{fffd} red");
    talker.say("/nonsense");
    talker.until("! there is no such command");
    talker.say(&"x".repeat(4001));
    talker.until("! a line has at most 4000 bytes");
    // A gigabyte without a line end is not waited for.
    talker.send("x".repeat(9000));
    assert_eq!(talker.last(), "! a line has at most 4000 bytes");
    bob.until("* eve left");
}

#[test]
fn a_page_cannot_be_talked_into_anything() {
    let server = Launch::chat().workers(2).start();
    let page = Page::enter(&server, "ann");
    let other = Page::enter(&server, "eve");
    let status = |document| page.post("say", &document).unwrap().status;
    assert_eq!(status(json!({ "text": "<script>alert(1)</script>" })), 200);
    assert_eq!([status(json!({ "text": " " })), status(json!({})), status(json!([1]))], [400, 400, 400]);
    assert_eq!(status(json!({ "text": "x", "to": "nobody" })), 404);
    assert_eq!(status(json!({ "text": "x".repeat(4001) })), 400);
    assert_eq!(Page::join(&server, &json!({ "name": "<b>" })).status, 201);
    assert_eq!(Page::join(&server, &json!({ "name": "ann" })).status, 409);
    assert_eq!(Page::join(&server, &json!({ "name": "管理员" })).status, 403);
    let raw = |request: &str| {
        let mut client = server.client();
        client.send(request).unwrap();
        client.answer().unwrap().status
    };
    // By another's number, without a cookie, with somebody's guess; and from a page of somebody else's.
    assert_eq!(raw("POST /m/1/say HTTP/1.1\r\nHost: room\r\nContent-Length: 2\r\n\r\n{}"), 403);
    assert_eq!(raw("GET /m/1/events HTTP/1.1\r\nHost: room\r\nCookie: chat=guess\r\n\r\n"), 403);
    let foreign = "Content-Length: 14\r\n\r\n{\"name\":\"mal\"}";
    for from in ["Origin: http://elsewhere", "Sec-Fetch-Site: cross-site", "Origin: null"] {
        assert_eq!(raw(&format!("POST /join HTTP/1.1\r\nHost: room\r\n{from}\r\n{foreign}")), 403, "{from}");
    }
    assert_eq!(raw(&format!("POST /join HTTP/1.1\r\nHost: room\r\nOrigin: http://room\r\n{foreign}")), 201);
    assert_eq!(raw("DELETE / HTTP/1.1\r\nHost: room\r\n\r\n"), 405);
    drop(other);
}

#[test]
fn who_talks_too_fast_is_told_so_by_any_door() {
    let server = Launch::chat().workers(2).args(["--rate-limit", "1+3"]).start();
    let mut bob = Talker::enter(&server, "bob");
    let mut eve = Talker::enter(&server, "eve");
    eve.send((1..=20).map(|number| format!("flood {number}\n")).collect::<String>());
    assert_eq!(eve.until("!"), "! slow down: 17 lines were not said, go on in 1 s");
    // What a page posts comes in by one worker or the other, and is counted together.
    let page = Page::enter(&server, "ann");
    let post = |text: String| page.post("say", &json!({ "text": text })).unwrap();
    let refused = (1..=100).map(|number| post(format!("post {number}"))).find(|answer| answer.status != 200);
    let refused = refused.expect("a hundred are more than three");
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("1")), "{}", refused.text());
    assert!(refused.text().contains("slow down: 1 line was not said"), "{}", refused.text());
    let zhang = Letters::enter(&server, "zhang");
    (0..50).for_each(|number| zhang.send(format!("C zhang letter {number}")));
    std::iter::repeat_with(|| zhang.next())
        .find(|word| word.starts_with("slow down: 1 line"))
        .expect("an answer");
    // The others are as fast as ever, and whoever waits may go on.
    bob.say("calm");
    assert_eq!(eve.until("calm"), "bob: calm");
    eventually("there is room again", || (post("patient".to_owned()).status == 200).then_some(()));
    assert_eq!(bob.until("patient"), "ann: patient");
    let flood = bob.heard.iter().filter(|line| line.starts_with("eve: ")).count();
    assert_eq!(flood, 3, "{:?}", bob.heard);
}

#[test]
fn what_cannot_be_meant_is_a_usage_error() {
    for (words, part) in [
        (&["--model", "blocking"][..], "cannot serve a chat by the blocking model"),
        (&["--store", "redis:x"], "write sqlite:FILE"),
        (&["--lines", "udp:127.0.0.1:0"], "takes datagrams"),
        (&["--udp", "unix:/tmp/x"], "cannot take datagrams"),
        (&["-l", "udp:127.0.0.1:0"], "name the datagrams' door by --udp"),
        (&["--admin-token-file", "/nowhere"], "cannot read the admin token"),
        (&["--rate-limit", "fast"], "write 5, 5+100 or off"),
    ] {
        let end = forkd(&[&["chat", "--check"], words].concat());
        assert_eq!(end.code, 2, "{words:?} {end:#?}");
        assert!(end.err.contains(part), "{words:?} {end:#?}");
    }
}
