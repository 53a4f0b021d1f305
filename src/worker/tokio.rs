//! The async model: a tokio runtime in each worker, made after the fork, around one future of the user's.
//!
//! A runtime has threads, an epoll set and a wake-up pipe, and fork(2) would copy the first not at all and share the
//! others: so the master never has one, and each worker makes its own, with one thread. The workers are the
//! parallelism.
//!
//! The future holds the listeners and accepts by itself, which is what lets any library that takes a listener of
//! tokio's run here (axum, hyper, tonic). The price: this worker cannot count connections nor heed a pause for it.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    os::fd::OwnedFd,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use ::tokio::{
    net::{TcpListener, UdpSocket, UnixListener},
    runtime::Builder,
    sync::watch,
    time::timeout,
};

use super::{Limits, Serve, Worker, say_ready, stop::Stop};
use crate::{
    ipc::row::Row,
    listener::{Kind, Listener, Local},
    process::clock::Time,
    sys::readable::readable,
};

/// Serves by the future that a function makes from an [`AsyncWorker`].
#[derive(Debug)]
pub struct Async<F>(pub F);

/// A worker as an async application sees it: where its listeners are, and when it shall end. It is cheap to clone, and
/// may go to any task.
#[derive(Clone)]
pub struct AsyncWorker {
    shared: Arc<Shared>,
    told: watch::Receiver<bool>,
}

struct Shared {
    slot: u32,
    generation: u32,
    name: String,
    listeners: Mutex<Vec<Listener>>,
    /// Whether the application holds a listener, and so will accept as soon as it waits.
    accepts: AtomicBool,
    said_ready: AtomicBool,
    row: Row,
    stop: Arc<Stop>,
}

impl<F, Life> Serve for Async<F>
where
    F: Fn(AsyncWorker) -> Life,
    Life: Future<Output = io::Result<()>>,
{
    fn run(&self, worker: &mut Worker) -> io::Result<()> {
        // Before the runtime: each thread has its own privileges.
        worker.confine()?;
        let limits = *worker.limits();
        let (tell, told) = watch::channel(false);
        let shared = Arc::new(Shared::new(worker));
        let seen = AsyncWorker { shared: Arc::clone(&shared), told: told.clone() };
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let end = runtime.block_on(async { live((self.0)(seen), told, tell, shared, limits).await });
        // What it left on other threads must not keep a worker that has finished.
        runtime.shutdown_background();
        end
    }

    fn model(&self) -> &'static str {
        "async"
    }

    fn looks_after_others(&self) -> bool {
        false
    }
}

/// The application's life, beside what the worker is told and how long it may take to end.
///
/// Once it has taken a listener and waits for the first time, the worker is ready: what it waits for is a client.
async fn live(
    life: impl Future<Output = io::Result<()>>,
    told: watch::Receiver<bool>,
    tell: watch::Sender<bool>,
    shared: Arc<Shared>,
    limits: Limits,
) -> io::Result<()> {
    let mut hearing = pin!(hear(Arc::clone(&shared), tell));
    let mut cut = pin!(out_of_grace(told, &shared, limits));
    let mut life = pin!(life);
    poll_fn(|context| {
        if let Poll::Ready(end) = life.as_mut().poll(context) {
            return Poll::Ready(end);
        }
        if shared.accepts.load(Ordering::Relaxed) {
            shared.ready();
        }
        if cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Ok(()));
        }
        hearing.as_mut().poll(context)
    })
    .await
}

/// Ends when what a drain may last is over: what is not finished then is cut.
async fn out_of_grace(mut told: watch::Receiver<bool>, shared: &Shared, limits: Limits) {
    // The one that tells lives as long as the runtime.
    let _ = told.wait_for(|told| *told).await;
    loop {
        let heard = told.changed();
        match limits.drain_of(shared.stop.orphaned()) {
            None => drop(heard.await),
            Some(grace) if timeout(grace, heard).await.is_err() => return,
            // A master that dies during the drain leaves an orphan, which has less time.
            Some(_) => {}
        }
    }
}

