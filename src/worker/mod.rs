//! Life inside a child: the worker models and the session drivers.
//!
//! A worker accepts, serves, and reports in its own row of the scoreboard; it never supervises. [`live`] is its life
//! in order. What it does between "ready" and its end is a [`Serve`]: one value for each worker model.
//!
//! ```text
//! live ── Seat ──> Worker ──> Serve::run ── EventLoop       many connections, one thread, epoll(7)
//!                                       ├── Blocking        accept, serve, next
//!                                       └── PerConnection   accept, fork, next
//! ```

pub mod accept;
pub mod blocking;
pub mod connection;
pub mod datagrams;
pub mod event_loop;
pub mod fairness;
pub mod guard;
pub mod limits;
pub mod link;
pub mod output;
mod overdue;
pub mod per_connection;
pub mod program;
pub mod pump;
pub mod session;
pub mod step;
pub mod stop;
pub mod streams;
mod taking;
#[cfg(test)]
mod testing;
#[cfg(feature = "tokio")]
pub mod tokio;

use std::{cell::Cell, fmt, io, mem, rc::Rc, sync::Arc};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{Pid as RawPid, getpid, setpgid},
};

use self::stop::{Boss, Stop};
pub use self::{limits::Limits, overdue::extend_deadline};
use crate::{
    ipc::{
        channel::Channel,
        ident::{Generation, Slot},
        message::{Accepts, Order, Report},
        row::Row,
    },
    listener::Listener,
    logging::TARGET,
    process::{
        Pid, clock::Time, death, lifeline::Tether, privilege::Confinement, signal, signal::StopFlag,
        spawn::PANICKED,
    },
    sys::{memory, nursery, title},
};

/// What a master gives to a child for its life as a worker.
pub struct Seat {
    /// The place that it fills.
    pub slot: Slot,
    /// The generation that it belongs to.
    pub generation: Generation,
    /// The server's name.
    pub name: String,
    /// The master's pid, as it was noted before the fork.
    pub master: Pid,
    /// What it accepts from: its own copies.
    pub listeners: Vec<Listener>,
    /// The row that it writes.
    pub row: Row,
    /// Its end of the line to the master.
    pub channel: Channel<Report, Order>,
    /// Its end of the lifeline.
    pub tether: Tether,
    /// How long it waits for clients, and for its own end.
    pub limits: Limits,
    /// What it gives up before it serves.
    pub confinement: Rc<Confinement>,
    /// Whether it begins by taking connections from the queue: in a paused server it does not.
    pub accepts: Accepts,
}

/// What a worker does between its start and its end: one worker model with its application.
pub trait Serve {
    /// Serves until the worker is told to finish, and has finished. It says [`Worker::ready`] once it accepts.
    ///
    /// # Errors
    /// What keeps it from serving: it becomes the worker's last words.
    fn run(&self, worker: &mut Worker) -> io::Result<()>;

    /// The model's name on the command line.
    fn model(&self) -> &'static str;

    /// How many clients one of its workers takes at a time.
    fn taking(&self) -> Taking {
        Taking::Many
    }

    /// Whether it takes from the queues of other slots when it is told to: where it accepts by itself, it does.
    fn looks_after_others(&self) -> bool {
        true
    }
}

/// How many clients a worker takes at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub enum Taking {
    /// One: whoever has a client is busy.
    One,
    /// As many as come.
    #[default]
    Many,
}

/// A worker as the code that it runs sees it.
pub struct Worker {
    slot: Slot,
    generation: Generation,
    name: String,
    listeners: Vec<Listener>,
    row: Row,
    limits: Limits,
    /// What it has still to give up, and the master that it was born of.
    confinement: Option<(Rc<Confinement>, Pid)>,
    stop: Arc<Stop>,
    said_ready: Cell<bool>,
}

/// A worker's life, in order, inside the forked child; the answer is its exit code.
///
/// It expects all signals blocked, as [`spawn::fork`](crate::process::spawn::fork) leaves them, and whatever belonged
/// to the master dropped. Hash keys that the standard library has made by then are the same in all workers.
pub fn live(seat: Seat, serve: &dyn Serve) -> i32 {
    let master = seat.master;
    // Its own group, so that the master can kill what it leaves behind; the master may have done so already.
    let _ = setpgid(RawPid::from_raw(0), RawPid::from_raw(0));
    title::set(&format!("forkd: worker {} gen {} {}", seat.slot, seat.generation, seat.name));
    // A name is for eyes: to have none is no reason not to serve.
    let _ = title::set_comm(&comm(seat.slot));
    guard::note_panics();
    // The handler stands before the kernel is asked for a signal at the master's death, and before any is let through.
    let flag = match StopFlag::new(Some(master)) {
        Ok(flag) => flag,
        Err(error) => return fail(&seat.channel, &format!("cannot listen for signals: {error}")),
    };
    if !death::bind_to_parent(master) {
        return 0;
    }
    // What the master ignores for itself is its own affair: here SIGALRM must end an orphan that is stuck.
    signal::reset_inherited();
    // A file that has grown to its limit takes no more, be it the log: write(2) says so.
    let _ = signal::ignore(libc::SIGXFSZ);
    let mut worker = Worker::new(seat, flag);
    if let Some(line) = worker.stop.master() {
        overdue::prepare(&worker.row, line, master);
    }
    let end = guard::contain(|| serve.run(&mut worker));
    match (end, worker.stop.master()) {
        (Ok(Ok(())), _) => 0,
        (Ok(Err(error)), Some(master)) => fail(master, &error.to_string()),
        (Ok(Err(_)), None) => 1,
        (Err(panic), master) => {
            master.map(|master| fail(master, &format!("panicked: {panic}")));
            PANICKED
        }
    }
}

