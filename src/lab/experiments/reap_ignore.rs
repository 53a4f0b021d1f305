//! Reap by ignoring: the kernel collects for a parent that says it does not care. It does not care about statuses
//! either, and its programs inherit that.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use crate::{
    inspect::status::Status,
    lab::{Lab, Outcome, look::Who, reaping},
    process::signal,
    sys::{
        fork::{Fork, exit_now, fork},
        signal::{ignore, restore_default},
        wait::{Patience, Target, wait4},
    },
};

pub fn run(lab: &mut Lab) -> Outcome {
    let (many, ignores) = (reaping::count(lab), !lab.bug("not-ignored"));
    let a = lab.subject(|cue| {
        if ignores {
            ignore(libc::SIGCHLD)?; // before fork
        }
        reaping::make_sleepers(many)?;
        reaping::work(cue)
    })?;
    lab.settle(&a);
    let b = reaping::end_all_but_one(lab, &a)?;
    lab.expect("zombies", 0, || a.who.zombies());
    lab.expect("works", "true", || a.who.awaits_cue());
    lab.event("works", &[("n", a.who.zombies().to_string())]);
    let _ = signal::send(b.pid, libc::SIGTERM);
    lab.expect("children", 0, || a.who.children().len());
    if lab.is_exam() {
        return Ok(());
    }
    status_is_lost(lab)?;
    too_late(lab)?;
    inherited(lab)
}

/// C waits all the same: it blocks until its last child has ended, and then learns nothing.
fn status_is_lost(lab: &mut Lab) -> Outcome {
    let answer = AtomicI64::new(0);
    let mut c = lab.actor('C', |cue| {
        ignore(libc::SIGCHLD)?;
        reaping::make_sleepers(1)?;
        let lost = wait4(Target::Any, Patience::Block).err().and_then(|cause| cause.raw_os_error());
        answer.store(lost.unwrap_or(0).into(), Relaxed);
        cue.wait()
    })?;
    let d = lab.child_of(c.who, 'D');
    lab.expect("wait-blocks", libc::SYS_wait4, || c.who.syscall().unwrap_or(-1));
    let _ = signal::send(d.pid, libc::SIGTERM);
    lab.expect("lost", libc::ECHILD, || c.who.number_at(&answer).unwrap_or(-1));
    lab.event("lost", &[]);
    c.release();
    Ok(())
}

/// E ignores the signal only after its child has ended: that child stays.
fn too_late(lab: &mut Lab) -> Outcome {
    let mut e = lab.actor('E', |cue| {
        if fork()? == Fork::Child {
            exit_now(0);
        }
        cue.wait()?;
        ignore(libc::SIGCHLD)?;
        cue.wait()
    })?;
    let f = lab.child_of(e.who, 'F');
    lab.until("the end of F", || (f.state() == "Z").then_some(()))?;
    e.cue()?;
    lab.until("E ignores SIGCHLD", || ignores(e.who).then_some(()))?;
    lab.check("too-late", "Z", f.state());
    lab.event("too-late", &[]);
    Ok(())
}

/// G becomes another program, which never asked for it.
fn inherited(lab: &mut Lab) -> Outcome {
    let g = lab.actor('G', |_| {
        restore_default(libc::SIGPIPE)?;
        ignore(libc::SIGCHLD)?;
        let Err(cause) = nix::unistd::execvp(c"cat", &[c"cat"]);
        Err(cause.into())
    })?;
    lab.until("G is cat", || (g.who.stat()?.comm == "cat").then_some(()))?;
    lab.check("inherited", "true", ignores(g.who));
    lab.event("inherited", &[]);
    Ok(())
}

/// Whether that process ignores SIGCHLD, as /proc/PID/status says.
fn ignores(who: Who) -> bool {
    Status::read(who.pid.as_raw()).is_some_and(|status| status.ignored.has(libc::SIGCHLD))
}
