//! Which handler answers: by path and method.

use std::{
    borrow::Cow,
    fmt, io,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
};

use super::{Handler, Intake, Receiver, Request, Response, Status, pattern::Pattern};
use crate::worker::session::Wakes;

/// Handlers by path and method.
///
/// A path that nobody knows is a 404, a method that nobody knows at a path a 405 with `Allow`; `HEAD` is answered as
/// `GET` and `OPTIONS` from what there is, unless a route says otherwise.
///
/// ```
/// use forkd::http::{Http, Response, Router};
///
/// let router = Router::new()
///     .get("/", |_| Response::html("<h1>Tea</h1>"))
///     .get("/tea/{name}", |request| Response::text(format!("a cup of {}\n", request.param("name").unwrap_or_default())))
///     .post("/orders", |request| Response::text(format!("{} bytes\n", request.body().len())).status(201));
/// let app = Http::serving(router);
/// ```
///
/// [`Server::serve_handler`](crate::Server::serve_handler) makes one in each worker.
#[derive(Default)]
pub struct Router {
    /// In the order in which they are tried.
    routes: Vec<Route>,
    fallback: Option<Box<dyn Handler>>,
    news: Option<Box<dyn News>>,
}

struct Route {
    method: Cow<'static, str>,
    pattern: Rc<Pattern>,
    handler: Box<dyn Handler>,
}

