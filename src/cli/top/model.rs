//! What is shown, and what a key does to it: no terminal, no socket, no clock.

use std::time::Duration;

use super::{history::History, keys::Key};
use crate::{
    ipc::control::{
        Request, Scale,
        status::{ServerState, StatusDocument, Worker},
    },
    process::clock::Time,
};

/// How long what came of an order is shown.
const SHOWN: Duration = Duration::from_secs(15);

/// A rate is measured over so long a time at least.
const MEASURED: Duration = Duration::from_millis(900);

/// Everything that is shown.
#[derive(Debug, Default)]
pub struct Model {
    /// The servers, by name.
    pub servers: Vec<Server>,
    /// The name of the one that is shown in full.
    selected: Option<String>,
    /// A question that waits for a key.
    pub prompt: Option<Prompt>,
    /// What came of the last order, and when.
    message: Option<(Said, Time)>,
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// How it is found.
    pub name: String,
    /// Its last answer.
    pub status: Option<StatusDocument>,
    /// Why there is no newer one.
    pub silence: Option<String>,
    /// The last minute.
    pub history: History,
    /// When its history was last added to.
    measured: Option<Time>,
    /// The pid of the worker that a key would mean.
    worker: Option<i32>,
}

/// What came of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It is under way, or done.
    Well(String),
    /// It did not come about.
    Badly(String),
}

/// A question that waits for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// How many workers: what was typed so far.
    Scale(String),
    /// Whether to reload.
    Reload,
    /// How to end that worker.
    End {
        /// The slot that it fills.
        slot: u32,
        /// Its process.
        pid: i32,
    },
}

/// What is to be done because of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The view ends.
    Quit,
    /// The view stops, as a job of the shell.
    Suspend,
    /// The master of that server is asked for something.
    Ask {
        /// The server.
        server: String,
        /// What is asked for.
        request: Request,
    },
    /// A worker gets a signal.
    Signal {
        /// Its master.
        master: i32,
        /// Its process.
        pid: i32,
        /// The signal.
        signal: i32,
    },
}

impl Server {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            status: None,
            silence: None,
            history: History::default(),
            measured: None,
            worker: None,
        }
    }

    /// Its workers: by slot, and within one the older generation first, so that a reload shows them side by side.
    pub fn workers(&self) -> Vec<&Worker> {
        let mut workers: Vec<&Worker> = self.status.iter().flat_map(|status| &status.workers).collect();
        workers.sort_by_key(|worker| (worker.slot, worker.generation, worker.pid));
        workers
    }

    /// Which of [`Server::workers`] a key would mean.
    pub fn chosen(&self) -> Option<usize> {
        let workers = self.workers();
        let same = workers.iter().position(|worker| Some(worker.pid) == self.worker);
        same.or_else(|| (!workers.is_empty()).then_some(0))
    }
}

