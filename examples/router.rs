//! A small service with a router: paths with names in them, several methods, state that a worker's handlers share.
//!
//! ```text
//! cargo run --example router -- 127.0.0.1:8080
//! curl -X PUT --data-binary 'strong, two minutes' http://127.0.0.1:8080/teas/assam
//! curl http://127.0.0.1:8080/teas/assam
//! curl -i -X POST http://127.0.0.1:8080/teas/assam     # 405
//! ```
#![allow(clippy::print_stdout)]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use forkd::http::{Request, Response, Router};
use forkd::{Event, Outcome, Server};

/// What the handlers share: within one worker, for processes share no memory.
#[derive(Default)]
struct Teas(RefCell<BTreeMap<String, String>>);

fn main() -> forkd::Result<Outcome> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    Server::bind(address).workers(1).on_event(say).serve_handler(|_worker| {
        let teas = Rc::new(Teas::default());
        let with = |handler: fn(&Teas, &Request<'_>) -> Response| {
            let teas = Rc::clone(&teas);
            move |request: &Request<'_>| handler(&teas, request)
        };
        Ok(Router::new()
            .get("/teas", with(Teas::list))
            .get("/teas/{name}", with(Teas::show))
            .put("/teas/{name}", with(Teas::keep)))
    })
}

impl Teas {
    fn list(&self, _: &Request<'_>) -> Response {
        Response::text(self.0.borrow().keys().map(|name| format!("{name}\n")).collect::<String>())
    }

    fn show(&self, request: &Request<'_>) -> Response {
        match self.0.borrow().get(&*request.param("name").unwrap_or_default()) {
            Some(tea) => Response::text(format!("{tea}\n")),
            None => Response::text("no such tea\n").status(404),
        }
    }

    fn keep(&self, request: &Request<'_>) -> Response {
        let Ok(tea) = str::from_utf8(request.body()) else { return Response::empty(415) };
        let name = request.param("name").unwrap_or_default().into_owned();
        let new = self.0.borrow_mut().insert(name, tea.to_owned()).is_none();
        Response::empty(if new { 201 } else { 204 })
    }
}

fn say(event: &Event) {
    if let Event::Started { urls, .. } = event {
        println!("{}", urls.join(", "));
    }
}
