//! A handler's connection over a real one, with limits of tenths of seconds.

use std::{os::unix::net::UnixStream, thread, time::Instant};

use super::*;
use crate::worker::{
    link::Porch,
    testing::{Bench, limits, link},
};

fn connection() -> (Connection, Bench) {
    let (link, bench) = link(limits(), Porch::default());
    (Connection::new(link), bench)
}

fn rest(client: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn what_one_side_writes_the_other_reads() {
    let (mut connection, mut bench) = connection();
    bench.client.write_all(b"hello").unwrap();
    let mut buffer = [0; 5];
    connection.read_exact(&mut buffer).unwrap();
    connection.write_all(b"Thanks").unwrap();
    drop(connection);
    assert_eq!((&buffer, &*rest(&mut bench.client)), (b"hello", &b"Thanks"[..]));
    let counted = bench.row.read();
    assert_eq!((counted.bytes_in, counted.bytes_out), (5, 6));
}

#[test]
fn a_silent_client_is_an_error() {
    let (mut connection, _bench) = connection();
    let begin = Instant::now();
    assert_eq!(connection.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn a_silent_client_has_the_linger_in_a_drain_and_looks_like_one_that_has_finished() {
    let (link, mut bench) = link(Limits { idle: None, ..limits() }, Porch::default());
    let mut connection = Connection::new(link);
    bench.worker = None;
    let begin = Instant::now();
    assert_eq!(connection.read(&mut [0; 8]).unwrap(), 0);
    assert!(connection.draining() && begin.elapsed() >= Duration::from_millis(100));
}

#[test]
fn a_client_that_takes_nothing_is_an_error() {
    let (mut connection, bench) = connection();
    let error = connection.write_all(&vec![0; 8 << 20]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    drop(bench);
}

#[test]
fn bytes_that_nobody_read_do_not_destroy_the_answer() {
    let (mut connection, mut bench) = connection();
    bench.client.write_all(&[b'x'; 10_000]).unwrap();
    let handler = thread::spawn(move || connection.write_all(b"Thanks"));
    assert_eq!(rest(&mut bench.client), b"Thanks");
    bench.client.shutdown(std::net::Shutdown::Write).unwrap();
    handler.join().unwrap().unwrap();
}
