//! HTTP/1.1 as an application: a handler gets a whole [`Request`] and gives a [`Response`].
//!
//! Everything around it is done here: pipelined requests are answered in order, bodies are gathered within a limit,
//! `HEAD` gets the head alone, a client that waits for `100 Continue` gets it, a panic becomes a 500 and a line in the
//! log, and while the worker drains each connection's next answer is its last.
//!
//! ```
//! use forkd::http::{Request, Response};
//!
//! fn handle(request: &Request<'_>) -> Response {
//!     match (request.method(), request.path()) {
//!         ("GET" | "HEAD", "/") => Response::text("hello"),
//!         ("POST", "/echo") => Response::bytes(request.body().to_vec()),
//!         _ => Response::text("no such page\n").status(404),
//!     }
//! }
//! ```

mod answer;
#[cfg(feature = "auth")]
mod basic;
mod engine;
mod handler;
mod incoming;
mod journal;
mod outgoing;
mod pattern;
mod request;
mod response;
mod router;
mod session;
mod stream;
mod turn;
mod upgrade;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod later_tests;
#[cfg(test)]
mod tests;

pub use crate::protocol::http::{Event, Fields, Status};
#[cfg(feature = "auth")]
pub(crate) use basic::credentials;
pub use engine::Http;
pub use handler::{Handler, Intake, Receiver};
pub use journal::{AccessFormat, AccessLog};
pub use request::Request;
pub use response::{Body, Response};
pub use router::Router;
pub use session::HttpSession;
pub use stream::{Events, Next, Sink, Stream};
pub use upgrade::Upgrade;
