//! A worker that works for too long is warned, killed and replaced, and the reason is told; one that asks for time
//! gets it.
//!
//! ```text
//! $ cargo run --example deadline &
//! $ curl localhost:8080/stuck      # nothing comes; after a second the reason stands on the screen
//! $ curl localhost:8080/patient    # takes as long, and is served
//! ```

use std::{env, io::Write, thread, time::Duration};

use forkd::{Event, Outcome, Result, Server, extend_deadline, http::Response};

fn main() -> Result<Outcome> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let request_alone = env::args().nth(2).as_deref() == Some("request");
    let limit = Duration::from_secs(1);
    let server = Server::bind(address).workers(2).on_event(tell);
    let server = if request_alone { server.request_timeout(limit) } else { server.liveness_timeout(limit) };
    server.serve_http(|request| match request.path() {
        "/stuck" => work_for_ever(),
        "/patient" => {
            extend_deadline(Duration::from_secs(20));
            thread::sleep(limit * 2);
            Response::text("it took its time")
        }
        _ => Response::text("hello"),
    })
}

fn work_for_ever() -> ! {
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

fn tell(event: &Event) {
    let line = if let Event::Started { urls, .. } = event {
        format!("serving {}", urls.join(" "))
    } else if let Event::Killed { worker, reason } = event {
        format!("killed slot={} {reason}", worker.slot)
    } else if let Event::Exited { worker, reason, .. } = event {
        format!("exited slot={} {reason}", worker.slot)
    } else {
        return;
    };
    // A screen that is gone is no reason not to serve.
    let _ = writeln!(std::io::stdout(), "{line}");
}
