//! One room, many doors, any number of workers: who says what is heard by every other, once and in one order.

use std::{collections::BTreeSet, fs, thread};

use serde_json::{Value, json};

use crate::support::*;

fn text(line: &Value) -> String {
    line["text"].as_str().expect("a text").to_owned()
}

/// The texts of what others said, in the order in which a talker heard it.
fn heard(talker: &Talker) -> Vec<String> {
    let said = talker.heard.iter().filter(|line| !line.starts_with(['*', '!']));
    said.filter_map(|line| line.split_once(": ")).map(|(_, text)| text.to_owned()).collect()
}

/// Says so many lines and hears so many of the others'; how its own begin, and what it heard.
fn talk(name: &str, mut talker: Talker, own: usize, others: usize) -> (String, Vec<String>) {
    (0..own).for_each(|line| talker.say(&format!("{name} {line}")));
    while heard(&talker).len() < others {
        talker.next().expect("the room goes on");
    }
    (format!("{name} "), heard(&talker))
}

/// The same by datagrams.
fn write(name: &str, letters: &Letters, own: usize, others: usize) -> (String, Vec<String>) {
    (0..own).for_each(|line| letters.send(format!("C {name} {name} {line}")));
    let mut texts = Vec::new();
    while texts.len() < others {
        texts.extend(letters.next().split_once(" : ").map(|(_, text)| text.to_owned()));
    }
    (format!("{name} "), texts)
}

#[test]
fn each_line_reaches_every_other_once_and_in_one_order_by_every_door() {
    const EACH: usize = 5;
    let server = Launch::chat().workers(4).start();
    let talkers: Vec<_> = (0..8).map(|number| Talker::enter(&server, &format!("t{number}"))).collect();
    let letters: Vec<_> = (0..4).map(|number| Letters::enter(&server, &format!("u{number}"))).collect();
    let pages: Vec<_> = (0..8).map(|number| Page::enter(&server, &format!("p{number}"))).collect();
    let readers: Vec<_> = pages.iter().map(|page| page.listen(None)).collect();
    // Somebody of its own: a page that is opened a second time begins where it can, not where its member came in.
    let mut all = Page::enter(&server, "all").listen(Some(0));
    let total = (talkers.len() + letters.len() + pages.len()) * EACH;
    thread::scope(|scope| {
        let by_page: Vec<_> = pages
            .into_iter()
            .zip(readers)
            .enumerate()
            .map(|(number, (mut page, mut reader))| {
                scope.spawn(move || {
                    (0..EACH).for_each(|line| _ = page.say(&format!("p{number} {line}")));
                    (0..total).map(|_| text(&reader.next_said())).collect::<Vec<_>>()
                })
            })
            .collect();
        let others = total - EACH;
        let by_line = talkers.into_iter().enumerate();
        let by_line: Vec<_> = by_line
            .map(|(number, talker)| scope.spawn(move || talk(&format!("t{number}"), talker, EACH, others)))
            .collect();
        let by_letter = letters.into_iter().enumerate();
        let by_letter: Vec<_> = by_letter
            .map(|(number, letter)| scope.spawn(move || write(&format!("u{number}"), &letter, EACH, others)))
            .collect();
        let order: Vec<_> = (0..total).map(|_| text(&all.next_said())).collect();
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), total, "{order:#?}");
        for page in by_page {
            assert_eq!(page.join().unwrap(), order, "a page hears its own lines too");
        }
        for other in by_line.into_iter().chain(by_letter) {
            let (own, texts) = other.join().unwrap();
            let others: Vec<_> = order.iter().filter(|text| !text.starts_with(&own)).cloned().collect();
            assert_eq!(texts, others, "{own}");
        }
    });
}

#[test]
fn who_comes_and_goes_is_told_and_who_is_here_can_be_asked() {
    let server = Launch::chat().workers(2).start();
    let mut bob = Talker::enter(&server, "bob");
    let page = Page::enter(&server, "ann");
    bob.until("* ann came in (browser, worker ");
    let zhang = Letters::enter(&server, "张三");
    bob.until("* 张三 came in (UDP, worker ");
    bob.say("/who");
    let here = bob.until("* here are 3: ");
    assert!(
        ["bob (TCP, worker ", "ann (browser, ", "张三 (UDP, "].iter().all(|part| here.contains(part)),
        "{here}"
    );
    let who: Value = serde_json::from_slice(&server.get("/who").body).expect("a document");
    let doors: Vec<_> =
        who["present"].as_array().unwrap().iter().map(|one| one["door"].as_str().unwrap()).collect();
    assert_eq!(doors, ["lines", "browser", "udp"]);
    assert_eq!(zhang.ask("Q 张三"), "EXIT");
    bob.until("* 张三 left");
    assert_eq!(page.post("leave", &json!({})).unwrap().status, 204);
    bob.until("* ann left");
    let reader = page.listen(None);
    bob.say("/quit");
    assert_eq!(bob.last(), "* goodbye");
    let next = Talker::enter(&server, "bob");
    assert!(next.heard.last().is_some_and(|line| line.starts_with("* here are 1: bob")), "{:#?}", next.heard);
    assert_eq!(reader.status(), 403);
}