impl Model {
    /// The servers that are there now; the data of those that were there before stay.
    pub fn set_names(&mut self, names: &[String]) {
        self.servers.retain(|server| names.contains(&server.name));
        for name in names {
            if !self.servers.iter().any(|server| server.name == *name) {
                self.servers.push(Server::new(name));
            }
        }
        self.servers.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// A server answered how it stands.
    pub fn answered(&mut self, name: &str, status: StatusDocument, at: Time) {
        let Some(server) = self.servers.iter_mut().find(|server| server.name == name) else { return };
        // While an order is under way it is asked more often, and rates over so short a time would jump.
        let since = server.measured.map(|before| at.since(before));
        if since.is_none_or(|since| since >= MEASURED) {
            server.history.add(&status, since.unwrap_or_default());
            server.measured = Some(at);
        }
        (server.status, server.silence) = (Some(status), None);
    }

    /// A server did not answer, for this reason; what it said before stays visible.
    pub fn silent(&mut self, name: &str, reason: String) {
        if let Some(server) = self.servers.iter_mut().find(|server| server.name == name) {
            server.silence = Some(reason);
        }
    }

    /// The server that is shown in full.
    pub fn shown(&self) -> Option<&Server> {
        self.shown_at().map(|at| &self.servers[at])
    }

    /// Which of the servers that is.
    pub fn shown_at(&self) -> Option<usize> {
        let same = self.servers.iter().position(|server| Some(&server.name) == self.selected.as_ref());
        same.or_else(|| (!self.servers.is_empty()).then_some(0))
    }

    /// Shows what came of an order.
    pub fn say(&mut self, said: Said, at: Time) {
        self.message = Some((said, at));
    }

    /// What came of the last order, as long as that is news.
    pub fn message(&self, now: Time) -> Option<&Said> {
        let (said, at) = self.message.as_ref()?;
        (now.since(*at) < SHOWN).then_some(said)
    }

    /// What a key means.
    pub fn key(&mut self, key: Key) -> Option<Order> {
        match (self.prompt.take(), key) {
            (_, Key::Interrupt) => Some(Order::Quit),
            (prompt, Key::Suspend) => {
                self.prompt = prompt;
                Some(Order::Suspend)
            }
            (Some(prompt), key) => self.answer(prompt, key),
            (None, key) => self.command(key),
        }
    }

    /// A key that answers a question; any that is no answer takes the question back.
    fn answer(&mut self, prompt: Prompt, key: Key) -> Option<Order> {
        match (prompt, key) {
            (Prompt::Scale(typed), key) => self.type_number(typed, key),
            (Prompt::Reload, Key::Letter('y')) => self.ask(Request::Reload { timeout: None }),
            (Prompt::End { slot: _, pid }, Key::Letter('d')) => self.signal(pid, libc::SIGTERM),
            (Prompt::End { slot: _, pid }, Key::Letter('k')) => self.signal(pid, libc::SIGKILL),
            (Prompt::Reload | Prompt::End { .. }, _) => None,
        }
    }

    fn type_number(&mut self, mut typed: String, key: Key) -> Option<Order> {
        if key == Key::Enter {
            return self.ask(Request::Scale(Scale::To(typed.parse().ok()?)));
        }
        if key == Key::Backspace {
            typed.pop();
        } else if let Key::Letter(letter) = key {
            typed.extend(Some(letter).filter(|letter| letter.is_ascii_digit() && typed.len() < 4));
        } else {
            return None;
        }
        self.prompt = Some(Prompt::Scale(typed));
        None
    }

    /// A key while no question waits.
    fn command(&mut self, key: Key) -> Option<Order> {
        match key {
            Key::Letter('q') | Key::Escape | Key::Interrupt => return Some(Order::Quit),
            Key::Up => self.choose_worker(-1),
            Key::Down => self.choose_worker(1),
            Key::Before => self.choose_server(-1),
            Key::After => self.choose_server(1),
            Key::Letter('+') => return self.ask(Request::Scale(Scale::Up(1))),
            Key::Letter('-') => return self.ask(Request::Scale(Scale::Down(1))),
            Key::Letter('p') => return self.pause(),
            Key::Letter('s') => self.prompt = self.shown().map(|_| Prompt::Scale(String::new())),
            Key::Letter('r') => self.prompt = self.shown().map(|_| Prompt::Reload),
            Key::Letter('k') => self.prompt = self.end_worker(),
            Key::Letter(_) | Key::Enter | Key::Backspace | Key::Suspend | Key::Other => {}
        }
        None
    }

    /// A signal for a worker of the server that is shown.
    fn signal(&self, pid: i32, signal: i32) -> Option<Order> {
        let master = self.shown()?.status.as_ref()?.master.pid;
        Some(Order::Signal { master, pid, signal })
    }

    fn ask(&self, request: Request) -> Option<Order> {
        Some(Order::Ask { server: self.shown()?.name.clone(), request })
    }

    /// One that is paused is resumed.
    fn pause(&self) -> Option<Order> {
        let paused = self.shown()?.status.as_ref()?.state == ServerState::Paused;
        self.ask(if paused { Request::Resume } else { Request::Pause })
    }

    fn end_worker(&self) -> Option<Prompt> {
        let server = self.shown()?;
        let worker = *server.workers().get(server.chosen()?)?;
        Some(Prompt::End { slot: worker.slot, pid: worker.pid })
    }

    fn choose_worker(&mut self, step: isize) {
        let Some(at) = self.shown_at() else { return };
        let server = &self.servers[at];
        let workers = server.workers();
        let Some(chosen) = server.chosen() else { return };
        let chosen = chosen.saturating_add_signed(step).min(workers.len() - 1);
        let pid = workers[chosen].pid;
        self.servers[at].worker = Some(pid);
    }

    fn choose_server(&mut self, step: isize) {
        let Some(at) = self.shown_at() else { return };
        let count = self.servers.len().cast_signed();
        let at = (at.cast_signed() + step).rem_euclid(count).cast_unsigned();
        self.selected = Some(self.servers[at].name.clone());
    }
}

#[cfg(test)]
mod tests;
