//! What the tests of the drivers need: a link whose other end is in the hands of the test, and the lines to end it.

use std::{
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    time::Duration,
};

use super::{
    limits::Limits,
    link::{Link, Porch, Watch},
    session::Peer,
    stop::{Boss, Stop},
};
use crate::{
    ipc::{message::Accepts, row::Row},
    listener::PeerAddress,
    process::{lifeline::Lifeline, signal::StopFlag},
};

/// A connection, and who can end it.
pub struct Bench {
    /// The client's end.
    pub client: UnixStream,
    /// Dropped, it is the worker's drain.
    pub worker: Option<Lifeline>,
    /// Dropped, it is the master's death.
    pub master: Option<Lifeline>,
    /// What the process counted.
    pub row: Row,
    /// What the process hears.
    pub stop: Arc<Stop>,
}

/// Limits of tenths of seconds, all different.
pub fn limits() -> Limits {
    let millis = |millis| Some(Duration::from_millis(millis));
    Limits {
        idle: millis(300),
        header: millis(200),
        body: millis(250),
        write: millis(150),
        linger: Duration::from_millis(100),
        liveness: None,
        request: None,
        drain: millis(500),
    }
}

/// A link to a client at a porch.
pub fn link(limits: Limits, porch: Porch) -> (Link, Bench) {
    let (ours, client) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (worker, master) = (Lifeline::new().unwrap(), Lifeline::new().unwrap());
    let (flag, boss) = (StopFlag::deaf(None), Boss::Worker(worker.reader().unwrap()));
    let stop = Arc::new(Stop::new(flag, master.reader().unwrap(), boss, Accepts::Yes));
    let row = Row::detached();
    let watch = Watch::new(Arc::clone(&stop), limits, row.clone(), porch);
    let peer = Peer { address: PeerAddress::Unix(None), listener: 0 };
    let bench = Bench { client, worker: Some(worker), master: Some(master), row, stop };
    (Link::new(OwnedFd::from(ours), peer, watch), bench)
}
