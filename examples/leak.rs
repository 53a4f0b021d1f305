//! A worker that loses memory is replaced before that hurts: its successor is ready first, and no client notices.
//!
//! ```text
//! $ cargo run --example leak &
//! $ curl localhost:8080/leak       # 64 MiB are gone for ever, in the worker with this pid
//! $ curl localhost:8080/pid        # some seconds later: another one
//! ```

use std::{env, io::Write, process};

use forkd::{Event, Outcome, Result, Server, http::Response};

fn main() -> Result<Outcome> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let server = Server::bind(address).workers(1).max_memory(60 << 20).on_event(tell);
    server.serve_http(|request| {
        if request.path() == "/leak" {
            std::mem::forget(vec![1_u8; 64 << 20]);
        }
        Response::text(process::id().to_string())
    })
}

fn tell(event: &Event) {
    let line = if let Event::Started { urls, .. } = event {
        format!("serving {}", urls.join(" "))
    } else if let Event::Exited { worker, reason, .. } = event {
        format!("exited pid={} {reason}", worker.pid.map(|pid| pid.to_string()).unwrap_or_default())
    } else {
        return;
    };
    // A screen that is gone is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{line}");
}
