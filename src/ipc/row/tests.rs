//! What a row tells, and that no content of the shared memory can harm its reader.

use proptest::prelude::*;

use super::*;

#[test]
fn a_row_tells_its_childs_life() {
    let row = Row::detached();
    assert_eq!(row.read().state, State::Booting);
    row.ready();
    assert_eq!(row.read().state, State::Idle);
    row.accepted();
    row.accepted();
    row.bytes_in(10);
    row.bytes_out(300);
    assert_eq!((row.read().state, row.active()), (State::Busy, 2));
    row.closed();
    row.closed();
    assert_eq!((row.read().state, row.active()), (State::Idle, 0));
    row.draining();
    let reading = row.read();
    assert_eq!((reading.state, reading.accepted), (State::Draining, 2));
    assert_eq!((reading.bytes_in, reading.bytes_out), (10, 300));
}

#[test]
fn a_request_is_seen_from_its_beginning_to_its_end() {
    let row = Row::detached();
    row.ready();
    row.beat(Time::from_millis(1234));
    row.begin(b"GET /index.html");
    let reading = row.read();
    assert_eq!(reading.current.as_deref(), Some("GET /index.html"));
    assert_eq!(reading.current_since, Some(Time::from_millis(1234)));
    assert_eq!((reading.state, reading.requests), (State::Busy, 0));
    row.begin(b"");
    assert_eq!(row.read().current.as_deref(), Some(""));
    row.end();
    let reading = row.read();
    assert_eq!((reading.current, reading.current_since, reading.requests), (None, None, 1));
}

#[test]
fn a_connection_that_is_gone_takes_its_request_with_it() {
    let row = Row::detached();
    row.ready();
    row.accepted();
    row.begin(b"GET /");
    row.closed();
    assert_eq!((row.read().current, row.read().requests), (None, 0));
}

#[test]
fn a_long_or_hostile_request_is_cut_and_escaped() {
    let row = Row::detached();
    row.begin(&[b'a'; 1000]);
    assert_eq!(row.read().current, Some("a".repeat(CURRENT)));
    row.begin(b"GET /\x1b[2J\r\n\\ \xff");
    assert_eq!(row.read().current.as_deref(), Some("GET /\\x1b[2J\\x0d\\x0a\\\\ \\xff"));
}

#[test]
fn a_request_is_never_seen_half_written() {
    let row = Row::detached();
    let writer = row.clone();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for round in 0..20_000_u32 {
                let letter = b'a' + (round % 26) as u8;
                writer.begin(&[letter; CURRENT][..1 + round as usize % CURRENT]);
            }
            writer.draining();
        });
        while row.read().state != State::Draining {
            if let Some(current) = row.read().current {
                let first = current.chars().next();
                assert!(current.chars().all(|letter| Some(letter) == first), "torn: {current}");
            }
        }
    });
}

#[test]
fn a_child_that_died_while_it_wrote_shows_no_request() {
    let row = Row::detached();
    row.begin(b"GET /");
    row.add(Word::Sequence, 1);
    assert_eq!(row.read().current, None);
}

proptest! {
    #[test]
    fn any_words_can_be_read(words in proptest::array::uniform32(any::<u64>()), length in 0..200_u64) {
        let row = Row::detached();
        for (word, value) in row.words().iter().zip(words) {
            word.store(value, Relaxed);
        }
        row.read();
        // And with a text that looks readable.
        row.set(Word::Sequence, 2);
        row.set(Word::Length, length);
        let current = row.read().current;
        prop_assert_eq!(current.is_some(), (1..=CURRENT as u64 + 1).contains(&length));
        prop_assert!(current.is_none_or(|text| text.bytes().all(|byte| (b' '..=b'~').contains(&byte))));
    }
}
