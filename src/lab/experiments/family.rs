//! Family: fork returns twice, and each of the two learns from it who it is.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::{Gid, Uid, setgid, setuid},
};

use crate::{
    inspect::snapshot::Snapshot,
    lab::{Lab, Outcome, look::stat},
    sys::fork::{Fork, exit_now, fork},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let twice = lab.bug("twice");
    let mut a = lab.subject(|cue| {
        fork()?; // returns in two processes, and both go on from here
        if twice {
            fork()?;
        }
        cue.wait()
    })?;
    lab.settle(&a);
    lab.event("born", &[("pid", a.pid().to_string())]);
    let b = lab.child_of(a.who, 'B');
    lab.event("forked", &[("pid", b.pid.to_string())]);
    lab.expect("asleep", "S S", || format!("{} {}", a.who.state(), b.state()));
    lab.check("children", 1, a.who.descendants().len());
    lab.check("parent", a.pid(), b.ppid());
    lab.check_that("number", format!("> 0, ≠ {}", a.pid()), b.pid, |pid| {
        pid.as_raw() > 0 && *pid != a.pid()
    });
    a.release();
    if lab.is_exam() {
        return Ok(());
    }
    everybody_has_a_parent(lab);
    both_answers(lab)?;
    refused(lab)
}

/// P3: in the whole process table, every parent exists. Only the first process, and those whose parent lives in
/// another namespace, have 0 there.
fn everybody_has_a_parent(lab: &mut Lab) {
    let Ok(snapshot) = Snapshot::take() else { return };
    let lost = |ppid: i32| ppid != 0 && stat(ppid).is_none();
    // Whoever lost its parent since the look at it has another one by now.
    let now = |pid: i32| stat(pid).map_or(0, |process| process.ppid);
    let orphans = snapshot.processes().iter().filter(|process| lost(process.ppid) && lost(now(process.pid)));
    lab.check("everybody", 0, orphans.count());
}

/// P10: fork's answer in each of the two, read from their memory: one address, two values.
fn both_answers(lab: &mut Lab) -> Outcome {
    let answer = AtomicI64::new(-1);
    let c = lab.actor('C', |cue| {
        answer.store(
            match fork()? {
                Fork::Child => 0,
                Fork::Parent(child) => child.as_raw().into(),
            },
            Relaxed,
        );
        cue.wait()
    })?;
    let d = lab.child_of(c.who, 'D');
    lab.expect("answer-child", 0, || d.number_at(&answer).unwrap_or(-2));
    lab.expect("answer-parent", d.pid, || c.who.number_at(&answer).unwrap_or(-2));
    lab.event("answers", &[]);
    Ok(())
}

/// P10: where no more processes are allowed, fork makes none and says why. E ends with the error as its code.
fn refused(lab: &mut Lab) -> Outcome {
    let e = lab.actor('E', |_| {
        if Uid::effective().is_root() {
            // Limits do not bind root.
            setgid(Gid::from_raw(65534))?;
            setuid(Uid::from_raw(65534))?;
        }
        setrlimit(Resource::RLIMIT_NPROC, 0, 0)?;
        match fork() {
            Ok(_) => exit_now(0),
            Err(cause) => exit_now(cause.raw_os_error().unwrap_or(-1)),
        }
    })?;
    lab.expect("refused", libc::EAGAIN * 256, || e.who.status());
    lab.event("refused", &[]);
    Ok(())
}
