//! Answers that take longer than a call: streams, events, other protocols.

use std::{cell::Cell, rc::Rc, time::Duration};

use super::*;
use crate::{
    app::testing::{Pace, Wire, nobody},
    worker::session::{Application, Exchange, Flow, Limit, Session, Wake},
};

type Client = Wire<HttpSession<fn(&Request<'_>) -> Response>>;

const SOON: Duration = Duration::from_millis(20);
const IDLE: Flow = Flow::Read(Limit::Idle);

fn handle(request: &Request<'_>) -> Response {
    match request.path() {
        "/count" => Response::stream("text/plain", count()),
        "/large" => Response::stream("text/plain", large()),
        "/slow" => Response::stream("text/plain", steps([Next::After(SOON), Next::News(None), Next::End])),
        "/events" => Response::events(ticks()),
        "/panic" => Response::stream("text/plain", |out| {
            out.write("so far");
            panic!("as asked")
        }),
        "/trailers" => Response::stream("text/plain", |out| {
            out.write("abc");
            out.trailer("X-Sum", "6");
            Next::End
        }),
        "/bad-trailer" => Response::stream("text/plain", |out| {
            out.trailer("Content-Length", "6");
            Next::End
        }),
        "/nothing" => Response::stream("text/plain", |_| Next::End),
        "/none" => Response::stream("text/plain", |_| Next::End).status(204),
        "/say" => Response::text("said").announce(),
        "/shout" => Response::upgrade("shout", Shout).header("X-A", "b"),
        "/bad-shout" => Response::upgrade("sh\nout", Shout),
        _ => Response::text("plain"),
    }
}

/// `3 2 1`, in three calls.
fn count() -> impl FnMut(&mut Sink<'_>) -> Next {
    let mut left = 3;
    move |out| {
        out.write(format!("{left} "));
        left -= 1;
        if left > 0 { Next::Now } else { Next::End }
    }
}

/// A megabyte, in pieces.
fn large() -> impl FnMut(&mut Sink<'_>) -> Next {
    let mut left = 100;
    move |out| {
        out.write([b'x'; 10_000]);
        left -= 1;
        if left > 0 { Next::Now } else { Next::End }
    }
}

/// Says how often it was called, and waits for one thing after the other.
fn steps(nexts: [Next; 3]) -> impl FnMut(&mut Sink<'_>) -> Next {
    let mut nexts = nexts.into_iter().enumerate();
    move |out| {
        let (number, next) = nexts.next().expect("no call after the end");
        out.write(format!("{number}"));
        next
    }
}

fn ticks() -> impl FnMut(&mut Events<'_, '_>) -> Next {
    let mut number = 0;
    move |events| {
        events.send(Event::new("tick").id(&number.to_string()));
        number += 1;
        Next::News(Some(SOON))
    }
}

/// Gives everything back in capitals; a full stop ends it.
struct Shout;

impl Session for Shout {
    fn on_open(&mut self, io: &mut Exchange<'_>) -> Flow {
        io.output().write(b"LOUD!");
        Flow::Read(Limit::Idle)
    }

    fn on_bytes(&mut self, io: &mut Exchange<'_>) -> Flow {
        let loud = io.input().to_ascii_uppercase();
        io.output().write(&loud);
        io.consume(loud.len());
        if loud.contains(&b'.') { Flow::Close } else { Flow::Wait(Some(SOON)) }
    }

    fn on_wake(&mut self, io: &mut Exchange<'_>, _: Wake) -> Flow {
        io.output().write(b"STILL HERE");
        Flow::Read(Limit::Body)
    }

    fn on_drain(&mut self, io: &mut Exchange<'_>) -> Flow {
        io.output().write(b"BYE");
        Flow::CloseLingering
    }

    fn on_timeout(&mut self, io: &mut Exchange<'_>, _: Limit) -> Flow {
        io.output().write(b"LATE");
        Flow::Close
    }

    fn on_end(&mut self, io: &mut Exchange<'_>) -> Flow {
        io.output().write(b"END");
        Flow::Close
    }
}

fn connect() -> Client {
    Wire::new(Http::new(handle as fn(&Request<'_>) -> Response).open(&nobody()), Pace::Steady)
}

/// An answer as text, without its dates.
fn read((answer, flow): (Vec<u8>, Flow)) -> (String, Flow) {
    let text = String::from_utf8(answer).expect("text");
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: "));
    (lines.collect(), flow)
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn ask(request: &str) -> (String, Flow) {
    read(connect().send(request.as_bytes()))
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_stream_comes_in_chunks_and_the_next_request_is_answered_behind_it() {
    let plain =
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nplain";
    let stream = format!("{CHUNKED}2\r\n3 \r\n2\r\n2 \r\n2\r\n1 \r\n0\r\n\r\n");
    assert_eq!(ask(&get("/count")), (stream.clone(), IDLE));
    assert_eq!(ask(&format!("{}{}", get("/count"), get("/"))), (format!("{stream}{plain}"), IDLE));
    assert_eq!(ask(&get("/nothing")).0, format!("{CHUNKED}0\r\n\r\n"));
}

#[test]
fn a_client_of_http_1_0_reads_a_stream_until_the_end() {
    let (answer, flow) = ask("GET /count HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n3 2 1 ");
    assert_eq!(flow, Flow::CloseLingering);
}

#[test]
fn the_head_of_a_stream_says_nothing_of_a_length_and_its_function_is_not_called() {
    assert_eq!(ask("HEAD /panic HTTP/1.1\r\nHost: a\r\n\r\n"), (CHUNKED.into(), IDLE));
    assert_eq!(ask(&get("/none")).0, "HTTP/1.1 204 No Content\r\nContent-Type: text/plain\r\n\r\n");
}

#[test]
fn what_is_made_faster_than_it_is_sent_is_made_bit_by_bit() {
    let (answer, flow) = ask(&format!("{}{}", get("/large"), get("/")));
    assert_eq!(flow, IDLE);
    assert_eq!(answer.matches('x').count(), 1_000_000 + "text/plain".matches('x').count() * 2);
    assert!(answer.ends_with("\r\n\r\nplain"));
}

#[test]
fn a_stream_is_called_for_what_it_waits_for() {
    let mut client = connect();
    let (answer, flow) = read(client.send(format!("{}{}", get("/slow"), get("/")).as_bytes()));
    assert_eq!((answer, flow), (format!("{CHUNKED}1\r\n0\r\n"), Flow::Wait(Some(SOON))));
    assert_eq!(client.wake(Wake::News), (vec![], Flow::Stay), "news are none of its business");
    assert_eq!(client.send(&get("/").into_bytes()), (vec![], Flow::Stay), "who asks meanwhile waits");
    assert_eq!(client.wake(Wake::Time), (b"1\r\n1\r\n".to_vec(), Flow::Wait(None)));
    let (rest, flow) = read(client.wake(Wake::News));
    assert!(rest.starts_with("1\r\n2\r\n0\r\n\r\nHTTP/1.1 200 OK"), "{rest}");
    assert_eq!((rest.matches("plain").count(), flow), (4, IDLE), "{rest}");
}

#[test]
fn a_client_that_ends_its_direction_still_gets_a_whole_body_but_hears_no_more_events() {
    let mut client = connect();
    client.send(get("/slow").as_bytes());
    assert_eq!(client.end(), (vec![], Flow::Stay));
    let mut client = connect();
    client.send(get("/events").as_bytes());
    assert_eq!(client.end(), (vec![], Flow::Close));
}

#[test]
fn events_end_when_the_worker_drains() {
    let mut client = connect();
    let (answer, flow) = read(client.send(get("/events").as_bytes()));
    assert!(
        answer.contains("Content-Type: text/event-stream\r\n") && answer.contains("no-store"),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n12\r\nid: 0\ndata: tick\n\n\r\n"), "{answer}");
    assert_eq!(flow, Flow::Wait(Some(SOON)));
    assert_eq!(client.wake(Wake::News).0, b"12\r\nid: 1\ndata: tick\n\n\r\n");
    assert_eq!(client.drain(), (b"0\r\n\r\n".to_vec(), Flow::CloseLingering));
    let mut late = connect();
    late.pace = Pace::Draining;
    let (answer, flow) = read(late.send(get("/events").as_bytes()));
    assert!(answer.contains("Connection: close") && answer.ends_with("\n\n\r\n0\r\n\r\n"), "{answer}");
    assert_eq!(flow, Flow::CloseLingering);
}

#[test]
fn another_stream_outlives_the_beginning_of_a_drain() {
    let mut client = connect();
    client.send(get("/slow").as_bytes());
    assert_eq!(client.drain(), (vec![], Flow::Stay));
    assert_eq!(client.wake(Wake::Time), (b"1\r\n1\r\n".to_vec(), Flow::Wait(None)));
    assert_eq!(client.wake(Wake::News), (b"1\r\n2\r\n0\r\n\r\n".to_vec(), Flow::CloseLingering));
}

#[test]
fn what_a_stream_holds_is_dropped_with_its_connection() {
    struct Guest(Rc<Cell<u32>>);
    impl Drop for Guest {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let guests = Rc::new(Cell::new(0));
    let handler = {
        let guests = Rc::clone(&guests);
        move |_: &Request<'_>| {
            guests.set(guests.get() + 1);
            let guest = Guest(Rc::clone(&guests));
            Response::events(move |events| {
                events.send(&format!("{} here", guest.0.get()));
                Next::News(None)
            })
        }
    };
    let mut client = Wire::new(Http::new(handler).open(&nobody()), Pace::Steady);
    assert!(read(client.send(get("/").as_bytes())).0.contains("data: 1 here"));
    assert_eq!(guests.get(), 1);
    drop(client);
    assert_eq!(guests.get(), 0);
}

#[test]
fn trailers_are_for_who_wants_them() {
    let (answer, _) =
        ask("GET /trailers HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: gzip, trailers\r\n\r\n");
    assert!(answer.ends_with("3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n"), "{answer}");
    assert!(ask(&get("/trailers")).0.ends_with("3\r\nabc\r\n0\r\n\r\n"));
    let (answer, _) = ask("GET /bad-trailer HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
    assert_eq!(answer, format!("{CHUNKED}0\r\n\r\n"));
}

#[test]
fn an_announcement_is_heard() {
    let mut client = connect();
    client.send(get("/").as_bytes());
    assert!(!client.announced);
    assert!(read(client.send(get("/say").as_bytes())).0.ends_with("said"));
    assert!(client.announced);
}

const SHOUT: &str =
    "GET /shout HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c, Shout\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nX-A: b\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\nLOUD!";

#[test]
fn another_protocol_has_the_connection_from_its_answer_on() {
    let mut client = connect();
    assert_eq!(read(client.send(SHOUT.as_bytes())), (SWITCHED.into(), IDLE));
    assert_eq!(client.send(b"get / http/1.1\r\n\r\n").0, b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.wake(Wake::Time), (b"STILL HERE".to_vec(), Flow::Read(Limit::Body)));
    assert_eq!(client.wait(Limit::Body), (b"LATE".to_vec(), Flow::Close));
    assert_eq!(client.end(), (b"END".to_vec(), Flow::Close));
    assert_eq!(client.drain(), (b"BYE".to_vec(), Flow::CloseLingering));
    assert_eq!(client.send(b"so long.").1, Flow::Close);
}

#[test]
fn what_stands_behind_the_request_is_the_next_protocols() {
    let (answer, flow) = ask(&format!("{SHOUT}hello"));
    assert_eq!((answer, flow), (format!("{SWITCHED}HELLO"), Flow::Wait(Some(SOON))));
}

#[test]
fn who_did_not_ask_for_it_is_told_how_to() {
    for request in [
        get("/shout"),
        SHOUT.replace("Shout", "whisper"),
        SHOUT.replace(", Upgrade", ""),
        SHOUT.replace("HTTP/1.1", "HTTP/1.0"),
    ] {
        let (answer, _) = ask(&request);
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
        assert!(answer.contains("\r\nConnection: upgrade\r\nUpgrade: shout\r\nContent-Length: "), "{answer}");
    }
    let bad = SHOUT.replace("/shout", "/bad-shout");
    assert!(ask(&bad).0.starts_with("HTTP/1.1 500 "));
}

#[test]
#[should_panic(expected = "as asked")]
fn a_panic_behind_a_head_that_was_sent_is_left_to_the_driver_which_closes() {
    connect().send(get("/panic").as_bytes());
}
