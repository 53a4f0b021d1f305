//! What answers requests: a function, or a type that also decides where bodies go and hears news.

use std::{fmt, io, os::fd::BorrowedFd};

use super::{Request, Response};
use crate::worker::session::Wakes;

/// What answers requests. Every function from a request to an answer is one; a type of its own can do more.
///
/// ```
/// use forkd::http::{Handler, Http, Intake, Receiver, Request, Response};
///
/// /// Counts the bytes of whatever is sent, without keeping them.
/// struct Counter;
/// struct Count(u64);
///
/// impl Handler for Counter {
///     fn handle(&self, _: &Request<'_>) -> Response {
///         Response::text("send something\n")
///     }
///
///     fn intake(&self, request: &Request<'_>) -> Intake {
///         match request.method() {
///             "PUT" => Intake::stream(Count(0), 10 << 30),
///             _ => Intake::Refuse(Response::empty(405).header("Allow", "GET, HEAD, PUT")),
///         }
///     }
/// }
///
/// impl Receiver for Count {
///     fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
///         self.0 += bytes.len() as u64;
///         Ok(())
///     }
///
///     fn finish(self: Box<Self>, _: &Request<'_>) -> Response {
///         Response::text(format!("{} bytes\n", self.0))
///     }
/// }
///
/// let app = Http::serving(Counter);
/// ```
pub trait Handler {
    /// The answer to a request whose body is there: all of it, or nothing of it if there is none.
    fn handle(&self, request: &Request<'_>) -> Response;

    /// Called when the head of a request has come and a body follows, before anything of that is taken and before a
    /// client that waits for `100 Continue` gets it. Without this, bodies are gathered.
    ///
    /// [`Request::body`] is empty here; [`Request::content_length`] says what was announced.
    fn intake(&self, request: &Request<'_>) -> Intake {
        let _ = request;
        Intake::Gather
    }

    /// What is sent in place of an answer that the server makes by itself: to a head or a body that is malformed, too large
    /// or too slow, and so never becomes a request for this handler, or where the file of an answer keeps becoming
    /// shorter. Here fields are added that every answer has to have.
    fn dress(&self, response: Response) -> Response {
        response
    }

    /// What the worker waits at for this handler: see [`Application`](crate::session::Application::descriptor).
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The descriptor is readable: see [`Application`](crate::session::Application::on_news). [`Wakes::Everyone`] calls
    /// all streams of this worker that wait for news.
    ///
    /// # Errors
    /// What makes the worker useless.
    fn on_news(&self) -> io::Result<Wakes> {
        Ok(Wakes::Nobody)
    }
}

impl<F: Fn(&Request<'_>) -> Response> Handler for F {
    fn handle(&self, request: &Request<'_>) -> Response {
        self(request)
    }
}

/// Where the body of a request goes.
pub enum Intake {
    /// Into memory, up to [`Http::body_limit`](super::Http::body_limit): the handler is called when all of it has come.
    Gather,
    /// To a receiver, as it comes; nothing is kept. A body of more than `limit` bytes is answered with 413.
    Stream {
        /// Who takes it.
        receiver: Box<dyn Receiver>,
        /// The most bytes that it may have.
        limit: u64,
    },
    /// Nowhere: this is the answer. A client that has not sent all of the body yet is not heard any further; its
    /// connection is closed.
    Refuse(Response),
}

impl Intake {
    /// To this receiver, up to `limit` bytes.
    pub fn stream(receiver: impl Receiver + 'static, limit: u64) -> Self {
        Self::Stream { receiver: Box::new(receiver), limit }
    }
}

/// Takes the body of one request as it comes.
///
/// It is dropped without [`Receiver::finish`] if the body never comes whole: the client has left, was too slow, or sent
/// what is no body. What it had begun is undone in its `Drop`.
pub trait Receiver {
    /// Some more bytes of the body. The worker waits meanwhile, so it should not take long.
    ///
    /// # Errors
    /// An answer, such as 507: it is sent at once, and the connection closed, for the rest of the body may be coming.
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response>;

    /// The body is complete: the answer. The request is the same as before, without its body.
    fn finish(self: Box<Self>, request: &Request<'_>) -> Response;
}

impl fmt::Debug for Intake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gather => f.write_str("Gather"),
            Self::Stream { limit, .. } => {
                f.debug_struct("Stream").field("limit", limit).finish_non_exhaustive()
            }
            Self::Refuse(response) => f.debug_tuple("Refuse").field(response).finish(),
        }
    }
}
