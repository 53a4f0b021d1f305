//! A program in a slot: how the master starts it, and by what it hears of it.
//!
//! A worker of ours speaks by its channel and its row; a program knows neither. It says by sd_notify(3) that it is
//! ready, its standard output and error are read line by line into the log, and the master writes its row for it.

use std::{
    fs::File,
    io, mem,
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use log::{Level, kv::Value};

use super::{
    event::{ChildId, Event},
    tail::Tail,
};
use crate::{
    ipc::{
        ident::Generation,
        notify::{Note, NotifySocket},
        row::Row,
    },
    listener::{Address, Listener, Local, inherit},
    logging,
    process::{
        Pid,
        clock::Time,
        privilege::Confinement,
        program::{Birth, Image, Program, ProgramError, Readiness, output::Output},
    },
};
#[cfg(feature = "control")]
use crate::{
    process::program::output,
    sys::luggage::{Luggage, Ticket, claim},
    worker::{Serve, Worker},
};

/// How many datagrams are read before the others have their turn.
const NOTES_AT_ONCE: usize = 16;

/// What the master hears a program by.
#[derive(Debug)]
pub struct Voices {
    notify: NotifySocket,
    output: Output,
    error: Output,
    row: Row,
    /// How long it may keep silent once it has said `WATCHDOG=1`.
    liveness: Option<Duration>,
    speaker: Speaker,
    /// The last line of its standard error, or else of its output: what it says before it fails is why.
    last: Option<(Stream, String)>,
    /// Its last lines.
    tail: Tail,
}

/// Who speaks, in the log.
#[derive(Debug, Clone, Copy)]
struct Speaker {
    child: ChildId,
    generation: Generation,
    pid: Pid,
}

/// Where a program wrote a line.
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stream {
    Output,
    Error,
}

/// A program that is about to be born.
pub struct Newborn<'a> {
    /// Which child it will be.
    pub child: ChildId,
    /// Of which generation.
    pub generation: Generation,
    /// The server's name.
    pub name: &'a str,
    /// The sockets that it gets.
    pub listeners: Vec<&'a Listener>,
    /// The row that is written for it.
    pub row: Row,
    /// How long it may keep silent once it has said that it is alive.
    pub liveness: Option<Duration>,
    /// What it is born without.
    pub confinement: &'a Confinement,
}

/// Starts the program; it runs when this returns.
///
/// # Errors
/// What kept it from running, by its name.
pub fn start(program: &Program, newborn: Newborn<'_>) -> Result<(Pid, Voices), ProgramError> {
    let Newborn { child, generation, name, listeners, row, liveness, confinement } = newborn;
    let image = Image::new(program, Some(confinement))?;
    let fault = |cause: io::Error| ProgramError { program: program.to_string(), cause };
    // A program expects to wait in accept(2), as sd_listen_fds(3) has it; ours never do.
    listeners.iter().try_for_each(|listener| listener.make_blocking()).map_err(fault)?;
    let nothing = File::open("/dev/null").map_err(fault)?;
    let (output, stdout) = Output::pipe().map_err(fault)?;
    let (error, stderr) = Output::pipe().map_err(fault)?;
    let notify = NotifySocket::new(None).map_err(fault)?;
    let mut environment = vec![
        ("NOTIFY_SOCKET", notify.name().to_owned()),
        ("FORKD_SLOT", child.slot.to_string()),
        ("FORKD_GENERATION", generation.to_string()),
        ("FORKD_NAME", name.to_owned()),
    ];
    if let Some(liveness) = liveness.filter(|_| program.readiness() == Readiness::Notify) {
        environment.push(("WATCHDOG_USEC", liveness.as_micros().to_string()));
    }
    let pid = image.start(&Birth {
        stdio: [nothing.as_fd(), stdout.as_fd(), stderr.as_fd()],
        sockets: listeners.iter().map(|listener| (listener.as_fd(), socket_name(listener))).collect(),
        environment,
    })?;
    if program.readiness() == Readiness::Exec {
        row.ready();
    }
    let speaker = Speaker { child, generation, pid };
    Ok((pid, Voices { notify, output, error, row, liveness, speaker, last: None, tail: Tail::default() }))
}

/// What `$LISTEN_FDNAMES` calls a socket: the name that systemd gave it, or its kind and port.
fn socket_name(listener: &Listener) -> String {
    let name = match (listener.address(), listener.local()) {
        (Address::Systemd(name), _) => name.clone(),
        (_, Local::Inet(inet)) => {
            let url = listener.url("tcp");
            format!("{}-{}", url.split(':').next().unwrap_or_default(), inet.port())
        }
        (_, Local::Unix(path)) => {
            format!("unix-{}", path.file_name().unwrap_or_default().to_string_lossy())
        }
        (_, Local::Abstract(name)) => format!("unix-{name}"),
    };
    // sd_listen_fds_with_names(3).
    inherit::plain(&name)
}

