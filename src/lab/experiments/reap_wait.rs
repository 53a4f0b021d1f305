//! Reap by waiting: the parent does nothing else until its children have ended.

use std::sync::atomic::Ordering::Relaxed;

use crate::{
    lab::{Lab, Outcome, reaping},
    process::signal,
    sys::wait::{Patience, Target, wait4},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let (many, once) = (reaping::count(lab), lab.bug("once"));
    let statuses = reaping::counter();
    let mut a = lab.subject(|cue| {
        reaping::make_sleepers(many)?;
        // Until there is no child any more: wait4 then fails with ECHILD.
        while wait4(Target::Any, Patience::Block).is_ok() {
            statuses.fetch_add(1, Relaxed);
            if once {
                break;
            }
        }
        cue.wait()
    })?;
    let b = reaping::end_all_but_one(lab, &a)?;
    lab.expect("zombies", 0, || a.who.zombies());
    if !lab.is_exam() {
        lab.check("blocked", libc::SYS_wait4, a.who.syscall().unwrap_or(-1));
        lab.expect("statuses", many - 1, || a.who.number_at(&statuses).unwrap_or(-1));
    }
    lab.watch(b);
    lab.event("waits", &[("n", a.who.zombies().to_string())]);
    let _ = signal::send(b.pid, libc::SIGTERM);
    lab.expect("free", "true", || a.who.awaits_cue());
    lab.event("free", &[]);
    lab.check("children", 0, a.who.children().len());
    a.cue()?;
    Ok(())
}
