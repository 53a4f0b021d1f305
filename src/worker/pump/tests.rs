//! A session over a real connection, with limits of tenths of seconds.

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    thread,
    time::Instant,
};

use super::*;
use crate::{
    listener::{Address, bind},
    worker::{
        limits::Limits,
        link::Porch,
        session::{Exchange, Flow, Peer, Session},
        testing::{Bench, limits, link},
    },
};

/// Repeats each line; the last one is marked.
struct Lines;

impl Application for Lines {
    type Session = Self;

    fn open(&self, _: &Peer) -> Self {
        Self
    }
}

impl Session for Lines {
    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        while let Some(end) = io.input().iter().position(|byte| *byte == b'\n') {
            let line = &io.input()[..=end];
            let last = io.draining();
            io.output().write(if last { b"last " } else { b"" });
            io.output().write(line);
            io.consume(end + 1);
            io.end();
            if last {
                return Flow::Close;
            }
        }
        Flow::Read(if io.input().is_empty() { Limit::Idle } else { Limit::Header })
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, limit: Limit) -> Flow {
        io.output().write(format!("{limit:?} is over\n").as_bytes());
        Flow::CloseLingering
    }
}

/// Pumps it in a thread, lets the client act, and answers what the client read until the end, and how long it took.
fn talk(limits: Limits, porch: Porch, client: impl FnOnce(&mut Bench)) -> (String, Duration) {
    talk_to(Lines, limits, porch, client)
}

/// The same with another application.
fn talk_to(
    application: impl Application + Send + 'static,
    limits: Limits,
    porch: Porch,
    client: impl FnOnce(&mut Bench),
) -> (String, Duration) {
    let (mut link, mut bench) = link(limits, porch);
    let pumped = thread::spawn(move || {
        let session = application.open(link.peer());
        let _ = pump(&application, session, &mut link, &mut Room::new(4096));
    });
    let begin = Instant::now();
    client(&mut bench);
    let mut answer = String::new();
    bench.client.read_to_string(&mut answer).unwrap();
    let took = begin.elapsed();
    drop(bench);
    pumped.join().unwrap();
    (answer, took)
}

fn read(bench: &mut Bench, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    bench.client.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

fn within(took: Duration, from: u64, to: u64) {
    assert!(took >= Duration::from_millis(from) && took < Duration::from_millis(to), "{took:?}");
}

#[test]
fn messages_are_answered_in_order_whole_or_in_pieces() {
    let (rest, _) = talk(limits(), Porch::default(), |bench| {
        bench.client.write_all(b"one\ntwo\nthr").unwrap();
        read(bench, "one\ntwo\n");
        bench.client.write_all(b"ee\n").unwrap();
        read(bench, "three\n");
        bench.client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(bench.row.read().requests, 3);
    });
    assert_eq!(rest, "");
}

#[test]
fn each_limit_ends_what_it_limits() {
    let (idle, took) = talk(limits(), Porch::default(), |_| ());
    assert_eq!(idle, "Idle is over\n");
    within(took, 300, 2000);
    let (header, took) = talk(limits(), Porch::default(), |bench| bench.client.write_all(b"x").unwrap());
    assert_eq!(header, "Header is over\n");
    within(took, 190, 2000);
}

#[test]
fn a_drain_answers_the_next_message_as_the_last() {
    let limits = Limits { linger: Duration::from_secs(30), drain: None, idle: None, ..limits() };
    let (rest, took) = talk(limits, Porch::default(), |bench| {
        bench.client.write_all(b"one\n").unwrap();
        read(bench, "one\n");
        bench.worker = None;
        bench.client.write_all(b"two\n").unwrap();
    });
    assert_eq!(rest, "last two\n");
    within(took, 0, 2000);
}

#[test]
fn a_drain_gives_a_silent_client_the_linger() {
    let limits = Limits { idle: Some(Duration::from_secs(30)), ..limits() };
    let (rest, took) = talk(limits, Porch::default(), |bench| bench.worker = None);
    assert_eq!(rest, "Idle is over\n");
    within(took, 100, 2000);
}

#[test]
fn a_drain_cuts_what_is_not_finished_at_its_limit() {
    let limits = Limits { header: None, ..limits() };
    let (rest, took) = talk(limits, Porch::default(), |bench| {
        bench.client.write_all(b"half").unwrap();
        bench.worker = None;
    });
    assert_eq!(rest, "");
    within(took, 500, 2000);
}

#[test]
fn an_orphan_closes_its_doors_at_once() {
    let listener = bind(&"127.0.0.1:0".parse::<Address>().unwrap(), 16).unwrap();
    let porch = Porch::new(vec![listener]);
    let limits = Limits { idle: Some(Duration::from_secs(30)), ..limits() };
    let (_, took) = talk(limits, porch.clone(), |bench| bench.master = None);
    within(took, 100, 2000);
    assert!(porch.listeners().is_empty());
}

#[test]
fn a_silent_kept_connection_makes_room_for_who_waits() {
    let listener = bind(&"127.0.0.1:0".parse::<Address>().unwrap(), 16).unwrap();
    let address = listener.local().to_string();
    let limits = Limits { idle: None, ..limits() };
    let mut waiting = None;
    let (rest, took) = talk(limits, Porch::new(vec![listener]), |bench| {
        bench.client.write_all(b"one\n").unwrap();
        read(bench, "one\n");
        waiting = Some(TcpStream::connect(address).unwrap());
    });
    assert_eq!(rest, "");
    within(took, 100, 2000);
}

#[test]
fn a_kept_connection_is_answered_for_the_last_time_while_others_wait() {
    let listener = bind(&"127.0.0.1:0".parse::<Address>().unwrap(), 16).unwrap();
    let address = listener.local().to_string();
    let mut waiting = None;
    let (rest, _) = talk(limits(), Porch::new(vec![listener]), |bench| {
        bench.client.write_all(b"one\n").unwrap();
        read(bench, "one\n");
        waiting = Some(TcpStream::connect(address).unwrap());
        bench.client.write_all(b"two\n").unwrap();
    });
    assert_eq!(rest, "last two\n");
}

/// Says what wakes it, and what it hears meanwhile.
struct Sleeper {
    news: UnixStream,
    patience: Option<Duration>,
}

struct Sleep(Option<Duration>);

impl Application for Sleeper {
    type Session = Sleep;

    fn open(&self, _: &Peer) -> Sleep {
        Sleep(self.patience)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.news.as_fd())
    }

    fn on_news(&self) -> io::Result<Wakes> {
        let mut byte = [0];
        (&self.news).read_exact(&mut byte)?;
        Ok(if byte == *b"!" { Wakes::Everyone } else { Wakes::Nobody })
    }
}

