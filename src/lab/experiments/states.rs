//! States: one process in each, and the letter that ps shows for it.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    sys::socket::{AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, listen, socket},
    unistd::Pid,
};

use crate::{
    inspect::{snapshot::Snapshot, stat::State},
    lab::{Cue, Lab, Outcome, actor::spin, look::Who},
    process::signal,
    sys::fork::{Fork, exit_now, fork_and_hold},
};

pub fn run(lab: &mut Lab) -> Outcome {
    let a = lab.actor('A', |_| spin())?;
    let b = lab.actor('B', |_| {
        let listener = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None)?;
        bind(std::os::fd::AsRawFd::as_raw_fd(&listener), &SockaddrIn::new(127, 0, 0, 1, 0))?;
        listen(&listener, Backlog::new(1)?)?;
        crate::sys::accept::accept(std::os::fd::AsFd::as_fd(&listener), SockFlag::empty())?;
        Ok(())
    })?;
    let c = lab.actor('C', |cue| match fork_and_hold()? {
        Fork::Child => cue.wait(), // the parent sleeps until this one has ended
        Fork::Parent(_) => Ok(()),
    })?;
    let d = lab.actor('D', Cue::wait)?;
    let stops = !lab.bug("no-stop");
    if stops {
        signal::send(d.pid(), libc::SIGSTOP)?;
    }
    let e = lab.actor('E', |_| exit_now(0))?;

    for (key, who, letter) in
        [("r", a.who, "R"), ("s", b.who, "S"), ("d", c.who, "D"), ("t", d.who, "T"), ("z", e.who, "Z")]
    {
        lab.expect(key, letter, || who.state());
        lab.event(key, &[]);
    }
    kernel_thread(lab);
    time_slices(lab)
}

/// I: a thread of the kernel with nothing to do. In a container there is none to be seen.
fn kernel_thread(lab: &mut Lab) {
    let idle = |snapshot: Snapshot| {
        snapshot.processes().iter().find(|process| process.kernel && process.state == State::Idle).cloned()
    };
    match Snapshot::take().ok().and_then(idle) {
        Some(thread) => {
            lab.event("i", &[("comm", thread.comm.clone()), ("pid", thread.pid.to_string())]);
            lab.check("i", "I", thread.state.letter());
        }
        None => {
            let why = lab.either("no thread of the kernel is visible here", "这里看不到内核线程").to_owned();
            lab.skip_checks(&["i"], &why);
        }
    }
}

/// P5: two that never wait, on one processor: the kernel takes it from each in turn. One that sleeps gives it up.
fn time_slices(lab: &mut Lab) -> Outcome {
    let one = one_processor()?;
    let spinner = |_| {
        sched_setaffinity(Pid::from_raw(0), &one)?;
        spin()
    };
    let f = lab.actor('F', spinner)?;
    let g = lab.actor('G', spinner)?;
    let taken = |who: Who| who.field("status", "nonvoluntary_ctxt_switches").unwrap_or(0);
    let share = |who: Who| -> u64 {
        who.file("schedstat").split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0)
    };
    lab.until("both have had the processor", || (taken(f.who) > 0 && taken(g.who) > 0).then_some(()))?;
    // What F ran while it was alone does not count.
    let (alone, late) = (share(f.who), share(g.who));
    lab.until("both lose the processor", || (taken(f.who) >= 8 && taken(g.who) >= 8).then_some(()))?;
    let (of_f, of_g) = (share(f.who) - alone, share(g.who) - late);
    let percent = 100 * of_f.min(of_g) / of_f.max(of_g).max(1);
    let switches = [("f", taken(f.who).to_string()), ("g", taken(g.who).to_string())];
    lab.event("slices", &switches);
    lab.check_that("taken", "≥ 8", taken(f.who).min(taken(g.who)), |switches| *switches >= 8);
    lab.check_that("even", "≥ 30 %", percent, |percent| *percent >= 30);

    let mut h = lab.actor('H', |cue| (0..10).try_for_each(|_| cue.wait()))?;
    let given = |who: Who| who.field("status", "voluntary_ctxt_switches").unwrap_or(0);
    for _ in 0..5 {
        lab.until("H sleeps", || h.who.awaits_cue().then_some(()))?;
        let before = given(h.who);
        h.cue()?;
        lab.until("H has slept again", || (given(h.who) > before).then_some(()))?;
    }
    lab.check_that("given", "≥ 5", given(h.who), |switches| *switches >= 5);
    lab.event("sleeper", &[("n", given(h.who).to_string())]);
    Ok(())
}

/// The first processor that this process may use.
fn one_processor() -> Outcome<CpuSet> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap_or(false)).unwrap_or(0);
    let mut one = CpuSet::new();
    one.set(first)?;
    Ok(one)
}