impl Voices {
    /// The descriptors to wait for.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [Some(self.notify.as_fd()), self.output.fd(), self.error.fd()].into_iter().flatten()
    }

    /// Hears what there is to hear, without waiting.
    pub fn hear(&mut self, events: &mut Vec<Event>) {
        for _ in 0..NOTES_AT_ONCE {
            let Some(notes) = self.notify.receive() else { break };
            notes.into_iter().for_each(|note| self.heed(note, events));
        }
        self.read(Output::read);
    }

    /// The program is gone: the line that says best why, and its last lines.
    pub fn last_words(&mut self) -> (Option<String>, Vec<String>) {
        self.read(Output::finish);
        (self.last.take().map(|(_, line)| line), mem::take(&mut self.tail).into_lines())
    }

    /// Asked to drain, it takes no more as far as anybody knows.
    pub fn draining(&self) {
        self.row.draining();
    }

    fn heed(&mut self, note: Note, events: &mut Vec<Event>) {
        match note {
            Note::Ready => {
                self.row.ready();
                events.push(Event::Ready { child: self.speaker.child });
            }
            Note::Status(status) => {
                self.row.beat(Time::now());
                self.row.begin(status.as_bytes());
                self.speaker.tell(Level::Info, "status", &status, None);
            }
            // From the first time on it is held to it; what it says besides is no sign of life.
            Note::Alive => self.row.clone().under(self.liveness, None).beat(Time::now()),
            Note::Stopping => self.speaker.tell(Level::Info, "notify", "program says that it stops", None),
            Note::Reloading => self.speaker.tell(Level::Info, "notify", "program says that it reloads", None),
            Note::Stuck => self.speaker.tell(Level::Warn, "notify", "program says that it is stuck", None),
        }
    }

    fn read(&mut self, how: Reading) {
        let Self { output, error, speaker, last, tail, .. } = self;
        for (pipe, stream) in [(output, Stream::Output), (error, Stream::Error)] {
            how(pipe, &mut |line: &str| {
                speaker.tell(Level::Info, "output", line, Some(stream));
                tail.push(line);
                if !line.trim().is_empty() && last.as_ref().is_none_or(|(before, _)| *before <= stream) {
                    *last = Some((stream, line.trim().to_owned()));
                }
            });
        }
    }
}

/// What is done with a pipe to get lines from it.
type Reading = fn(&mut Output, &mut dyn FnMut(&str));

/// What is heard of a program, on its way into another one of the master's.
#[cfg(feature = "control")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    notify: (Ticket, String),
    output: output::Packed,
    error: output::Packed,
    child: ChildId,
    generation: Generation,
    pid: i32,
    last: Option<(Stream, String)>,
    #[serde(default)]
    tail: Tail,
    #[serde(default)]
    liveness: Option<Duration>,
}

#[cfg(feature = "control")]
impl Voices {
    /// Puts the descriptors into the luggage.
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        let Speaker { child, generation, pid } = self.speaker;
        Packed {
            notify: (luggage.put(&self.notify), self.notify.name().to_owned()),
            output: self.output.pack(luggage),
            error: self.error.pack(luggage),
            child,
            generation,
            pid: pid.as_raw(),
            last: self.last.clone(),
            tail: self.tail.clone(),
            liveness: self.liveness,
        }
    }
}

#[cfg(feature = "control")]
impl Packed {
    /// The same as it was.
    ///
    /// # Errors
    /// When a descriptor did not come with the luggage.
    pub fn unpack(self, row: Row) -> io::Result<Voices> {
        let Self { notify: (socket, name), output, error, child, generation, pid, last, tail, liveness } =
            self;
        Ok(Voices {
            notify: NotifySocket::over(claim(socket)?, name),
            output: output.unpack()?,
            error: error.unpack()?,
            row,
            liveness,
            speaker: Speaker { child, generation, pid: Pid::from_raw(pid) },
            last,
            tail,
        })
    }
}

/// In the place of a program, in a trial: it says that it is ready, accepts nobody, and ends when it is told.
#[cfg(feature = "control")]
pub struct Understudy;

#[cfg(feature = "control")]
impl Serve for Understudy {
    fn run(&self, worker: &mut Worker) -> io::Result<()> {
        worker.confine()?;
        worker.ready();
        worker.wait_for_stop()
    }

    fn model(&self) -> &'static str {
        "program"
    }
}

impl Speaker {
    fn tell(self, level: Level, event: &str, text: &str, stream: Option<Stream>) {
        let mut facts = vec![
            ("event", Value::from(event)),
            ("slot", Value::from(self.child.slot.number())),
            ("gen", Value::from(self.generation.number())),
            ("pid", Value::from(self.pid.as_raw())),
        ];
        facts.extend(stream.map(|stream| ("stream", Value::from(stream.word()))));
        logging::event(level, text, &facts);
    }
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Self::Output => "stdout",
            Self::Error => "stderr",
        }
    }
}
