//! That nothing is lost, repeated or reordered, whatever the kernel takes at once.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
    thread,
};

use super::*;

fn file(content: &[u8]) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

/// Sends all of it to a reader that takes it slowly, and returns what came.
fn through(mut output: Output) -> Vec<u8> {
    let (ours, mut theirs) = pair();
    let reader = thread::spawn(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    });
    while output.send(ours.as_fd(), Behind::More).unwrap().end != End::Empty {
        let mut fds = [nix::poll::PollFd::new(ours.as_fd(), nix::poll::PollFlags::POLLOUT)];
        nix::poll::poll(&mut fds, nix::poll::PollTimeout::NONE).unwrap();
    }
    drop(ours);
    reader.join().unwrap()
}

#[test]
fn pieces_of_all_kinds_come_in_the_order_of_writing() {
    let mut output = Output::new();
    output.write(b"head ");
    output.write(b"more ");
    output.share(Arc::from(&b"shared "[..]));
    output.share_part(Arc::from(&b"xpartx"[..]), 1..5);
    output.file(FileRange { file: file(b"0123456789"), range: 2..6 });
    output.write(b" tail");
    assert_eq!(through(output), b"head more shared part2345 tail");
}

#[test]
fn what_is_empty_is_no_piece() {
    let mut output = Output::new();
    output.write(b"");
    output.share(Arc::from(&b""[..]));
    output.file(FileRange { file: file(b"x"), range: 1..1 });
    assert!(output.is_empty());
    let (ours, _theirs) = pair();
    assert_eq!(output.send(ours.as_fd(), Behind::More).unwrap(), Sent { bytes: 0, end: End::Empty });
}

#[test]
fn a_long_mixture_survives_many_partial_sends() {
    let (mut output, mut expected) = (Output::new(), Vec::new());
    let big: Arc<[u8]> = (0..100_000_u32).map(|n| n as u8).collect();
    let on_disk = file(&big);
    for round in 0..100_usize {
        let line = format!("piece {round};");
        output.write(line.as_bytes());
        expected.extend_from_slice(line.as_bytes());
        if round % 3 == 0 {
            output.share(Arc::clone(&big));
            expected.extend_from_slice(&big);
        } else if round % 3 == 1 {
            output.file(FileRange { file: Arc::clone(&on_disk), range: 7..99_999 });
            expected.extend_from_slice(&big[7..99_999]);
        }
    }
    assert!(through(output) == expected);
}

#[test]
fn more_inserts_than_one_call_takes_are_sent_too() {
    let (mut output, mut expected) = (Output::new(), String::new());
    for round in 0..1000 {
        output.share(Arc::from(format!("{round},").into_bytes()));
        expected += &format!("{round},");
    }
    assert!(output.is_full());
    assert_eq!(through(output), expected.as_bytes());
}

#[test]
fn a_peer_that_takes_nothing_blocks_and_loses_nothing() {
    let (ours, _theirs) = pair();
    let mut output = Output::new();
    output.write(&vec![b'x'; 4 << 20]);
    let sent = output.send(ours.as_fd(), Behind::More).unwrap();
    assert_eq!(sent.end, End::Blocked);
    assert!(sent.bytes > 0 && !output.is_empty() && output.is_full());
    assert_eq!(output.send(ours.as_fd(), Behind::More).unwrap(), Sent { bytes: 0, end: End::Blocked });
}

#[test]
fn a_file_that_became_shorter_is_an_error_and_not_an_endless_loop() {
    let (ours, _theirs) = pair();
    let mut output = Output::new();
    output.file(FileRange { file: file(b"short"), range: 0..100 });
    // The first five bytes are taken; then there is nothing.
    assert_eq!(output.send(ours.as_fd(), Behind::More).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_no_signal() {
    let (ours, theirs) = pair();
    drop(theirs);
    let mut output = Output::new();
    output.write(b"hello");
    assert_eq!(output.send(ours.as_fd(), Behind::More).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

/// Whether the answer is with its client before the end that was announced behind it.
fn arrives_before_the_end(behind: Behind) -> bool {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut theirs = TcpStream::connect(door.local_addr().unwrap()).unwrap();
    let (ours, _) = door.accept().unwrap();
    let mut output = Output::new();
    output.write(b"bye");
    assert_eq!(output.send(ours.as_fd(), behind).unwrap(), Sent { bytes: 3, end: End::Empty });
    theirs.set_nonblocking(true).unwrap();
    let early = theirs.peek(&mut [0; 3]).is_ok();
    ours.shutdown(Shutdown::Write).unwrap();
    theirs.set_nonblocking(false).unwrap();
    let mut all = Vec::new();
    theirs.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"bye");
    early
}

#[test]
fn the_last_bytes_leave_with_the_end() {
    assert!(arrives_before_the_end(Behind::More));
    // The kernel waits for the end for a fifth of a second: a machine may be busy for so long, but not each time.
    assert!((0..20).any(|_| !arrives_before_the_end(Behind::End)));
}
