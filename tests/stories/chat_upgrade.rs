//! The room while its workers and its program are replaced: nothing that was acknowledged is lost or doubled.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use serde_json::Value;

use super::upgrade::started;
use crate::support::*;

/// The number that ends what ann says.
fn number(line: &str) -> Option<usize> {
    line.strip_prefix("ann: ").or_else(|| line.trim_start().strip_prefix("ann : "))?.parse().ok()
}

/// One at the door of lines, who comes in again whenever a worker retires: all numbers that were heard, until the last.
fn come_back(door: &str, last: &str) -> BTreeSet<usize> {
    let mut heard = BTreeSet::new();
    for visit in 0.. {
        let mut talker = Talker::at(door).named(&format!("bob{visit}"));
        heard.extend(talker.heard.iter().filter_map(|line| number(line)));
        while let Some(line) = talker.next() {
            if line.ends_with(last) {
                return heard;
            }
            heard.extend(number(&line));
        }
        assert_eq!(talker.last(), "! this worker retires: connect again");
    }
    heard
}

#[test]
fn no_line_is_lost_or_doubled_while_the_program_and_the_workers_are_replaced() {
    let server = Launch::chat().workers(2).start();
    let mut ann = Page::enter(&server, "ann");
    let zhang = Letters::enter(&server, "zhang");
    let door = Talker::door(&server);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let stop = Over(&over);
        let bob = scope.spawn(|| come_back(&door, "ann: end"));
        let speaker = scope.spawn(|| {
            let mut count = 0;
            while !over.load(SeqCst) {
                ann.say(&count.to_string());
                // The next one when this one has come by datagram: so that none is lost for want of room.
                let next = || number(&zhang.next());
                let came = std::iter::from_fn(|| Some(next())).flatten().next();
                assert_eq!(came, Some(count), "each once and in order");
                count += 1;
            }
            ann.say("end");
            count
        });
        for verb in ["reload", "upgrade", "reload", "upgrade"] {
            server.operate(verb, &[]).done();
        }
        drop(stop);
        let count = speaker.join().unwrap();
        let bob = bob.join().unwrap();
        let first = bob.first().copied().unwrap_or(count);
        assert!(bob.iter().copied().eq(first..count), "all since he came: {bob:?} of {count}");
    });
}

#[test]
fn who_is_held_by_an_old_worker_hears_what_is_said_by_way_of_a_new_one() {
    let server = Launch::chat().workers(1).start();
    // The one worker keeps the room, and with it the door of datagrams, until it ends.
    let zhang = Letters::enter(&server, "zhang");
    let old = server.workers()[0];
    let mut unfinished = server.client();
    unfinished.send("POST /join HTTP/1.1\r\nHost: room\r\nContent-Length: 14\r\n\r\n").unwrap();
    eventually("it is being read", || (server.status()["workers"][0]["active"] == 1).then_some(()));
    let upgrade = started(&server, "upgrade", &[]);
    eventually("the old worker drains", || {
        let workers = server.status()["workers"].clone();
        let drains = |worker: &Value| worker["pid"] == old && worker["state"] == "draining";
        workers.as_array()?.iter().any(drains).then_some(())
    });
    let mut bob = Talker::enter(&server, "bob");
    bob.say("by a new worker");
    let heard = std::iter::repeat_with(|| zhang.next()).find(|text| text.contains("by a new worker"));
    assert_eq!(heard.as_deref(), Some("\nbob : by a new worker"));
    assert!(Process::lives(old), "nobody had to wait for its end");
    unfinished.send("{\"name\":\"ann\"}").unwrap();
    assert_eq!(unfinished.answer().unwrap().status, 201);
    upgrade.join().unwrap().done();
}

/// When it is dropped, the speaker ends.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
