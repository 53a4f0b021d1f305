//! Reap in a handler: SIGCHLD says that somebody has ended, not how many.

use std::sync::Arc;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use crate::{
    lab::{Lab, Outcome, reaping},
    process::signal,
    sys::signal::{Tally, Waits, reap_in_handler},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let waits = if lab.bug("no-loop") { Waits::Once } else { Waits::UntilNothingIsLeft };
    many(lab, waits)?;
    if lab.is_exam() { Ok(()) } else { one_signal_for_twenty(lab) }
}

/// A works, that is, it waits for cues, while its children end one after the other.
fn many(lab: &mut Lab, waits: Waits) -> Outcome {
    let (count, tally) = (reaping::count(lab), Arc::new(Tally::default()));
    let a = lab.subject(|cue| {
        reap_in_handler(Arc::clone(&tally), waits)?;
        reaping::make_sleepers(count)?;
        reaping::work(cue)
    })?;
    lab.settle(&a);
    // Stopped, A hears of none of them alone: the kernel keeps one pending SIGCHLD, however many have ended.
    let b = reaping::end_all_but_one_of_a_stopped(lab, &a)?;
    lab.expect("zombies", 0, || a.who.zombies());
    lab.expect("works", "true", || a.who.awaits_cue());
    lab.event("works", &[("n", a.who.zombies().to_string())]);
    if !lab.is_exam() {
        lab.expect("statuses", count - 1, || a.who.number_at(&tally.collected).unwrap_or(-1));
    }
    let _ = signal::send(b.pid, libc::SIGTERM);
    lab.expect("children", 0, || a.who.children().len());
    Ok(())
}

/// C blocks SIGCHLD while twenty children end. Then it lets the signal through, and there is one.
fn one_signal_for_twenty(lab: &mut Lab) -> Outcome {
    let tally = Arc::new(Tally::default());
    let mut chld = SigSet::empty();
    chld.add(Signal::SIGCHLD);
    let mut c = lab.actor('C', |cue| {
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&chld), None)?;
        reap_in_handler(Arc::clone(&tally), Waits::UntilNothingIsLeft)?;
        reaping::make_sleepers(reaping::FEW)?;
        cue.wait()?;
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&chld), None)?;
        cue.wait()
    })?;
    lab.until("the children", || (c.who.children().len() == reaping::FEW).then_some(()))?;
    for child in c.who.children() {
        signal::send(crate::process::Pid::from_raw(child.pid), libc::SIGTERM)?;
    }
    lab.expect("dead", reaping::FEW, || c.who.zombies());
    lab.event("dead", &[("n", c.who.zombies().to_string())]);
    c.cue()?;
    lab.expect("collected", reaping::FEW, || c.who.number_at(&tally.collected).unwrap_or(-1));
    lab.check("runs", 1, c.who.number_at(&tally.runs).unwrap_or(-1));
    lab.event("collected", &[("n", reaping::FEW.to_string())]);
    Ok(())
}
