//! One run of one experiment: the stage in a process of its own, a guard above it, and an audience that listens.

use std::{
    ffi::OsString,
    io::{self, Write},
    os::fd::OwnedFd,
    time::Duration,
};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use serde::Serialize;

use super::{
    Lab, Lang, Trouble,
    experiments::Experiment,
    guard,
    message::{Check, Message, hear, tell},
};
use crate::process::{
    Pid,
    exit::ExitStatus,
    lifeline::{Lifeline, Tether},
    spawn, wait,
};

/// How long a run may take, a second short of what is promised.
const LONGEST: Duration = Duration::from_secs(9);

/// What the reader asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// The language of all texts.
    pub lang: Lang,
    /// What chance is made of.
    pub seed: u64,
    /// The broken variant.
    pub bug: Option<String>,
    /// Whether each event waits for the audience.
    pub pace: Pace,
    /// A learner's program that takes the first part.
    pub program: Option<Vec<OsString>>,
}

/// Whether events come as they happen or one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As they happen.
    Live,
    /// Each waits until the audience has nodded.
    Step,
}

/// What came of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Its name.
    pub id: String,
    /// Whether every check was made and held.
    pub ok: bool,
    /// Why nothing could be shown on this machine.
    pub skipped: Option<String>,
    /// The checks.
    pub checks: Vec<Check>,
    /// The checks that this machine cannot make, with the reason.
    pub skipped_checks: Vec<Left>,
    /// What stopped it before its end.
    pub trouble: Option<String>,
}

/// A check that was not made.
#[derive(Debug, Clone, Serialize)]
pub struct Left {
    /// The claim that stays unproved here.
    pub claim: String,
    /// What would have been checked.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl Report {
    /// Whether nothing failed; what was skipped did not.
    pub fn holds(&self) -> bool {
        self.ok || (self.skipped.is_some() && self.trouble.is_none())
    }

    fn take(&mut self, message: &Message) {
        match message {
            Message::Check(check) => self.checks.push(check.clone()),
            Message::SkippedCheck { claim, what, why } => {
                self.skipped_checks.push(Left { claim: claim.clone(), what: what.clone(), why: why.clone() });
            }
            Message::Skipped(why) => self.skipped = Some(why.clone()),
            Message::Trouble(what) => self.trouble = Some(what.clone()),
            Message::Event(_) | Message::Output(_) => {}
        }
    }

    fn close(mut self) -> Self {
        let held = !self.checks.is_empty() && self.checks.iter().all(|check| check.ok);
        self.ok = held && self.trouble.is_none() && self.skipped.is_none();
        if self.checks.is_empty() && self.skipped.is_none() && self.trouble.is_none() {
            self.skipped = self.skipped_checks.first().map(|left| left.why.clone());
        }
        self
    }
}

/// Runs an experiment to its end and tells `audience` everything that happens. No process is left when it returns.
///
/// The calling process must have no other thread: it is forked.
///
/// # Errors
/// When the guard cannot be made, and what the audience answers.
pub fn perform(
    experiment: &'static Experiment,
    wish: &Wish,
    mut audience: impl FnMut(&Message) -> io::Result<()>,
) -> io::Result<Report> {
    let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
    let mut ours = Some(ours);
    let mut lifeline = Some(Lifeline::new()?);
    let tether = lifeline.as_ref().map_or(Err(io::ErrorKind::BrokenPipe.into()), Lifeline::reader)?;
    let limit = (wish.pace == Pace::Live).then_some(LONGEST);
    let guard = spawn::fork(|| {
        // The copies of the audience's ends: with them nobody would notice that it has gone.
        drop((ours.take(), lifeline.take()));
        life_of_guard(experiment, wish, limit, &tether, theirs)
    })?;
    let mut report = Report { id: experiment.id.into(), ..Report::default() };
    let mut heard = Ok(());
    while let (Some(wire), Ok(())) = (&ours, &heard) {
        let Some(message) = hear(wire)? else { break };
        report.take(&message);
        heard = audience(&message);
        if heard.is_ok() && wish.pace == Pace::Step && matches!(message, Message::Event(_)) {
            let _ = nix::unistd::write(wire, b"!");
        }
    }
    drop(lifeline);
    leave(guard, &mut report)?;
    heard.map(|()| report.close())
}

/// Waits for the guard, and does its work if it was killed.
fn leave(guard: Pid, report: &mut Report) -> io::Result<()> {
    let status = wait::join(guard)?.status;
    if status == ExitStatus::Exited(guard::TIME_IS_UP) {
        report.trouble.get_or_insert(format!("did not end within {} seconds", LONGEST.as_secs()));
    } else if status != ExitStatus::Exited(0) {
        report.trouble.get_or_insert(format!("the guard {}", status.words()));
    }
    Ok(())
}

fn life_of_guard(
    experiment: &'static Experiment,
    wish: &Wish,
    limit: Option<Duration>,
    tether: &Tether,
    wire: OwnedFd,
) -> i32 {
    let mut wire = Some(wire);
    let stage = || wire.take().map_or(1, |wire| life_of_stage(experiment, wish, wire));
    guard::keep(experiment.adopter, limit, tether, stage).unwrap_or_else(|cause| {
        let _ = writeln!(io::stderr(), "lab: {cause}");
        1
    })
}

/// The stage's whole life: the experiment, and what came of it.
fn life_of_stage(experiment: &'static Experiment, wish: &Wish, wire: OwnedFd) -> i32 {
    let mut lab = Lab::new(experiment, wish, wire);
    let outcome = (experiment.run)(&mut lab);
    let last = match outcome {
        Ok(()) => None,
        Err(Trouble::Skip(why)) => Some(Message::Skipped(why)),
        Err(trouble @ (Trouble::Refused(_) | Trouble::Never(_))) => {
            Some(Message::Trouble(trouble.to_string()))
        }
    };
    if let Some(output) = lab.output() {
        tell(lab.wire(), &Message::Output(output));
    }
    if let Some(last) = last {
        tell(lab.wire(), &last);
    }
    0
}
