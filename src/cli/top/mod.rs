//! `forkd top`: servers as they live.
//!
//! One loop waits for keys, signals, answers of the masters and the next second; [`model`] knows what is shown and
//! what a key means, [`view`] how it looks, [`screen`] gives the terminal back.

mod asking;
mod history;
mod keys;
mod model;
#[cfg(test)]
mod sample;
mod screen;
mod view;

use std::{
    fs,
    io::{self, IsTerminal},
    os::fd::AsFd,
    process::ExitCode,
    time::Duration,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use ratatui::crossterm::event;

use self::{
    asking::{Asking, Heard},
    keys::Key,
    model::{Model, Order, Said},
    screen::Screen,
    view::Palette,
};
use super::{
    operate::{self, args::Target, find},
    out,
};
use crate::{
    Error, Result,
    inspect::stat::Process,
    ipc::control::{Request, Scale},
    process::{
        Pid,
        clock::Time,
        signal::{self, Signals},
    },
    sys::pidfd,
};

/// What follows the flags in `--help`.
pub const EXAMPLES: &str = "\
Keys: arrows choose a worker and a server, + and - one worker more or fewer, s another number, r reload, p pause or
resume, k end a worker, q quit. Reload and the end of a worker ask back.

Examples:
  forkd top                               all servers that run here
  forkd top web                           one of them";

/// How often the masters are asked.
const EVERY: Duration = Duration::from_secs(1);
/// How often they are while one of them carries out an order.
const OFTEN: Duration = Duration::from_millis(150);
/// Signals that end the view, and those that change what it has to draw.
const SIGNALS: [i32; 6] =
    [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT, libc::SIGWINCH, libc::SIGCONT];

/// Shows servers until `q` is pressed or a signal ends it.
pub fn top(target: &Target) -> Result<ExitCode> {
    if target.place.json {
        return Err(Error::usage("cannot show a live view as JSON").remedy("use forkd status --json"));
    }
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let error = Error::usage("cannot show a live view: standard input or output is no terminal");
        return Err(error.remedy("use forkd status"));
    }
    let dir = find::directory(&target.place)?;
    // Without a name all are shown; that there is one at all is found out while errors can still be read.
    let only = match &target.name {
        Some(name) => Some(find::server(&target.place, Some(name))?.name),
        None => find::any(&dir).map(|()| None)?,
    };
    let cannot = |cause| Error::system("show a live view", cause);
    // The signals first: one that comes from here on gives the terminal back.
    let signals = Signals::new(&SIGNALS).map_err(cannot)?;
    let screen = Screen::take().map_err(cannot)?;
    let palette = Palette::new(out::coloured());
    let mut top = Top { model: Model::default(), asking: Asking::new(&dir, only), signals, screen, palette };
    top.run().map_err(cannot)
}

struct Top {
    model: Model,
    asking: Asking,
    signals: Signals,
    screen: Screen,
    palette: Palette,
}

/// What made the loop go round.
struct Woken {
    keys: bool,
    gone: bool,
    answers: Vec<bool>,
}

