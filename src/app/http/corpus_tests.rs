//! The corpus of `tests/corpus/http.txt`, whole, byte by byte, and cut in two at each place.

use super::{Http, HttpSession, Request, Response};
use crate::{
    app::testing::{Pace, Wire, nobody},
    worker::session::{Application, Flow},
};

#[path = "../../../tests/corpus/reader.rs"]
mod reader;

type Page = fn(&Request<'_>) -> Response;

/// Echoes what is posted; knows one page.
fn handle(request: &Request<'_>) -> Response {
    match request.path() {
        "/" => Response::text("home"),
        "/echo" => Response::bytes(request.body().to_vec()),
        _ => Response::empty(404),
    }
}

/// The statuses of all that is answered to these pieces; nothing behind the end of the connection counts.
fn ask<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<u16> {
    let app = Http::new(handle as Page);
    let mut client: Wire<HttpSession<Page>> = Wire::new(app.open(&nobody()), Pace::Steady);
    let mut answers = Vec::new();
    for piece in pieces {
        let (answer, flow) = client.send(piece);
        answers.extend(answer);
        if matches!(flow, Flow::Close | Flow::CloseLingering) {
            break;
        }
    }
    reader::statuses(&answers)
}

#[test]
fn every_request_of_the_corpus_has_its_answer_however_it_is_cut() {
    let mut wrong = Vec::new();
    for case in reader::cases() {
        let mut see = |how: &str, found: Vec<u16>| {
            if found != case.expected {
                wrong.push(format!("{}, {how}: {found:?} in place of {:?}", case.name, case.expected));
            }
        };
        see("whole", ask([case.stream.as_slice()].into_iter()));
        if case.stream.len() < 2000 {
            see("byte by byte", ask(case.stream.chunks(1)));
            for cut in 1..case.stream.len() {
                let (first, second) = case.stream.split_at(cut);
                see(&format!("cut at {cut}"), ask([first, second].into_iter()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
