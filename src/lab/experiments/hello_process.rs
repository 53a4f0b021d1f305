//! Hello, process: a program is a file, a process is one run of it, and /proc shows what the kernel keeps of each run.

use std::{collections::BTreeSet, fs::File, os::unix::fs::MetadataExt, thread, time::Duration};

use nix::{
    sys::resource::{Resource, setrlimit},
    unistd::execvp,
};

use crate::{
    lab::{Actor, Lab, Outcome, hands::pause, look::Who},
    process::{signal, wait},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let other_program = lab.bug("other");
    let mut runs = Vec::new();
    for letter in ['A', 'B', 'C'] {
        let program = if other_program && letter == 'C' { "sleep" } else { "cat" };
        let actor = Actor::exec(letter, &[program.into(), "-".into()])?;
        lab.watch(actor.who);
        runs.push(actor);
        pause(Duration::from_millis(12)); // a tick of the kernel's clock, so that the times of birth differ
    }
    let whos: Vec<_> = runs.iter().map(|actor| actor.who).collect();
    lab.expect("file", 1, || whos.iter().map(file_of).collect::<BTreeSet<_>>().len());
    lab.event("three", &[("file", whos[0].link("exe").unwrap_or_default())]);
    lab.check("pids", 3, whos.iter().map(|who| who.pid).collect::<BTreeSet<_>>().len());
    lab.check("births", 3, whos.iter().map(|who| who.start).collect::<BTreeSet<_>>().len());
    life(lab)?;
    own_things(lab, whos[0])
}

/// Which file a process runs, by the number that the file system has for it.
fn file_of(who: &Who) -> Option<(u64, u64)> {
    let file = std::fs::metadata(format!("/proc/{}/exe", who.pid)).ok()?;
    Some((file.dev(), file.ino()))
}

/// P2: one life in four steps: a copy is made, it becomes another program, it ends, it is collected.
fn life(lab: &mut Lab) -> Outcome {
    let mut d = lab.actor('D', |cue| {
        cue.wait()?;
        let Err(cause) = execvp(c"cat", &[c"cat"]);
        Err(cause.into())
    })?;
    let own = Who::of('-', nix::unistd::getpid());
    lab.check("fork", own.link("exe").unwrap_or_default(), d.who.link("exe").unwrap_or_default());
    lab.event("forked", &[]);
    d.cue()?;
    lab.expect("exec", "cat", || d.who.stat().map_or("-".into(), |process| process.comm));
    lab.event("became", &[]);
    signal::send(d.pid(), libc::SIGTERM)?;
    lab.expect("exit", libc::SIGTERM, || d.who.status());
    lab.event("ended", &[]);
    wait::join(d.pid())?;
    lab.check("wait", "-", d.who.state());
    lab.event("collected", &[]);
    Ok(())
}

/// P4: limits and files belong to a process; its threads share them.
fn own_things(lab: &mut Lab, a: Who) -> Outcome {
    let e = lab.actor('E', |cue| {
        setrlimit(Resource::RLIMIT_NOFILE, 77, 77)?;
        let _thread = thread::spawn(|| {
            let _open = File::open("/dev/null");
            thread::park();
        });
        cue.wait()
    })?;
    lab.expect("threads", 2, || e.who.field("status", "Threads").unwrap_or(0));
    let limit = |who: Who| who.file("limits").lines().any(|line| line.starts_with("Max open files") && line.contains(" 77 "));
    lab.check("limit", "true false", format!("{} {}", limit(e.who), limit(a)));
    lab.expect("shared", "true", || {
        let files: BTreeSet<_> = std::fs::read_dir(format!("/proc/{}/task", e.pid()))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_dir(task.path().join("fd")).ok().map(Iterator::count))
            .collect();
        files.len() == 1 && e.who.link("fd/3").is_some()
    });
    lab.event("threads", &[]);
    let pcb = a.file("status");
    let fields = ["Pid:", "PPid:", "State:", "Threads:", "SigBlk:", "VmRSS:"];
    lab.check("pcb", fields.len(), fields.iter().filter(|field| pcb.contains(**field)).count());
    Ok(())
}