/// Says why it ends, and answers the exit code of a failure.
fn fail(master: &Channel<Report, Order>, words: &str) -> i32 {
    // A master that is gone needs no words.
    let _ = master.send(&Report::LastWords(words.to_owned()));
    1
}

/// Tells everybody that this worker accepts.
fn say_ready(row: &Row, stop: &Stop) {
    row.ready();
    // A master that does not hear it is gone, or has stopped this worker already.
    if let Some(Err(error)) = stop.master().map(|master| master.send(&Report::Ready)) {
        log::warn!(target: TARGET, "cannot tell the master that this worker is ready: {error}");
    }
}

/// What pstree(1) shows: at most 15 bytes.
fn comm(slot: Slot) -> String {
    if slot.number() < 100 { format!("forkd-worker-{slot}") } else { format!("forkd-w{slot}") }
}

impl Worker {
    fn new(seat: Seat, flag: StopFlag) -> Self {
        let stop = Arc::new(Stop::new(flag, seat.tether, Boss::Master(seat.channel), seat.accepts));
        seat.row.fills(seat.slot);
        Self {
            slot: seat.slot,
            generation: seat.generation,
            name: seat.name,
            listeners: seat.listeners,
            row: seat.row.under(seat.limits.liveness, seat.limits.request),
            limits: seat.limits,
            confinement: Some((seat.confinement, seat.master)),
            stop,
            said_ready: Cell::new(false),
        }
    }

    /// The place that it fills, counted from 1.
    pub fn slot(&self) -> u32 {
        self.slot.number()
    }

    /// The generation that it was born with, counted from 1.
    pub fn generation(&self) -> u32 {
        self.generation.number()
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Gives up what this worker is told to, for good: a driver calls it once all that needs more is open.
    ///
    /// # Errors
    /// When something cannot be given up, or could be had back: the worker must not serve then.
    pub(crate) fn confine(&mut self) -> io::Result<()> {
        let Some((confinement, master)) = self.confinement.take() else { return Ok(()) };
        confinement.enter(master)
    }

    /// Tells the master that this worker accepts. A driver does so by itself; a second time says nothing.
    ///
    /// # Panics
    /// When it has not given up yet what it is told to.
    pub fn ready(&self) {
        assert!(self.confinement.is_none(), "a worker is ready that still has what it must give up");
        if !self.said_ready.replace(true) {
            // Forked from a master that has read its configuration: most of what that left in memory is of no use here.
            memory::forget_start();
            nursery::leave();
            say_ready(&self.row, &self.stop);
        }
    }

    /// Whether it was told to finish what it has and take no more.
    pub fn draining(&self) -> bool {
        self.stop.requested()
    }

    /// Waits until it is told to finish.
    ///
    /// # Errors
    /// None that is known.
    pub fn wait_for_stop(&self) -> io::Result<()> {
        while !self.stop.look()? {
            let mut fds = [PollFd::new(self.stop.fd()?, PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(())
    }

    /// Gives a sign of life, for work that takes longer than the limit on liveness.
    pub fn beat(&self) {
        self.row.beat(Time::now());
    }

    /// What it accepts from; nothing once it drains.
    pub fn listeners(&self) -> &[Listener] {
        &self.listeners
    }

    /// The row that it writes.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// Its limits on clients and on itself.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Leaves the listeners to a driver that keeps them elsewhere.
    fn take_listeners(&mut self) -> Vec<Listener> {
        mem::take(&mut self.listeners)
    }

    /// Begins to drain: no more is accepted by this process. Other workers hold the same sockets, so what waits in
    /// their queues is theirs.
    ///
    /// A set of epoll(7) must have forgotten the listeners by then: it would go on reporting them.
    fn close_listeners(&mut self) {
        self.row.draining();
        drop(self.take_listeners());
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker slot={} gen={} pid={}", self.slot, self.generation, getpid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_a_worker_fits_into_fifteen_bytes() {
        let names = [1, 99, 100, 8256].map(|slot| comm(Slot::new(slot)));
        assert_eq!(names, ["forkd-worker-1", "forkd-worker-99", "forkd-w100", "forkd-w8256"]);
        assert!(names.iter().all(|name| name.len() <= 15));
    }
}
