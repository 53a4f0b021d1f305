//! What crosses from one program to the next, as a document in a memory file; and how it is taken up there.

use std::{
    fs::File,
    io::{self, Read, Seek, Write},
    os::fd::OwnedFd,
    path::PathBuf,
    rc::Rc,
};

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::{
    VERSION,
    role::{self, Role},
};
use crate::{
    config::Range,
    error::{Error, Result},
    ipc::{control::Request, scoreboard},
    listener,
    master::{action::Ending, adoption::Adoption, desk, process, supervisor::Supervisor},
    process::{clock::Time, lifeline, origin::Origin, pidfile},
    sys::{
        fork::exit_now,
        luggage::{Ticket, claim, leave_behind},
    },
};

/// A master, written down.
#[derive(Debug, Serialize, Deserialize)]
pub struct State {
    /// Which version of this document it is.
    pub version: u32,
    /// The server's name.
    pub name: String,
    /// When the server began.
    pub began: Time,
    /// How many workers the settings ask for, or at least.
    pub workers: u32,
    /// How many at most.
    #[serde(default)]
    pub most_workers: Option<u32>,
    /// Which program an upgrade reads anew, if nobody names one.
    pub program: PathBuf,
    /// The program to go back to.
    pub old: Option<PackedOld>,
    /// The decisions.
    pub supervisor: Supervisor,
    /// Where clients wait.
    pub listeners: Vec<listener::packed::Packed>,
    /// Where requests come in, and who waits for an answer.
    pub desk: desk::Packed,
    /// The lock.
    pub pid_file: Option<pidfile::Packed>,
    /// What the workers say of themselves.
    pub scoreboard: scoreboard::Packed,
    /// What tells descendants that the master lives.
    pub lifeline: lifeline::Packed,
    /// Which process is whose.
    pub children: Vec<process::Packed>,
    /// Who looks after whose queue.
    #[serde(default)]
    pub adoption: Adoption,
    /// How many descriptors a process might have had when the server was started, if it has been made more since.
    #[serde(default)]
    pub descriptors_at_start: Option<u64>,
    /// The signals that were ignored when the server was started.
    pub inherited: Vec<String>,
    /// What was asked for by signals, and not decided yet.
    pub held: Vec<Request>,
    /// What the application's workers share.
    #[serde(default)]
    pub estate: Vec<Ticket>,
    /// Every descriptor that crosses, those that are nothing but means of transport too.
    pub luggage: Vec<Ticket>,
}

/// A program that an upgrade may lead back to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackedOld {
    /// The program itself.
    pub image: Ticket,
    /// How it was started.
    pub origin: Origin,
}

/// What this process takes over from the program before it.
#[derive(Debug)]
pub enum Arrival {
    /// Nothing: it is a server of its own.
    First,
    /// Everything, to show that it could.
    Trial(Box<State>, Rehearsal),
    /// Everything, for good.
    Successor(Box<State>, Beginning),
}

/// As what it begins.
#[derive(Debug)]
pub enum Beginning {
    /// The new program.
    New,
    /// The old one, again.
    Returned,
    /// The old one, after the new one could not even begin, for this reason.
    Spared(String),
}

impl State {
    /// How many workers the settings ask for.
    pub fn range(&self) -> Range {
        Range { least: self.workers, most: self.most_workers.unwrap_or(self.workers) }
    }

    /// What the application's workers share.
    ///
    /// # Errors
    /// When it did not come with the luggage.
    pub fn estate(&self) -> io::Result<Vec<OwnedFd>> {
        self.estate.iter().map(|ticket| claim(*ticket)).collect()
    }
}

/// How a trial answers.
#[derive(Debug, Clone)]
pub struct Rehearsal(Rc<File>);

impl Rehearsal {
    /// A worker was ready: this program can take over.
    pub fn passed(&self) {
        self.say(&format!("ready {VERSION}"));
    }

    /// The trial ends here: it must not go on into what its program does after a server has ended.
    pub fn end(&self, ending: Result<Ending>) -> ! {
        match ending {
            Ok(Ending::Stopped) => exit_now(0),
            Ok(Ending::Failed(why)) => self.failed(&why),
            Err(cause) => self.failed(&cause.to_string()),
        }
        exit_now(1)
    }

    /// It cannot, for this reason.
    pub fn failed(&self, why: &str) {
        self.say(&format!("failed {why}"));
    }

    /// A master that is gone needs no answer.
    fn say(&self, line: &str) {
        let _ = (&*self.0).write_all(line.as_bytes());
    }
}

impl From<OwnedFd> for Rehearsal {
    /// By this pipe.
    fn from(pipe: OwnedFd) -> Self {
        Self(Rc::new(pipe.into()))
    }
}

/// Reads what was left for this process.
///
/// # Errors
/// When that was written by a newer program, or cannot be read.
pub fn arrive() -> Result<Arrival> {
    Ok(match Role::of_this_process()? {
        Role::First => Arrival::First,
        Role::Trial { state, answer } => {
            let pipe = claim(answer).map_err(|cause| Error::system("answer as a trial", cause))?;
            Arrival::Trial(read(state)?, pipe.into())
        }
        Role::Successor { state, .. } => Arrival::Successor(read(state)?, Beginning::New),
        Role::Returned { state, why: None } => Arrival::Successor(read(state)?, Beginning::Returned),
        Role::Returned { state, why: Some(why) } => {
            let mut state = read(state)?;
            // It was written for the new program, which did not come to be.
            state.program = state.old.take().map_or(state.program, |old| old.origin.program);
            Arrival::Successor(state, Beginning::Spared(why))
        }
    })
}

/// Everything was claimed: closes the originals. There is no way back to before this process took over.
pub fn settle(luggage: &[Ticket]) {
    role::forget();
    leave_behind(luggage);
}

impl State {
    /// Writes it into such a file.
    ///
    /// # Errors
    /// Without memory for it.
    pub fn write(&self, mut file: &File) -> io::Result<()> {
        file.write_all(&serde_json::to_vec(self)?)?;
        file.rewind()
    }
}

/// A file that crosses exec by its descriptor. memfd_create(2).
///
/// # Errors
/// `EMFILE` when no descriptor is left.
pub fn state_file() -> io::Result<File> {
    Ok(memfd_create(c"forkd-state", MFdFlags::MFD_CLOEXEC)?.into())
}

/// What the program before left in that file.
///
/// # Errors
/// When it was written by a newer program, or cannot be read.
pub fn read(state: Ticket) -> Result<Box<State>> {
    let cannot = |cause: io::Error| Error::system("take over from the program before", cause);
    let mut file = File::from(claim(state).map_err(cannot)?);
    let mut text = Vec::new();
    // Whoever reads it after us, should we fail, finds it as we did.
    file.read_to_end(&mut text).and_then(|_| file.rewind()).map_err(cannot)?;
    let version = serde_json::from_slice(&text).map(|Versioned { version }| version);
    if version.as_ref().is_ok_and(|version| *version > VERSION) {
        let text = format!(
            "cannot take over: the running master writes state version {}, this program reads up to {VERSION}",
            version.unwrap_or_default()
        );
        return Err(Error::failed(text).remedy("take a newer binary"));
    }
    serde_json::from_slice(&text).map_err(|cause| cannot(cause.into()))
}

/// What every version begins with.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}
