//! The masters that are asked, all at once: nobody waits for a master that is stopped.

use std::{
    os::fd::BorrowedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    cli::operate::{
        find,
        running::{Absent, Running},
    },
    config::name,
    ipc::control::{Request, wire::Answer},
    process::clock::Time,
};

/// A master that has not answered a question from memory for so long is stuck, or stopped.
const STATUS: Duration = Duration::from_secs(3);
/// The end of an answer follows its beginning at once.
const REST: Duration = Duration::from_millis(500);

/// The questions that are under way.
#[derive(Debug)]
pub struct Asking {
    dir: PathBuf,
    /// The one server that is looked at; all of the directory without one.
    only: Option<String>,
    open: Vec<Question>,
}

#[derive(Debug)]
struct Question {
    running: Running,
    request: Request,
    /// When to give up; never for an order, which takes as long as it takes.
    until: Option<Time>,
}

/// What came of a question.
#[derive(Debug)]
pub struct Heard {
    /// The server that was asked.
    pub server: String,
    /// What it was asked.
    pub request: Request,
    /// What it said, or why it said nothing.
    pub answer: Result<Answer, String>,
}

impl Asking {
    /// Asks the servers of that directory, or one of them.
    pub fn new(dir: &Path, only: Option<String>) -> Self {
        Self { dir: dir.to_owned(), only, open: Vec::new() }
    }

    /// The servers that seem to be there.
    pub fn names(&self) -> crate::Result<Vec<String>> {
        match &self.only {
            Some(name) => Ok(vec![name.clone()]),
            None => find::names(&self.dir),
        }
    }

    /// Asks a server; `None` when the answer is to come. One that still owes a status is not asked for another.
    pub fn ask(&mut self, server: &str, request: Request) -> Option<Heard> {
        let is_status = request == Request::Status;
        let owes = |open: &Question| open.running.name == server && open.request == request;
        if is_status && self.open.iter().any(owes) {
            return None;
        }
        let heard = |why: String| {
            Some(Heard { server: server.to_owned(), request: request.clone(), answer: Err(why) })
        };
        let mut running = match Running::connect(server, &name::control_socket(&self.dir, server)) {
            Ok(running) => running,
            Err(Absent::NotRunning) => return heard("it does not run any more".into()),
            Err(Absent::Refused(error)) => return heard(error.to_string()),
        };
        if let Err(error) = running.say(&request) {
            return heard(error.to_string());
        }
        let until = is_status.then(|| Time::now() + STATUS);
        self.open.push(Question { running, request, until });
        None
    }

    /// The connections that an answer may come by.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.open.iter().map(|question| question.running.fd())
    }

    /// Whether an order is under way.
    pub fn is_busy(&self) -> bool {
        self.open.iter().any(|question| question.until.is_none())
    }

    /// Reads the answers of the connections that are `ready`, in the order of [`Asking::fds`], and gives up waiting
    /// for those that take too long.
    pub fn hear(&mut self, ready: &[bool]) -> Vec<Heard> {
        let now = Time::now();
        let mut heard = Vec::new();
        let mut left = Vec::new();
        for (at, question) in std::mem::take(&mut self.open).into_iter().enumerate() {
            let answer = if ready.get(at).copied().unwrap_or(false) {
                listen(&question.running)
            } else if question.until.is_some_and(|until| now >= until) {
                Err("its master does not answer: is it stopped?".into())
            } else {
                left.push(question);
                continue;
            };
            heard.push(Heard { server: question.running.name.clone(), request: question.request, answer });
        }
        self.open = left;
        heard
    }
}

fn listen(running: &Running) -> Result<Answer, String> {
    let answer = running.hear(Some(REST)).map_err(|error| error.to_string())?;
    answer.ok_or_else(|| "its master left without an answer".into())
}
