//! Two hundred people in a room whose workers are killed one after the other: nobody loses a line that was acknowledged.

use std::{
    io::{self, Write},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::Duration,
};

use crate::support::*;

/// How many are in the room. All speak and all listen.
const CLIENTS: usize = 200;

/// How many of them speak at the same time.
const VOICES: usize = 8;

const WORKERS: u32 = 4;

/// A line's number, and its text.
type Said = (u64, String);

#[test]
fn a_line_that_was_acknowledged_is_lost_to_nobody_while_workers_are_killed() {
    nobody_loses_a_line(|server| {
        for round in 0..8 {
            let workers = server.wait_workers(WORKERS as usize);
            send(workers[round % workers.len()], Signal::SIGKILL);
        }
    });
}

/// `cargo nextest run --run-ignored only --no-capture -E 'test(killed_each_second)'` tells how many lines it were.
#[test]
#[ignore = "half a minute; the one above holds the same at a faster pace"]
fn a_line_that_was_acknowledged_is_lost_to_nobody_while_a_worker_is_killed_each_second() {
    const KILLS: usize = 25;
    let lines = nobody_loses_a_line(|server| {
        for beat in beats(Duration::from_secs(1)).take(KILLS) {
            let workers = server.workers();
            send(workers[beat % workers.len()], Signal::SIGKILL);
        }
    });
    let _ = writeln!(
        io::stderr(),
        "{KILLS} workers of {WORKERS} at a time were killed, one each second: {lines} lines were acknowledged, and each of \
         {CLIENTS} clients received {lines}, each once and in order"
    );
}

/// All speak as fast as they are acknowledged while workers are killed; how many lines that were.
fn nobody_loses_a_line(kill: impl FnOnce(&Instance)) -> usize {
    let server = Launch::chat().workers(WORKERS).start();
    server.allow("signal:KILL").allow("event=killed");
    let mut pages: Vec<_> = (0..CLIENTS).map(|number| Page::enter(&server, &format!("n{number}"))).collect();
    let readers: Vec<_> = pages.iter().map(|page| page.listen(Some(0))).collect();
    let over = AtomicBool::new(false);
    let (said, heard) = thread::scope(|scope| {
        // Whatever happens here, nobody speaks for ever.
        let stop = Over(&over);
        let readers: Vec<_> = readers.into_iter().map(|reader| scope.spawn(move || hear(reader))).collect();
        let voices: Vec<_> =
            pages.chunks_mut(CLIENTS / VOICES).map(|pages| scope.spawn(|| speak(pages, &over))).collect();
        kill(&server);
        server.wait_workers(WORKERS as usize);
        drop(stop);
        let said: Vec<Vec<Said>> = voices.into_iter().map(|voice| voice.join().unwrap()).collect();
        (said, readers.into_iter().map(|reader| reader.join().unwrap()).collect::<Vec<_>>())
    });
    let mut acknowledged = said.concat();
    acknowledged.sort_unstable();
    assert!(heard.iter().all(|lines| *lines == acknowledged), "each heard each line once and in order");
    acknowledged.len()
}

/// One after the other says a line until it is over, and each a last word then.
fn speak(pages: &mut [Page], over: &AtomicBool) -> Vec<Said> {
    let mut said = Vec::new();
    let mut say = |page: &mut Page, text: &str| said.push((page.say(text), text.to_owned()));
    for turn in 0.. {
        if over.load(SeqCst) {
            break;
        }
        let who = turn % pages.len();
        say(&mut pages[who], &format!("line {turn}"));
    }
    pages.iter_mut().for_each(|page| say(page, "end"));
    said
}

/// All that is said until each has said the last word.
fn hear(mut reader: Reader) -> Vec<Said> {
    let (mut lines, mut ended) = (Vec::new(), 0);
    while ended < CLIENTS {
        let line = reader.next_said();
        let text = line["text"].as_str().expect("a text").to_owned();
        ended += usize::from(text == "end");
        lines.push((line["number"].as_u64().expect("a number"), text));
    }
    lines
}

/// When it is dropped, it is over.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}
