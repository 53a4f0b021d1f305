//! A pre-fork server framework for Unix.
//!
//! A *master* process binds and listens, forks *workers* that accept, and watches over them: a worker that dies is
//! replaced, a reload brings new workers to ready before the old ones drain, a stop drains them all. The master
//! never serves; a worker never supervises.
//!
//! ```no_run
//! fn main() -> forkd::Result<forkd::Outcome> {
//!     forkd::Server::bind("127.0.0.1:7007")
//!         .workers(4)
//!         .serve(|mut conn: forkd::Connection| conn.write_all(b"Thanks"))
//! }
//! ```

// The floors serve the command line too: without it a part of them waits for nobody.
#![cfg_attr(not(feature = "cli"), allow(dead_code))]

pub mod app;
pub mod config;
mod error;
#[cfg(feature = "inspect")]
mod inspect;
mod ipc;
#[cfg(feature = "lab")]
mod lab;
pub mod listener;
pub mod logging;
mod master;
mod process;
pub mod protocol;
mod server;
mod sys;
mod worker;

#[cfg(feature = "cli")]
pub mod cli;

pub use app::http;
pub use error::{Error, Kind as ErrorKind, Result};
pub use ipc::bus;
pub use process::program::{Program, ProgramError, Readiness};
#[cfg(feature = "sandbox")]
pub use process::sandbox::Sandbox;
pub use server::{Event, Outcome, Server, WorkerId};
#[cfg(feature = "tokio")]
pub use worker::tokio::AsyncWorker;
pub use worker::{Worker, connection::Connection, extend_deadline, session};