/// What a request leads to.
enum Found<'a> {
    Route(&'a Route),
    Fallback(&'a dyn Handler),
    /// An answer of the router's own.
    Answer(Response),
}

impl Router {
    /// A router that answers everything with 404.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers `GET` and `HEAD` at this path.
    #[must_use]
    pub fn get(self, path: &str, handler: impl Fn(&Request<'_>) -> Response + 'static) -> Self {
        self.route("GET", path, handler)
    }

    /// Answers `POST` at this path.
    #[must_use]
    pub fn post(self, path: &str, handler: impl Fn(&Request<'_>) -> Response + 'static) -> Self {
        self.route("POST", path, handler)
    }

    /// Answers `PUT` at this path. A handler that takes the body as it comes is a type: [`Router::route`].
    #[must_use]
    pub fn put(self, path: &str, handler: impl Fn(&Request<'_>) -> Response + 'static) -> Self {
        self.route("PUT", path, handler)
    }

    /// Answers `DELETE` at this path.
    #[must_use]
    pub fn delete(self, path: &str, handler: impl Fn(&Request<'_>) -> Response + 'static) -> Self {
        self.route("DELETE", path, handler)
    }

    /// Answers this method at this path, such as `/users/{id}`: `{id}` stands for one segment that is not empty, `{*path}`
    /// at the end for all the rest; [`Request::param`] says what stood there. Where several routes fit, a text goes
    /// before a name and a name before the rest. Dots that lead up or down a tree of files fit no name.
    ///
    /// # Panics
    /// When the path does not begin with a slash, a name does not fill its segment, or something stands behind a rest.
    #[must_use]
    pub fn route(
        mut self,
        method: impl Into<Cow<'static, str>>,
        path: &str,
        handler: impl Handler + 'static,
    ) -> Self {
        let pattern = Rc::new(Pattern::parse(path));
        self.routes.push(Route { method: method.into(), pattern, handler: Box::new(handler) });
        self.routes.sort_by(|a, b| a.pattern.order(&b.pattern));
        self
    }

    /// Answers at every path that no route has: in place of the 404.
    #[must_use]
    pub fn fallback(self, handler: impl Handler + 'static) -> Self {
        Self { fallback: Some(Box::new(handler)), ..self }
    }

    /// Has the worker wait at this source beside its connections, and calls `hear` when it is readable; [`Wakes::Everyone`]
    /// then calls the streams that wait by [`Next::News`](super::Next::News). `hear` reads until there is no more.
    #[must_use]
    pub fn on_news<S: AsFd + 'static>(
        self,
        source: S,
        hear: impl Fn(&S) -> io::Result<Wakes> + 'static,
    ) -> Self {
        Self { news: Some(Box::new(Source { source, hear })), ..self }
    }

    fn find(&self, request: &Request<'_>) -> Found<'_> {
        let (method, path) = (request.method(), request.path());
        if path == "*" {
            return Found::Answer(Response::empty(204).header("Allow", allow(self.routes.iter())));
        }
        let here = || self.routes.iter().filter(|route| route.pattern.matches(path));
        let by = |method: &str| here().find(|route| route.method == method);
        match by(method).or_else(|| by("GET").filter(|_| method == "HEAD")) {
            Some(route) => Found::Route(route),
            None if here().next().is_none() => match &self.fallback {
                Some(handler) => Found::Fallback(&**handler),
                None => Found::Answer(plain(Status::NOT_FOUND)),
            },
            None if method == "OPTIONS" => Found::Answer(Response::empty(204).header("Allow", allow(here()))),
            None => Found::Answer(plain(Status::METHOD_NOT_ALLOWED).header("Allow", allow(here()))),
        }
    }
}

impl Handler for Router {
    fn handle(&self, request: &Request<'_>) -> Response {
        match self.find(request) {
            Found::Route(route) => route.handler.handle(&request.at(&route.pattern)),
            Found::Fallback(handler) => handler.handle(request),
            Found::Answer(response) => response,
        }
    }

    fn intake(&self, request: &Request<'_>) -> Intake {
        match self.find(request) {
            Found::Route(route) => route.intake(request),
            Found::Fallback(handler) => handler.intake(request),
            Found::Answer(response) => Intake::Refuse(response),
        }
    }

    /// What is no request goes to no route: it looks like what no route has.
    fn dress(&self, response: Response) -> Response {
        match &self.fallback {
            Some(handler) => handler.dress(response),
            None => response,
        }
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.news.as_ref().map(|news| news.source())
    }

    fn on_news(&self) -> io::Result<Wakes> {
        self.news.as_ref().map_or(Ok(Wakes::Nobody), |news| news.hear())
    }
}

impl Route {
    fn intake(&self, request: &Request<'_>) -> Intake {
        match self.handler.intake(&request.at(&self.pattern)) {
            Intake::Stream { receiver, limit } => {
                let receiver = Box::new(Routed { pattern: Rc::clone(&self.pattern), receiver });
                Intake::Stream { receiver, limit }
            }
            Intake::Gather => Intake::Gather,
            Intake::Refuse(response) => Intake::Refuse(response),
        }
    }
}

/// A receiver that still knows its route when the body is complete.
struct Routed {
    pattern: Rc<Pattern>,
    receiver: Box<dyn Receiver>,
}

impl Receiver for Routed {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.receiver.write(bytes)
    }

    fn finish(self: Box<Self>, request: &Request<'_>) -> Response {
        self.receiver.finish(&request.at(&self.pattern))
    }
}

/// A status that says it all.
fn plain(status: Status) -> Response {
    Response::text(format!("{status}\n")).status(status)
}

/// The methods of these routes, each once.
fn allow<'a>(routes: impl Iterator<Item = &'a Route>) -> String {
    let mut methods = vec!["OPTIONS"];
    for route in routes {
        methods.push(&route.method);
        if route.method == "GET" {
            methods.push("HEAD");
        }
    }
    methods.sort_unstable();
    methods.dedup();
    methods.join(", ")
}

/// Where news come from, and who hears them.
trait News {
    fn source(&self) -> BorrowedFd<'_>;
    fn hear(&self) -> io::Result<Wakes>;
}

struct Source<S, F> {
    source: S,
    hear: F,
}

impl<S: AsFd, F: Fn(&S) -> io::Result<Wakes>> News for Source<S, F> {
    fn source(&self) -> BorrowedFd<'_> {
        self.source.as_fd()
    }

    fn hear(&self) -> io::Result<Wakes> {
        (self.hear)(&self.source)
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| (&route.method, &route.pattern));
        f.debug_map().entries(routes).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{
            http::{Http, HttpSession},
            testing::{Pace, Wire, nobody},
        },
        worker::session::{Application, Flow, Limit},
    };

    struct Upload;
    struct Sum(u64, String);

    impl Handler for Upload {
        fn handle(&self, _: &Request<'_>) -> Response {
            Response::text("no body")
        }

        fn intake(&self, request: &Request<'_>) -> Intake {
            Intake::stream(Sum(0, request.param("name").unwrap_or_default().into_owned()), 1 << 30)
        }
    }

    impl Receiver for Sum {
        fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
            self.0 += bytes.len() as u64;
            Ok(())
        }

        fn finish(self: Box<Self>, request: &Request<'_>) -> Response {
            let again = request.param("name").unwrap_or_default();
            Response::text(format!("{} bytes for {} {again}", self.0, self.1)).status(201)
        }
    }

    fn router() -> Router {
        let say =
            |request: &Request<'_>| Response::text(format!("{} {:?}", request.method(), request.param("x")));
        Router::new()
            .get("/", |_| Response::text("home"))
            .get("/{x}", say)
            .post("/{x}", say)
            .get("/tea", |_| Response::text("tea"))
            .delete("/tea", |_| Response::empty(204))
            .route("PURGE", "/all/{*x}", say)
            .route("PUT", "/up/{name}", Upload)
    }

    fn client(router: Router) -> Wire<HttpSession<Router>> {
        Wire::new(Http::serving(router).open(&nobody()), Pace::Steady)
    }

    /// Status, `Allow` and body of the answer.
    fn ask(router: Router, method: &str, path: &str) -> (String, String, String) {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (answer, flow) = client(router).send(request.as_bytes());
        assert_eq!(flow, Flow::Read(Limit::Idle));
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let allow = head.lines().find_map(|line| line.strip_prefix("Allow: ")).unwrap_or_default();
        (head[9..12].to_owned(), allow.to_owned(), body.to_owned())
    }

    #[test]
    fn paths_and_methods() {
        for (method, path, expected) in [
            ("GET", "/", ("200", "", "home")),
            ("HEAD", "/", ("200", "", "")),
            ("GET", "/tea", ("200", "", "tea")),
            ("GET", "/t%65a?x=1", ("200", "", "tea")),
            ("POST", "/tea", ("200", "", "POST Some(\"tea\")")),
            ("GET", "/t%C3%A9", ("200", "", "GET Some(\"té\")")),
            ("DELETE", "/tea", ("204", "", "")),
            ("DELETE", "/other", ("405", "GET, HEAD, OPTIONS, POST", "405 Method Not Allowed\n")),
            ("OPTIONS", "/tea", ("204", "DELETE, GET, HEAD, OPTIONS, POST", "")),
            ("OPTIONS", "*", ("204", "DELETE, GET, HEAD, OPTIONS, POST, PUT, PURGE", "")),
            ("PURGE", "/all/a/b", ("200", "", "PURGE Some(\"a/b\")")),
            ("GET", "/a/b", ("404", "", "404 Not Found\n")),
            ("GET", "/..", ("404", "", "404 Not Found\n")),
        ] {
            let (status, allow, body) = ask(router(), method, path);
            let mut expected_allow: Vec<_> = expected.1.split(", ").collect();
            expected_allow.sort_unstable();
            assert_eq!(
                (&*status, &*allow, &*body),
                (expected.0, &*expected_allow.join(", "), expected.2),
                "{method} {path}"
            );
        }
    }

    #[test]
    fn what_no_route_has_is_the_fallbacks() {
        let with =
            || router().fallback(|request: &Request<'_>| Response::text(format!("else {}", request.path())));
        assert_eq!(ask(with(), "GET", "/a/b").2, "else /a/b");
        assert_eq!(ask(with(), "DELETE", "/other").0, "405");
    }

    #[test]
    fn what_is_no_request_looks_like_the_fallbacks() {
        struct Shop;
        impl Handler for Shop {
            fn handle(&self, _: &Request<'_>) -> Response {
                Response::empty(204)
            }
            fn dress(&self, response: Response) -> Response {
                response.header("Allow", "TEA")
            }
        }
        let answer = |router| {
            String::from_utf8(client(router).send(b"GET tea HTTP/1.1\r\nHost: a\r\n\r\n").0).unwrap()
        };
        let [plain, dressed] = [router(), router().fallback(Shop)].map(answer);
        assert!(plain.starts_with("HTTP/1.1 400 ") && !plain.contains("Allow"), "{plain}");
        assert!(dressed.starts_with("HTTP/1.1 400 ") && dressed.contains("\r\nAllow: TEA\r\n"), "{dressed}");
    }

    #[test]
    fn a_route_takes_bodies_as_it_likes_and_nobody_else_takes_any() {
        let put = |path: &str| format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
        let mut client = client(router());
        assert_eq!(client.send(put("/up/a%20b").as_bytes()).0, b"");
        let answer = String::from_utf8(client.send(b"abc").0).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 ") && answer.ends_with("3 bytes for a b a b"), "{answer}");
        let (answer, flow) = client.send(put("/tea").as_bytes());
        assert!(answer.starts_with(b"HTTP/1.1 405 ") && flow == Flow::CloseLingering);
    }
}