impl Top {
    fn run(&mut self) -> io::Result<ExitCode> {
        let mut next = Time::now();
        loop {
            let busy = self.asking.is_busy();
            if Time::now() >= next {
                self.ask_all();
                next = Time::now() + EVERY;
            } else if busy {
                // Both generations of a reload may be there for a moment only.
                next = next.min(Time::now() + OFTEN);
            }
            let (model, palette) = (&self.model, &self.palette);
            self.screen.draw(|frame| view::draw(frame, model, palette, busy, Time::now()))?;
            let woken = self.wait(next)?;
            for heard in self.asking.hear(&woken.answers) {
                self.hear(heard);
            }
            if let Some(code) = self.take_signals()? {
                return Ok(code);
            }
            // A terminal that hung up without a signal to us.
            if woken.gone || (woken.keys && self.take_keys()?) {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }

    /// Asks every server how it stands.
    fn ask_all(&mut self) {
        match self.asking.names() {
            Ok(names) => self.model.set_names(&names),
            Err(error) => self.model.say(Said::Badly(error.to_string()), Time::now()),
        }
        let names: Vec<String> = self.model.servers.iter().map(|server| server.name.clone()).collect();
        for name in names {
            if let Some(heard) = self.asking.ask(&name, Request::Status) {
                self.hear(heard);
            }
        }
    }

    /// Waits for a key, a signal, an answer, or the next time to ask.
    fn wait(&self, until: Time) -> io::Result<Woken> {
        let stdin = io::stdin();
        let mut fds = vec![
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.signals.fd(), PollFlags::POLLIN),
        ];
        fds.extend(self.asking.fds().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // Rounded up: a wait that ends too early would turn in a circle.
        let left = until.since(Time::now()) + Duration::from_millis(1);
        match poll(&mut fds, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(cause) => return Err(cause.into()),
        }
        let came = |fd: &PollFd<'_>| fd.revents().unwrap_or(PollFlags::empty());
        let hung_up = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        Ok(Woken {
            keys: came(&fds[0]).contains(PollFlags::POLLIN),
            gone: came(&fds[0]).intersects(hung_up),
            answers: fds[2..].iter().map(|fd| !came(fd).is_empty()).collect(),
        })
    }

    fn hear(&mut self, heard: Heard) {
        let now = Time::now();
        let Heard { server, request, answer } = heard;
        match (request == Request::Status, answer) {
            (true, Ok(answer)) => match answer.status {
                Some(mut status) => {
                    // Of the others nothing is shown that the kernel would have to be asked for.
                    if self.model.shown().is_some_and(|shown| shown.name == server) {
                        status.workers.iter_mut().for_each(operate::weigh);
                    }
                    self.model.answered(&server, status, now);
                }
                None => self.model.silent(&server, answer.text),
            },
            (true, Err(why)) => self.model.silent(&server, why),
            (false, Ok(answer)) if answer.ok() => {
                self.model.say(Said::Well(format!("{server}: {}", answer.text)), now);
            }
            (false, Ok(answer)) => self.model.say(Said::Badly(format!("{server}: {}", answer.text)), now),
            (false, Err(why)) => self.model.say(Said::Badly(format!("{server}: {why}")), now),
        }
    }

    /// The exit code, if a signal ends the view: that of a command which the signal killed.
    fn take_signals(&mut self) -> io::Result<Option<ExitCode>> {
        for caught in self.signals.pending() {
            if caught.signal == libc::SIGCONT {
                self.screen.again()?;
            } else if caught.signal != libc::SIGWINCH {
                return Ok(Some(ExitCode::from(128 + u8::try_from(caught.signal).unwrap_or(0))));
            }
        }
        Ok(None)
    }

    /// Whether a key ends the view.
    fn take_keys(&mut self) -> io::Result<bool> {
        while event::poll(Duration::ZERO)? {
            let event::Event::Key(key) = event::read()? else { continue };
            match Key::of(key).and_then(|key| self.model.key(key)) {
                None => {}
                Some(Order::Quit) => return Ok(true),
                Some(Order::Suspend) => {
                    self.screen.leave_for(|| signal::send(Pid::this(), libc::SIGSTOP))?;
                }
                Some(Order::Ask { server, request }) => self.order(&server, request),
                Some(Order::Signal { master, pid, signal }) => {
                    let said = end_worker(master, pid, signal);
                    self.model.say(said, Time::now());
                }
            }
        }
        Ok(false)
    }

    fn order(&mut self, server: &str, request: Request) {
        self.model.say(Said::Well(format!("{server}: {} …", in_words(&request))), Time::now());
        if let Some(heard) = self.asking.ask(server, request) {
            self.hear(heard);
        }
    }
}

/// Sends a worker a signal. The number is held by a descriptor before it is looked at, so that it cannot have become a
/// stranger's in between.
fn end_worker(master: i32, pid: i32, signal: i32) -> Said {
    let send = || -> io::Result<()> {
        let process = pidfd::open(Pid::from_raw(pid))?;
        let stat = fs::read(format!("/proc/{pid}/stat"))?;
        if Process::parse(&stat).is_none_or(|process| process.ppid != master) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        pidfd::send(process, signal)
    };
    let (done, to_do) = if signal == libc::SIGKILL { ("killed", "kill") } else { ("told to drain", "drain") };
    match send() {
        Ok(()) => Said::Well(format!("worker {pid} {done}")),
        Err(cause) => Said::Badly(Error::system(format!("{to_do} worker {pid}"), cause).to_string()),
    }
}

fn in_words(request: &Request) -> String {
    match request {
        Request::Status => "status".into(),
        Request::Stop(_) => "stop".into(),
        Request::Reload { .. } => "reload".into(),
        Request::Upgrade { .. } => "upgrade".into(),
        Request::Scale(Scale::To(count)) => format!("scale to {count}"),
        Request::Scale(Scale::Up(count)) => format!("scale +{count}"),
        Request::Scale(Scale::Down(count)) => format!("scale -{count}"),
        Request::Reopen => "reopen".into(),
        Request::Pause => "pause".into(),
        Request::Resume => "resume".into(),
    }
}
