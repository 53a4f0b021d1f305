//! HTTP in a few lines: `/` says hello, `/pid` says which worker answers, `/echo` gives the body back.
//!
//! The same handler serves in each worker model: by epoll, one connection after the other, or a process for each.
//!
//! ```text
//! cargo run --release --example hello_http -- 127.0.0.1:8080 4 blocking
//! curl http://127.0.0.1:8080/pid
//! ```
#![allow(clippy::print_stdout)]

use forkd::{
    Error, Event, Outcome, Server,
    config::Model,
    http::{Request, Response},
};

fn main() -> forkd::Result<Outcome> {
    let mut words = std::env::args().skip(1);
    let address = words.next().unwrap_or_else(|| "127.0.0.1:8080".into());
    let mut server = Server::bind(address).on_event(|event| {
        if let Event::Started { workers, urls, .. } = event {
            println!("{workers} workers, {}", urls.join(", "));
        }
    });
    if let Some(count) = words.next() {
        let workers =
            count.parse().map_err(|_| Error::usage(format!("cannot start {count} workers: no number")))?;
        server = server.workers(workers);
    }
    let model = match words.next().as_deref() {
        None | Some("event") => Model::Event,
        Some("blocking") => Model::Blocking,
        Some("per-connection") => Model::PerConnection,
        Some(word) => {
            return Err(Error::usage(format!(
                "cannot serve by {word}: no model (event, blocking, per-connection)"
            )));
        }
    };
    server.model(model).serve_http(answer)
}

fn answer(request: &Request<'_>) -> Response {
    match request.path() {
        "/" => Response::text("Hello, world!"),
        "/pid" => Response::text(std::process::id().to_string()),
        "/echo" => Response::bytes(request.body().to_vec()),
        _ => Response::text("no such page\n").status(404),
    }
}
