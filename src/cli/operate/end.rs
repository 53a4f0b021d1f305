//! `forkd stop`: asks, and waits until the process is gone.

use std::{
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::running::Running;
use crate::{
    Error, Result,
    ipc::control::{Pace, Request, wire::Answer},
    sys::pidfd,
};

/// How long a master may live on that has closed the connection without an answer: it is on its way out.
const WAY_OUT: Duration = Duration::from_secs(5);

/// Stops a server; returns when its master is gone, or with its answer when it refuses.
///
/// # Errors
/// When the master cannot be asked, or neither answers nor ends.
pub fn stop(mut running: Running, pace: Pace) -> Result<Answer> {
    let watching = || format!("watch {}, master {}", running.name, running.pid);
    // Before we ask: afterwards the number may be another process's. The connection stands, so it is not yet.
    let master = pidfd::open(running.pid).map_err(|cause| Error::system(watching(), cause))?;
    running.say(&Request::Stop(pace))?;
    let answer = match first(running.fd(), master.as_fd())? {
        First::Answer => running.hear(None)?,
        First::Gone => None,
    };
    let (done, deadline) = match answer {
        Some(refusal) if !refusal.ok() => return Ok(refusal),
        Some(done) => (done, None),
        None => (Answer::done("stopped"), Some(Instant::now() + WAY_OUT)),
    };
    if ended(master.as_fd(), deadline)? {
        return Ok(done);
    }
    let text = format!("cannot stop {}: its master closed the connection and runs on", running.name);
    Err(Error::failed(text).remedy("read its log, then try again"))
}

/// What comes first after the question.
enum First {
    /// The master says something, or closes the connection.
    Answer,
    /// The master is gone.
    Gone,
}

fn first(connection: BorrowedFd<'_>, master: BorrowedFd<'_>) -> Result<First> {
    let mut fds = [PollFd::new(connection, PollFlags::POLLIN), PollFd::new(master, PollFlags::POLLIN)];
    wait(&mut fds, None)?;
    let spoke = fds[0].any() == Some(true);
    Ok(if spoke { First::Answer } else { First::Gone })
}

/// Waits for the end of the process; `false` when the deadline comes first.
fn ended(master: BorrowedFd<'_>, deadline: Option<Instant>) -> Result<bool> {
    wait(&mut [PollFd::new(master, PollFlags::POLLIN)], deadline)
}

/// Waits until one of them is ready; `false` when the deadline comes first.
fn wait(fds: &mut [PollFd<'_>], deadline: Option<Instant>) -> Result<bool> {
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(PollTimeout::NONE, |left| left.try_into().unwrap_or(PollTimeout::MAX));
        match poll(fds, timeout) {
            Err(Errno::EINTR) => {}
            Err(cause) => return Err(Error::system("wait for the end of the master", cause)),
            Ok(ready) => return Ok(ready > 0),
        }
    }
}