/// Hears what the worker is told: by signal, by its lifeline, by its master.
async fn hear(shared: Arc<Shared>, tell: watch::Sender<bool>) -> io::Result<()> {
    let voice = readable(shared.stop.fd()?.try_clone_to_owned()?)?;
    loop {
        shared.row.rest();
        // Cleared before the look: what is said after it makes the descriptor readable anew.
        voice.readable().await?.clear_ready();
        shared.row.beat(Time::now());
        if shared.stop.look()? {
            shared.row.draining();
            shared.listeners().clear();
            tell.send_replace(true);
        }
    }
}

impl Shared {
    fn new(worker: &mut Worker) -> Self {
        Self {
            slot: worker.slot(),
            generation: worker.generation(),
            name: worker.name().to_owned(),
            listeners: Mutex::new(worker.take_listeners()),
            accepts: AtomicBool::new(false),
            said_ready: AtomicBool::new(false),
            row: worker.row().clone(),
            stop: Arc::clone(&worker.stop),
        }
    }

    fn ready(&self) {
        if !self.said_ready.swap(true, Ordering::Relaxed) {
            say_ready(&self.row, &self.stop);
        }
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Listener>> {
        // A list from which one was taken is whole at any moment.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next listener of that sort, in the order of binding.
    fn take(&self, what: &str, wanted: impl Fn(&Listener) -> bool) -> io::Result<OwnedFd> {
        let mut listeners = self.listeners();
        let Some(place) = listeners.iter().position(wanted) else {
            let why = format!(
                "cannot take a {what}: none is left in this worker (each is taken once; bind one more address)"
            );
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        };
        self.accepts.store(true, Ordering::Relaxed);
        Ok(listeners.remove(place).into())
    }
}

impl AsyncWorker {
    /// The place that it fills, counted from 1.
    pub fn slot(&self) -> u32 {
        self.shared.slot
    }

    /// The generation that it was born with, counted from 1.
    pub fn generation(&self) -> u32 {
        self.shared.generation
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// Takes the next TCP listener, in the order of binding. Take it when everything else is prepared: the worker is
    /// ready once it holds a listener and waits.
    ///
    /// # Errors
    /// `NotFound` when none is left; those of tokio when the runtime cannot watch it.
    pub fn tcp(&self) -> io::Result<TcpListener> {
        let inet = |door: &Listener| door.kind() == Kind::Stream && matches!(door.local(), Local::Inet(_));
        TcpListener::from_std(self.shared.take("TCP listener", inet)?.into())
    }

    /// Takes the next Unix listener, in the order of binding.
    ///
    /// # Errors
    /// As [`AsyncWorker::tcp`].
    pub fn unix(&self) -> io::Result<UnixListener> {
        let unix = |door: &Listener| door.kind() == Kind::Stream && !matches!(door.local(), Local::Inet(_));
        UnixListener::from_std(self.shared.take("Unix listener", unix)?.into())
    }

    /// Takes the next UDP socket, in the order of binding.
    ///
    /// # Errors
    /// As [`AsyncWorker::tcp`].
    pub fn udp(&self) -> io::Result<UdpSocket> {
        UdpSocket::from_std(self.shared.take("UDP socket", |door| door.kind() == Kind::Datagram)?.into())
    }

    /// Tells the master that this worker accepts, for an application that knows better than [`AsyncWorker::tcp`].
    pub fn ready(&self) {
        self.shared.ready();
    }

    /// Whether it was told to finish what it has and take no more.
    pub fn draining(&self) -> bool {
        *self.told.borrow()
    }

    /// Ends when the drain begins: what axum and hyper call a graceful shutdown.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut told = self.told.clone();
        async move {
            // The other end lives as long as the runtime: an error is the end, too.
            let _ = told.wait_for(|told| *told).await;
        }
    }

    /// Gives a sign of life, for work that takes longer than the limit on liveness.
    pub fn beat(&self) {
        self.shared.row.beat(Time::now());
        self.shared.row.rest();
    }
}

impl fmt::Debug for AsyncWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker slot={} gen={} of {}", self.slot(), self.generation(), self.name())
    }
}
