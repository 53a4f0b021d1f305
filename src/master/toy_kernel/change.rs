//! Upgrades in the toy world: trials that fail or hang, programs that cannot be run, and a supervisor that goes on in
//! another program from what was written down of it.

use super::{Defect, ToyKernel, Violation};
use crate::ipc::ident::Generation;
use crate::master::{
    event::{Event, Program},
    supervisor::Supervisor,
};

/// What becomes of the supervisor when the process becomes another program.
pub(super) fn carried(supervisor: &Supervisor) -> Supervisor {
    let document = serde_json::to_string(supervisor).expect("a supervisor can be written down");
    serde_json::from_str(&document).expect("and read again")
}

/// The same, but that nobody waits for the result any more.
fn forgetful(supervisor: &Supervisor) -> Supervisor {
    let mut document = serde_json::to_value(supervisor).expect("a supervisor can be written down");
    document["turn"]["callers"] = serde_json::json!([]);
    serde_json::from_value(document).expect("and read again")
}

impl ToyKernel {
    /// A trial begins, or cannot.
    pub(super) fn try_program(&mut self, generation: Generation) -> Result<Option<Event>, Violation> {
        self.require("one trial at a time", !self.trying)?;
        self.unprepared(generation);
        if self.dice.one_in(4) {
            return Ok(Some(Event::Tried { result: Err("no such file".into()) }));
        }
        self.trying = true;
        Ok(None)
    }

    /// The trial ends, one way or the other.
    pub(super) fn end_trial(&mut self) -> Event {
        self.trying = false;
        let result = if self.dice.one_in(3) { Err("exited without an answer".into()) } else { Ok(()) };
        Event::Tried { result }
    }

    /// The process becomes another program where the supervisor says so.
    pub(super) fn cross(&mut self) -> Result<(), Violation> {
        while let Some(to) = self.supervisor.crossing() {
            self.require("nobody crosses while something is tried", !self.trying)?;
            if self.dice.one_in(5) {
                self.hear(Event::CrossFailed { cause: "exec format error".into() })?;
                continue;
            }
            let forgets = self.strikes(Defect::ForgetCallers);
            self.supervisor = if forgets { forgetful(&self.supervisor) } else { carried(&self.supervisor) };
            let event = match to {
                Program::New => self.prepare(self.supervisor.newest()),
                Program::Old => Event::Returned,
            };
            self.hear(event)?;
        }
        Ok(())
    }
}

/// A supervisor that was carried over behaves as the one that was not, whatever happens next.
#[test]
fn a_supervisor_goes_on_from_what_was_written_down() {
    for seed in 1..20 {
        let mut kernel = ToyKernel::new(seed, 16, Defect::None);
        kernel.shadowed = Some(if seed % 2 == 0 { 1 } else { 23 });
        if let Err((invariant, step)) = kernel.live(1_000) {
            panic!("seed {seed}, step {step}: \"{invariant}\" does not hold");
        }
    }
}
