//! Orphanage: whose child is a process whose parent has ended?

use nix::{sys::prctl, unistd::pause};

use crate::{
    lab::{Lab, Outcome, look::stat},
    process::signal,
    sys::fork::{Fork, exit_now, fork},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let parent_stays = lab.bug("stay");
    let mut a = lab.subject(|cue| match fork()? {
        Fork::Child => {
            pause(); // B lives on; it must not take A's cue, which comes by the same pipe
            Ok(())
        }
        Fork::Parent(_) => {
            cue.wait()?;
            if parent_stays { cue.wait() } else { exit_now(0) }
        }
    })?;
    lab.settle(&a);
    lab.event("born", &[("pid", a.pid().to_string())]);
    let b = lab.child_of(a.who, 'B');
    lab.check("before", a.pid(), b.ppid());
    lab.event("forked", &[("pid", b.pid.to_string())]);

    a.cue()?;
    lab.expect("ended", "Z", || a.who.state());
    lab.check_that("alive", "≠ - Z", b.state(), |state| state != "-" && state != "Z");
    lab.check_that("adopted", format!("≠ {}", a.pid()), b.ppid(), |ppid| {
        *ppid > 0 && *ppid != a.pid().as_raw()
    });
    let adopter = b.ppid();
    let comm = stat(adopter).map_or("?".into(), |process| process.comm);
    lab.event("adopted", &[("pid", adopter.to_string()), ("comm", comm)]);
    lab.check_that("above", lab.either("above the lab", "在实验之上").to_owned(), adopter, |pid| {
        nix::unistd::getppid().as_raw() == *pid || is_above(*pid)
    });
    if lab.is_exam() { Ok(()) } else { subreaper(lab) }
}

/// Whether that process is an ancestor of this one. The first of a namespace is above all in it.
fn is_above(pid: i32) -> bool {
    let mut own = nix::unistd::getpid().as_raw();
    while let Some(process) = stat(own).filter(|process| process.ppid > 0) {
        if process.ppid == pid {
            return true;
        }
        own = process.ppid;
    }
    pid == 1
}

/// C asks to be the adopter of its descendants: the grandchild E of a dead D becomes C's child.
fn subreaper(lab: &mut Lab) -> Outcome {
    let c = lab.actor('C', |cue| {
        prctl::set_child_subreaper(true)?;
        if fork()? == Fork::Child {
            fork()?; // D makes E, and both sleep
        }
        cue.wait()
    })?;
    let d = lab.child_of(c.who, 'D');
    let e = lab.child_of(d, 'E');
    lab.event("generations", &[]);
    signal::send(d.pid, libc::SIGKILL)?;
    lab.expect("subreaper", c.pid(), || e.ppid());
    lab.event("subreaper", &[]);
    lab.expect("survives", "S", || e.state());
    Ok(())
}
