//! A range of workers: more while all are busy and clients queue, fewer when it is quiet, and what people and files say
//! about it.

use std::fs;

use crate::support::*;

#[test]
fn it_grows_with_the_queue_and_shrinks_when_it_is_quiet() {
    let launch = Launch::http().args(["-w", "1..4", "--model", "blocking", "--header-timeout", "off"]);
    let server = launch.start();
    assert_eq!(server.status()["range"], serde_json::json!([1, 4]));
    // Each takes a worker for itself, for as long as its head is not complete.
    let mut clients: Vec<_> = (0..5).map(|_| server.client()).collect();
    clients.iter_mut().for_each(|client| client.send("GET /hello.txt HTTP/1.1\r\n").unwrap());
    for workers in 2..=4 {
        let line = server.log.wait(&format!("event=scaled from={} workers={workers}", workers - 1));
        assert_eq!(line.field("reason").as_deref(), Some("all busy and clients queue"), "{line}");
    }
    server.wait_workers(4);
    for client in &mut clients[..4] {
        client.send("Host: test\r\nConnection: close\r\n\r\n").unwrap();
        assert_eq!(client.answer().unwrap().status, 200);
    }
    drop(clients);
    server.log.wait("event=scaled from=4 workers=3 reason=quiet");
    server.log.wait("event=exited slot=4 status=exit:0");
    assert_eq!(server.log.all("event=scaled").len(), 4);
}

#[test]
fn a_person_chooses_within_the_range() {
    let server = Launch::http().args(["-w", "2..4"]).start();
    server.allow("event=refused");
    assert_eq!(server.workers().len(), 2, "it begins with the least");
    server.operate("scale", &["4"]).done();
    assert_eq!(server.workers().len(), 4);
    let end = server.operate("scale", &["+1"]);
    assert_ne!(end.code, 0, "{end:?}");
    assert!(end.err.contains("cannot scale to 5 workers: the settings say 2..4"), "{end:?}");
    server.signal(Signal::SIGTTIN);
    server.log.wait("event=refused");
    assert_eq!(server.workers().len(), 4);
}

#[test]
fn a_reload_changes_the_range_and_an_upgrade_keeps_the_number() {
    let launch = Launch::http();
    let file = launch.folder().join("web.toml");
    let says = |workers: &str| fs::write(&file, format!("workers = {workers}\n")).unwrap();
    says("\"1..4\"");
    let server = launch.args(["--config", &file.to_string_lossy()]).start();
    server.operate("scale", &["3"]).done();
    server.operate("upgrade", &[]).done();
    assert_eq!((server.workers().len(), &server.status()["range"]), (3, &serde_json::json!([1, 4])));
    says("\"1..2\"");
    server.operate("reload", &[]).done();
    assert_eq!((server.workers().len(), &server.status()["range"]), (2, &serde_json::json!([1, 2])));
    server.log.wait("event=scaled from=3 workers=2 reason=settings");
    says("3");
    server.operate("reload", &[]).done();
    assert_eq!((server.workers().len(), &server.status()["range"]), (3, &serde_json::Value::Null));
    says("\"4..2\"");
    let end = server.operate("reload", &[]);
    server.allow("event=reload");
    assert!(end.err.contains("(write 2..4)"), "{end:?}");
}
