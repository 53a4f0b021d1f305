//! Reap by a second generation: the grandchild works, and nobody has to wait for it. But somebody has to wait for
//! the child in between, which the listing of many course notes forgets.

use nix::unistd::getppid;

use crate::{
    lab::{Lab, Outcome},
    sys::{
        fork::{Fork, exit_now, fork},
        wait::{Patience, Target, wait4},
    },
};

pub fn run(lab: &mut Lab) -> Outcome {
    let forgets = lab.bug("no-wait");
    let a = lab.subject(|cue| {
        if let Fork::Parent(child) = fork()? {
            if !forgets {
                wait4(Target::Child(child), Patience::Block)?; // it ends at once, so this takes no time
            }
            return cue.wait(); // event 1: the parent's own work
        }
        match fork()? {
            Fork::Parent(_) => exit_now(0), // the child in between has done its part
            Fork::Child => cue.wait(),      // event 2: the grandchild's work
        }
    })?;
    lab.settle(&a);
    lab.event("born", &[("pid", a.pid().to_string())]);

    let c = lab.orphan('C');
    lab.event("works", &[("pid", c.pid.to_string())]);
    lab.check("adopter", getppid(), c.ppid());
    lab.expect("no-zombie", 0, || a.who.zombies());
    lab.check("no-child", 0, a.who.children().len());
    lab.event("clean", &[("n", a.who.zombies().to_string())]);
    lab.expect("both-work", "S S", || format!("{} {}", a.who.state(), c.state()));
    Ok(())
}