impl Session for Sleep {
    fn on_open(&mut self, _: &mut Exchange<'_>) -> Flow {
        Flow::Wait(self.0)
    }

    fn on_bytes(&mut self, _: &mut Exchange<'_>) -> Flow {
        Flow::Stay
    }

    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        let words = format!("end after {}\n", io.input().len());
        io.output().write(words.as_bytes());
        Flow::Stay
    }

    fn on_wake(&mut self, io: &mut Exchange<'_>, wake: Wake) -> Flow {
        io.output().write(format!("{wake:?}\n").as_bytes());
        if wake == Wake::Time { Flow::CloseLingering } else { Flow::Wait(self.0) }
    }

    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        io.output().write(b"drain\n");
        Flow::Stay
    }
}

fn sleeper(patience: Option<Duration>) -> (Sleeper, UnixStream) {
    let (news, bell) = UnixStream::pair().unwrap();
    (Sleeper { news, patience }, bell)
}

#[test]
fn who_waits_is_woken_by_news_and_by_its_own_clock() {
    let (application, mut bell) = sleeper(Some(Duration::from_millis(400)));
    // No limit on reading runs meanwhile, and what the client says does not matter.
    let (rest, took) = talk_to(application, limits(), Porch::default(), |bench| {
        bench.client.write_all(b"are you there?").unwrap();
        bell.write_all(b".!").unwrap();
        read(bench, "News\n");
        bell.write_all(b"..!").unwrap();
        read(bench, "News\n");
    });
    assert_eq!(rest, "Time\n");
    within(took, 400, 2000);
}

#[test]
fn who_waits_learns_that_its_peer_has_ended_and_may_go_on() {
    let (application, mut bell) = sleeper(Some(Duration::from_millis(300)));
    let (rest, _) = talk_to(application, limits(), Porch::default(), |bench| {
        bench.client.write_all(b"bye").unwrap();
        bench.client.shutdown(std::net::Shutdown::Write).unwrap();
        read(bench, "end after 3\n");
        bell.write_all(b"!").unwrap();
        read(bench, "News\n");
    });
    assert_eq!(rest, "Time\n");
}

#[test]
fn who_waits_hears_of_a_drain_once_and_is_cut_at_its_limit() {
    let (application, _bell) = sleeper(None);
    let (rest, took) = talk_to(application, limits(), Porch::default(), |bench| bench.worker = None);
    assert_eq!(rest, "drain\n");
    within(took, 500, 2000);
}

#[test]
fn who_waits_for_news_is_asked_to_make_room_once_others_wait() {
    let listener = bind(&"127.0.0.1:0".parse::<Address>().unwrap(), 16).unwrap();
    let address = listener.local().to_string();
    let (application, mut bell) = sleeper(None);
    let mut waiting = None;
    talk_to(application, limits(), Porch::new(vec![listener]), |bench| {
        bell.write_all(b"!").unwrap();
        read(bench, "News\n");
        waiting = Some(TcpStream::connect(address).unwrap());
        read(bench, "drain\n");
        bell.write_all(b"!").unwrap();
        read(bench, "News\n");
        bench.client.shutdown(std::net::Shutdown::Both).unwrap();
    });
}

/// Repeats what it hears, and says when there is news.
struct Talker(UnixStream);
struct Talk;

impl Application for Talker {
    type Session = Talk;

    fn open(&self, _: &Peer) -> Talk {
        Talk
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0.as_fd())
    }

    fn on_news(&self) -> io::Result<Wakes> {
        (&self.0).read_exact(&mut [0])?;
        Ok(Wakes::Everyone)
    }
}

impl Session for Talk {
    fn on_open(&mut self, _: &mut Exchange<'_>) -> Flow {
        Flow::Talk
    }

    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        let bytes = io.input();
        io.output().write(bytes);
        io.consume(bytes.len());
        Flow::Talk
    }

    fn on_wake(&mut self, io: &mut Exchange<'_>, wake: Wake) -> Flow {
        io.output().write(format!("{wake:?}\n").as_bytes());
        Flow::Stay
    }
}

#[test]
fn who_talks_hears_the_peer_and_the_news_as_they_come() {
    let (news, mut bell) = UnixStream::pair().unwrap();
    let (rest, _) = talk_to(Talker(news), limits(), Porch::default(), |bench| {
        bench.client.write_all(b"one\n").unwrap();
        read(bench, "one\n");
        bell.write_all(b"!").unwrap();
        read(bench, "News\n");
        bench.client.write_all(b"two\n").unwrap();
        read(bench, "two\n");
        bench.client.shutdown(std::net::Shutdown::Write).unwrap();
    });
    assert_eq!(rest, "");
}
