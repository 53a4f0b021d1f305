//! An application of axum's under a master that respawns, reloads and drains: the workers share the port.
//!
//! ```text
//! $ cargo run --features tokio --example axum 127.0.0.1:8080
//! axum, ready at tcp://127.0.0.1:8080
//! $ curl 127.0.0.1:8080/            $ curl 127.0.0.1:8080/slow/2000
//! hello from worker 1               slept 2000 ms in worker 2
//! ```
#![allow(clippy::print_stdout)]

use std::{env, time::Duration};

use axum::{Router, extract::Path, routing::get};
use forkd::{AsyncWorker, Event, Outcome, Server};

fn app(worker: &AsyncWorker) -> Router {
    let slot = worker.slot();
    let slow = move |Path(ms): Path<u64>| async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        format!("slept {ms} ms in worker {slot}\n")
    };
    Router::new()
        .route("/", get(move || async move { format!("hello from worker {slot}\n") }))
        .route("/slow/{ms}", get(slow))
}

fn main() -> forkd::Result<Outcome> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    Server::bind(address)
        .workers(2)
        .name("axum")
        .on_event(|event| {
            if let Event::Started { name, urls, .. } = event {
                println!("{name}, ready at {}", urls.join(" "));
            }
        })
        .serve_async(|worker| async move {
            let app = app(&worker);
            axum::serve(worker.tcp()?, app).with_graceful_shutdown(worker.drained()).await
        })
}