#[test]
fn a_private_line_reaches_one() {
    let server = Launch::chat().workers(2).start();
    let (mut a, mut b, mut c) =
        (Talker::enter(&server, "a"), Talker::enter(&server, "b"), Talker::enter(&server, "c"));
    let page = Page::enter(&server, "p");
    let mut reader = page.listen(None);
    a.say("/to B psst");
    assert_eq!(b.until("psst"), "a -> you: psst");
    let whisper = json!({ "text": "you too", "to": "a" });
    assert_eq!(page.post("say", &whisper).unwrap().status, 200);
    assert_eq!(a.until("you too"), "p -> you: you too");
    assert_eq!(text(&reader.next_said()), "you too");
    a.say("/to nobody hello?");
    assert_eq!(a.until("nobody here"), "! nobody here is called nobody");
    b.say("for all");
    c.until("b: for all");
    assert!(!c.heard.iter().any(|line| line.contains("psst") || line.contains("you too")), "{:#?}", c.heard);
    assert_eq!(text(&reader.next_said()), "for all");
}

#[test]
fn newcomers_hear_what_was_said_and_pages_what_they_missed() {
    let server = Launch::chat().workers(3).start();
    let mut ann = Page::enter(&server, "ann");
    let numbers: Vec<_> = (0..3).map(|number| ann.say(&format!("early {number}"))).collect();
    let mut bob = Talker::connect(&server);
    bob.say("bob");
    bob.until("* earlier:");
    assert_eq!([(); 3].map(|()| bob.next().unwrap()), [0, 1, 2].map(|number| format!("ann: early {number}")));
    let mut all = ann.listen(None);
    assert_eq!([(); 3].map(|()| text(&all.next_said())), [0, 1, 2].map(|number| format!("early {number}")));
    let mut missed = ann.listen(Some(numbers[1]));
    assert_eq!(text(&missed.next_said()), "early 2");
    bob.say("late");
    assert_eq!([text(&missed.next_said()), text(&all.next_said())], ["late", "late"]);
}

#[test]
fn a_slow_reader_is_told_and_cut_off_and_slows_nobody() {
    let server = Launch::chat().workers(2).args(["--write-timeout", "off"]).start();
    let mut slow = Talker::enter(&server, "slow");
    let mut quick = Talker::enter(&server, "quick");
    let mut page = Talker::enter(&server, "page");
    let line = "x".repeat(3900);
    // More than the sockets between hold.
    for batch in 0..40 {
        (0..200).for_each(|number| page.say(&format!("{batch}-{number} {line}")));
        quick.until(&format!("page: {batch}-199 "));
        quick.heard.clear();
    }
    let last = slow.last();
    assert!(
        last.starts_with("! you are ") && last.contains("lines behind"),
        "{}",
        &last[..last.len().min(100)]
    );
    quick.until("* slow left");
    page.say("the end");
    quick.until("page: the end");
    // The name is free again.
    Talker::enter(&server, "slow");
}

#[test]
fn the_store_goes_with_the_server_unless_it_was_named() {
    let server = Launch::chat().workers(2).start();
    let runtime = server.launch.runtime().to_owned();
    Talker::enter(&server, "bob").say("hello");
    assert_eq!(server.operate("stop", &[]).code, 0);
    let left: Vec<_> = fs::read_dir(&runtime).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");

    let launch = Launch::chat().workers(2);
    let store = format!("sqlite:{}/kept.db", launch.folder().display());
    let launch = launch.args(["--store", &store]);
    let server = launch.clone().start();
    let mut ann = Page::enter(&server, "ann");
    ann.say("remember this");
    assert_eq!(server.operate("stop", &[]).code, 0);
    let server = launch.start();
    let mut bob = Talker::connect(&server);
    bob.say("bob");
    assert_eq!(bob.until("remember"), "ann: remember this");
}

#[test]
fn a_reload_moves_pages_and_tells_the_others() {
    let server = Launch::chat().workers(2).start();
    let mut page = Page::enter(&server, "ann");
    let mut reader = page.listen(None);
    let mut bob = Talker::enter(&server, "bob");
    let zhang = Letters::enter(&server, "zhang");
    page.say("before");
    assert_eq!(text(&reader.next_said()), "before");
    let reload = server.operate("reload", &[]);
    assert_eq!(reload.code, 0, "{reload:#?}");
    assert_eq!(bob.last(), "! this worker retires: connect again");
    page.say("after");
    assert_eq!(text(&reader.next_said()), "after");
    while !zhang.next().ends_with(" : after") {}
    let mut bob = Talker::enter(&server, "bob");
    zhang.send("C zhang still here");
    bob.until("zhang: still here");
}

#[test]
fn the_page_takes_nothing_from_elsewhere() {
    let server = Launch::chat().workers(1).start();
    for (path, media) in [("/", "text/html"), ("/chat.css", "text/css"), ("/chat.js", "text/javascript")] {
        let answer = server.get(path);
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").is_some_and(|value| value.starts_with(media)), "{path}");
        assert!(!answer.text().contains("//cdn") && !answer.text().contains("innerHTML"));
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(server.get("/nothing").status, 404);
    // Also where no page was asked for.
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\n\r\n").unwrap();
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("x-content-type-options")), (400, Some("nosniff")));
}
