//! The HTTP session, spoken to as a client speaks.

use super::*;
use crate::{
    app::testing::{Pace, Wire, nobody},
    worker::session::{Application, Flow, Limit},
};

/// A site with a page for each thing that can go one way or another.
fn handle(request: &Request<'_>) -> Response {
    match request.path() {
        "/" => Response::text("hello"),
        "/echo" => Response::bytes(request.body().to_vec()),
        "/who" => Response::text(format!("{} {:?}", request.method(), request.query())),
        "/panic" => panic!("as asked"),
        "/split" => Response::text("x").header("X-A", "a\r\nSet-Cookie: b"),
        "/frame" => Response::text("x").header("content-length", "5"),
        "/trailers" => Response::text(format!("{:?} {:?}", request.trailers(), request.header("x-sum"))),
        "/close" => Response::text("bye").close(),
        "/none" => Response::empty(204),
        "/large" => Response::bytes(vec![b'x'; 200_000]),
        "/header" => Response::text(request.header("x-a").unwrap_or("none").to_owned()),
        _ => Response::text("no such page").status(404),
    }
}

type Client = Wire<HttpSession<fn(&Request<'_>) -> Response>>;

fn connect(pace: Pace) -> Client {
    let app = Http::new(handle as fn(&Request<'_>) -> Response).body_limit(10_000);
    Wire::new(app.open(&nobody()), pace)
}

/// The answer to what one client sends at once, without the dates, and what comes next.
fn ask(request: &str) -> (String, Flow) {
    read(connect(Pace::Steady).send(request.as_bytes()))
}

/// An answer as text, without its dates.
fn read((answer, flow): (Vec<u8>, Flow)) -> (String, Flow) {
    let text = String::from_utf8(answer).expect("text");
    let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("Date: "));
    (lines.collect(), flow)
}

const HELLO: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello";
const IDLE: Flow = Flow::Read(Limit::Idle);

#[test]
fn a_request_is_answered_and_the_connection_kept() {
    assert_eq!(ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (HELLO.into(), IDLE));
}

#[test]
fn every_answer_has_a_date_of_now() {
    let (answer, _) = connect(Pace::Steady).send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = String::from_utf8(answer).unwrap();
    let date = text.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap();
    let age = crate::protocol::http::date::parse(date.as_bytes()).unwrap().elapsed().unwrap();
    assert!(age.as_secs() < 5, "{date}");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (answer, flow) = ask("GET /who?1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n\
         Content-Length: 3\r\n\r\nabcHEAD /who?3 HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let at = |what: &str| answer.find(what).unwrap_or_else(|| panic!("{what} in {answer}"));
    assert!(at("GET Some(\"1\")") < at("\r\n\r\nabc") && at("\r\n\r\nabc") < at("hello"));
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 4);
    assert_eq!(flow, IDLE);
}

#[test]
fn the_answer_to_head_is_the_head_of_the_answer_to_get() {
    let (get, _) = ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (head, flow) = ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(format!("{head}hello"), get);
    assert_eq!(flow, IDLE);
}

#[test]
fn wherever_the_stream_is_cut_the_answers_are_the_same() {
    let stream = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\n\
        Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: u\r\n\r\n\
        POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n1234GET /x HTTP/1.0\r\n\r\n";
    let (whole, flow) = ask(stream);
    assert_eq!(whole.matches("HTTP/1.1 ").count(), 4, "{whole}");
    for cut in 1..stream.len() {
        let mut client = connect(Pace::Steady);
        let (first, _) = read(client.send(&stream.as_bytes()[..cut]));
        let (second, last) = read(client.send(&stream.as_bytes()[cut..]));
        assert_eq!((format!("{first}{second}"), last), (whole.clone(), flow), "cut at {cut}");
    }
    let mut client = connect(Pace::Steady);
    let bytes: String = stream.bytes().map(|byte| read(client.send(&[byte])).0).collect();
    assert_eq!(bytes, whole, "byte by byte");
}

#[test]
fn who_waits_for_continue_gets_it_and_who_does_not_wait_does_not() {
    let mut client = connect(Pace::Steady);
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
    let (interim, flow) = client.send(head.as_bytes());
    assert_eq!((interim.as_slice(), flow), (&b"HTTP/1.1 100 Continue\r\n\r\n"[..], Flow::Read(Limit::Body)));
    assert!(read(client.send(b"abc")).0.ends_with("\r\n\r\nabc"));
    assert!(ask(&format!("{head}abc")).0.starts_with("HTTP/1.1 200"));
    let (refused, flow) = ask(&head.replace("Length: 3", "Length: 10001"));
    assert!(refused.starts_with("HTTP/1.1 413 ") && flow == Flow::CloseLingering, "{refused}");
}

#[test]
fn trailers_are_shown_as_trailers_and_not_as_headers() {
    let head = "POST /trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (answer, flow) = ask(&format!("{head}1\r\nx\r\n0\r\nX-Sum: 7\r\n\r\n"));
    assert!(answer.ends_with("\r\n\r\n{\"X-Sum\": \"7\"} None") && flow == IDLE, "{answer}");
    assert!(ask(&format!("{head}0\r\n\r\n")).0.ends_with("\r\n\r\n{} None"));
}

#[test]
fn a_body_over_the_limit_is_refused() {
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in ["2711\r\n".to_owned(), format!("2710\r\n{}\r\n1\r\n", "x".repeat(10_000))] {
        let (answer, flow) = ask(&format!("{chunked}{body}"));
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("Connection: close"), "{answer}");
        assert_eq!(flow, Flow::CloseLingering);
    }
}

#[test]
fn what_is_refused_ends_the_connection_and_nothing_behind_it_is_served() {
    let (answer, flow) =
        ask("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET /who HTTP/1.1\r\nHost: a\r\n\r\n");
    let refusal = answer.strip_prefix(HELLO).unwrap();
    assert!(refusal.starts_with("HTTP/1.1 400 ") && refusal.ends_with("400 Bad Request: no Host field\n"));
    assert_eq!((answer.matches("HTTP/1.1").count(), flow), (2, Flow::CloseLingering));
}

#[test]
fn versions_and_options_decide_whether_the_connection_is_kept() {
    for (request, connection, next) in [
        ("GET / HTTP/1.0\r\n\r\n", "Connection: close", Flow::Close),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "Connection: keep-alive", IDLE),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE,, Close\r\n\r\n", "Connection: close", Flow::Close),
        ("GET /close HTTP/1.1\r\nHost: a\r\n\r\n", "Connection: close", Flow::CloseLingering),
    ] {
        let (answer, flow) = ask(request);
        assert!(answer.contains(connection), "{request}: {answer}");
        assert_eq!(flow, next, "{request}");
    }
    assert!(!ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").0.contains("Connection"));
}

#[test]
fn while_the_worker_drains_the_last_of_what_has_come_closes() {
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let (answer, flow) = read(connect(Pace::Draining).send(get.repeat(3).as_bytes()));
    assert_eq!((answer.matches("hello").count(), answer.matches("close").count()), (3, 1), "{answer}");
    assert_eq!(flow, Flow::CloseLingering);
    assert_eq!(connect(Pace::Draining).send(b"").1, IDLE);
}

#[test]
fn a_panic_is_an_answer_and_the_next_request_is_served() {
    let (answer, flow) = ask("GET /panic HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("hello"), "{answer}");
    assert_eq!(flow, IDLE);
}

#[test]
fn an_answer_that_would_split_is_a_500() {
    for path in ["/split", "/frame"] {
        let (answer, _) = ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("Cookie"), "{answer}");
    }
}

#[test]
fn an_answer_without_a_body_has_no_length() {
    let (answer, _) = ask("GET /none HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answer, "HTTP/1.1 204 No Content\r\n\r\n");
}

#[test]
fn a_trailer_is_no_header() {
    let (answer, _) = ask("POST /header HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\nX-A: trailer\r\n\r\n");
    assert!(answer.ends_with("none"), "{answer}");
}

#[test]
fn limits_that_pass() {
    let mut client = connect(Pace::Steady);
    assert_eq!(client.wait(Limit::Idle), (vec![], Flow::Close));
    assert_eq!(client.send(b"GET / HT").1, Flow::Read(Limit::Header));
    let (answer, flow) = client.wait(Limit::Header);
    assert!(answer.starts_with(b"HTTP/1.1 408 ") && flow == Flow::CloseLingering);
    let mut client = connect(Pace::Steady);
    let body = client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    assert_eq!(body, (vec![], Flow::Read(Limit::Body)));
    assert!(client.kept.is_empty(), "a body is taken as it comes");
    assert!(client.wait(Limit::Body).0.starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn the_row_counts_and_forgets_requests() {
    let mut client = connect(Pace::Steady);
    client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n".repeat(3).as_bytes());
    let reading = client.row.read();
    assert_eq!((reading.requests, reading.current), (3, None));
}

#[test]
fn who_asks_and_does_not_read_waits() {
    let mut client = connect(Pace::Steady);
    let (answer, flow) = client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20).as_bytes());
    assert_eq!(flow, IDLE);
    assert_eq!(answer.windows(15).filter(|part| part == b"HTTP/1.1 200 OK").count(), 20);
}

#[test]
fn what_came_before_the_end_is_answered() {
    let mut client = connect(Pace::Steady);
    client.send(b"GET / HTTP/1.1\r\nHos");
    client.kept.extend_from_slice(b"t: a\r\n\r\n");
    assert_eq!(read(client.end()).0, HELLO);
}

/// Takes bodies at `/sink` as they come, and refuses those at `/full` and `/no`.
struct Sink;
struct Letters(String);

impl Handler for Sink {
    fn handle(&self, request: &Request<'_>) -> Response {
        Response::text(format!("handled {}", request.body().len()))
    }

    fn intake(&self, request: &Request<'_>) -> Intake {
        match request.path() {
            "/no" => Intake::Refuse(Response::text("no thanks").status(403)),
            "/panic" => panic!("as asked"),
            "/sink" => Intake::stream(Letters(format!("{:?} ", request.content_length())), 20_000),
            _ => Intake::Gather,
        }
    }
}

impl Receiver for Letters {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        assert!(!bytes.contains(&b'!'), "as asked");
        if bytes.contains(&b'F') {
            return Err(Response::text("full").status(507));
        }
        self.0.push_str(&format!("+{}", bytes.len()));
        Ok(())
    }

    fn finish(self: Box<Self>, request: &Request<'_>) -> Response {
        assert!(request.body().is_empty());
        Response::text(format!("{} {}", request.path(), self.0))
    }
}

fn sink() -> Wire<HttpSession<Sink>> {
    Wire::new(Http::serving(Sink).body_limit(10_000).open(&nobody()), Pace::Steady)
}

#[test]
fn a_receiver_gets_the_body_as_it_comes() {
    let mut client = sink();
    let head = "PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(client.send(head.as_bytes()).0, b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send(b"abcd"), (vec![], Flow::Read(Limit::Body)));
    assert!(read(client.send(b"ef")).0.ends_with("\r\n\r\n/sink Some(6) +4+2"));
    let chunked =
        "PUT /sink HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let (answer, flow) = read(client.send(format!("{chunked}{chunked}").as_bytes()));
    assert_eq!((answer.matches("/sink None +3+2").count(), flow), (2, IDLE), "{answer}");
}

#[test]
fn a_receiver_has_a_limit_of_its_own_and_may_end_it_before() {
    for (path, body, status) in [
        ("/sink", "x".repeat(20_000), "200"),
        ("/sink", "x".repeat(20_001), "413"),
        ("/other", "x".repeat(10_000), "200"),
        ("/other", "x".repeat(10_001), "413"),
        ("/sink", "so Far".into(), "507"),
        ("/sink", "so far!".into(), "500"),
        ("/panic", "x".into(), "500"),
    ] {
        let length = body.len();
        let request = format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        let (answer, flow) = read(sink().send(request.as_bytes()));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {length}: {answer}");
        let kept = !answer.contains("Connection: close");
        assert_eq!(flow, if kept { IDLE } else { Flow::CloseLingering });
        assert_eq!(kept, status == "200" || path == "/panic", "{path} {length}: {answer}");
    }
}

#[test]
fn a_body_that_nobody_wants_is_not_waited_for() {
    let head = "PUT /no HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let (answer, flow) = read(sink().send(head.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("Connection: close"), "{answer}");
    assert_eq!(flow, Flow::CloseLingering);
    let (answer, flow) = read(sink().send(format!("{head}abc{head}").as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.matches("close").count() == 1, "{answer}");
    assert_eq!((answer.matches("no thanks").count(), flow), (2, Flow::CloseLingering));
}
