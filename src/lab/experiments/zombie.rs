//! Zombie: what is left of a process that has ended and was not collected.

use crate::{
    lab::{Lab, Outcome, look::Who},
    process::signal,
    sys::{
        fork::{Fork, exit_now, fork},
        wait::{Patience, Target, wait4},
    },
};

pub fn run(lab: &mut Lab) -> Outcome {
    let collects_at_once = lab.bug("collect");
    let mut a = lab.subject(|cue| {
        let Fork::Parent(b) = fork()? else { exit_now(7) };
        if !collects_at_once {
            cue.wait()?; // A has something else to do, and B is not collected
        }
        wait4(Target::Child(b), Patience::Block)?;
        cue.wait()
    })?;
    lab.settle(&a);
    lab.event("born", &[("pid", a.pid().to_string())]);
    let b = lab.child_of(a.who, 'B');

    lab.expect("state", "Z", || b.state());
    lab.event("ended", &[]);
    look_inside(lab, b);

    // The kernel takes the signal and has nobody to give it to.
    let _ = signal::send(b.pid, libc::SIGKILL);
    lab.check("kill", "Z", b.state());
    lab.event("killed", &[]);

    a.cue()?;
    lab.expect("collected", "-", || b.state());
    lab.event("collected", &[]);
    if lab.is_exam() { Ok(()) } else { crowd(lab) }
}

/// What /proc still has of B: its number, its state and its exit status. All that costs memory is gone.
fn look_inside(lab: &mut Lab, b: Who) {
    let process = b.stat();
    lab.check("memory", 0, process.as_ref().map_or(-1, |process| process.rss_bytes.cast_signed()));
    lab.check("cmdline", 0, b.file("cmdline").len());
    lab.check("program", "-", b.link("exe").unwrap_or("-".into()));
    lab.check("files", 0, b.descriptors());
    // Field 52 of /proc/PID/stat, the number that wait(2) will give.
    lab.check("status", 7 * 256, b.file("stat").split_whitespace().last().unwrap_or("-"));
}

/// Many of them cost hardly any memory. What they use up is numbers.
fn crowd(lab: &mut Lab) -> Outcome {
    const MANY: usize = 200;
    let c = lab.actor('C', |cue| {
        for _ in 0..MANY {
            if fork()? == Fork::Child {
                exit_now(0);
            }
        }
        cue.wait()
    })?;
    lab.expect("many", MANY, || c.who.zombies());
    lab.event("many", &[("n", MANY.to_string())]);
    let dead = c.who.children();
    lab.check("many-memory", 0, dead.iter().map(|dead| dead.rss_bytes).sum::<u64>());
    let mut numbers: Vec<_> = dead.iter().map(|dead| dead.pid).collect();
    numbers.dedup();
    lab.check("many-pids", MANY, numbers.len());
    Ok(())
}
