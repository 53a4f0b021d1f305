//! Serving by a library that is built on tokio.

use std::{future::Future, io};

use super::{Blueprint, Outcome, Server};
use crate::{
    config::{Balance, Model},
    error::{Error, Result},
    worker::tokio::{Async, AsyncWorker},
};

impl Server<'_> {
    /// Serves by a future: an application of axum, hyper, tonic, or any library that takes a listener of tokio's.
    ///
    /// The function is called in each worker, after the fork, inside a runtime of that worker's own with one thread.
    /// The worker is ready once the future holds a listener and waits; when it shall finish, [`AsyncWorker::drained`]
    /// ends, and what the future has not finished within the drain limit is cut. A future that ends by itself ends its
    /// worker, and the master starts another. No runtime may run in the master: call this from a plain `main`.
    ///
    /// The application accepts by itself, so `status` shows no counts of connections for it and `pause` has no effect.
    ///
    /// ```no_run
    /// # fn start(app: impl Fn() -> axum::Router + 'static) -> forkd::Result<forkd::Outcome> {
    /// forkd::Server::bind("127.0.0.1:8080").serve_async(move |worker| {
    ///     let app = app();
    ///     async move { axum::serve(worker.tcp()?, app).with_graceful_shutdown(worker.drained()).await }
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Server`]; a worker model other than this one is refused.
    pub fn serve_async<Life>(self, serve: impl Fn(AsyncWorker) -> Life) -> Result<Outcome>
    where
        Life: Future<Output = io::Result<()>>,
    {
        if self.settings.balance == Some(Balance::Reuseport) {
            let text = "cannot balance by reuseport: a future would leave the queue of a dead worker alone";
            return Err(Error::usage(text).remedy("leave the balance as it is"));
        }
        match self.model {
            None | Some(Model::Event) => {
                self.run(|settings| Ok(Blueprint::new(settings, "tcp", Async(serve))))
            }
            Some(Model::Blocking | Model::PerConnection) => {
                Err(Error::usage("cannot serve a future by a blocking model: a runtime is an event loop")
                    .remedy("use no model at all, or serve a handler"))
            }
        }
    }
}
