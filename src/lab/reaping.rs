//! What the remedies against zombies have in common: many children that sleep, and a stage that ends them.

use std::{io, sync::atomic::AtomicI64};

use super::{Actor, Cue, Lab, Outcome, look::Who};
use crate::{
    process::{Pid, signal},
    sys::fork::{Fork, exit_now, fork},
};

/// How many children each remedy has to cope with.
pub const MANY: usize = 200;
/// How many a learner's program makes.
pub const FEW: usize = 20;

/// Makes so many children that sleep until a signal ends them.
///
/// # Errors
/// Those of fork(2).
pub fn make_sleepers(count: usize) -> io::Result<()> {
    for _ in 0..count {
        if fork()? == Fork::Child {
            crate::sys::signal::restore_default(libc::SIGCHLD)?;
            nix::unistd::pause();
            exit_now(0);
        }
    }
    Ok(())
}

/// How many children the subject of this run has.
pub fn count(lab: &Lab) -> usize {
    if lab.is_exam() { FEW } else { MANY }
}

/// Waits for the children of `a`, and ends all of them but one. That one.
///
/// # Errors
/// When they do not come.
pub fn end_all_but_one(lab: &mut Lab, a: &Actor) -> Outcome<Who> {
    let wanted = count(lab);
    lab.expect("made", wanted, || a.who.children().len());
    let children = a.who.children();
    lab.event("made", &[("n", children.len().to_string())]);
    for child in children.iter().skip(1) {
        let _ = signal::send(Pid::from_raw(child.pid), libc::SIGTERM);
    }
    Ok(children.first().map_or(Who::nobody('B'), |child| Who::seen('B', child)))
}

/// The same while `a` is stopped: it goes on when all of them have ended.
///
/// # Errors
/// When they do not come.
pub fn end_all_but_one_of_a_stopped(lab: &mut Lab, a: &Actor) -> Outcome<Who> {
    signal::send(a.pid(), libc::SIGSTOP)?;
    let last = end_all_but_one(lab, a);
    let dead = count(lab) - 1;
    let _ = lab.until("the end of all but one", || (a.who.zombies() == dead).then_some(()));
    signal::send(a.pid(), libc::SIGCONT)?;
    last
}

/// A number that actors count in, at the same address for them and for the stage.
pub fn counter() -> Box<AtomicI64> {
    Box::new(AtomicI64::new(0))
}

/// Lets an actor wait for cues until there are none.
///
/// # Errors
/// Those of read(2).
pub fn work(cue: Cue) -> io::Result<()> {
    while cue.wait().is_ok() {}
    Ok(())
}
