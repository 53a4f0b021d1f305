//! One core, two cores: what runs at the same time, and what only seems to.

use std::{hint::black_box, io, time::Duration};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    lab::{Lab, Outcome, hands::pause},
    process::{clock::Time, wait::join},
};

/// How long each job sleeps that only waits.
const NAP: Duration = Duration::from_millis(150);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Compute,
    Sleep,
}

/// What two jobs took.
struct Taken {
    wall: Duration,
    cpu: Duration,
}

pub fn run(lab: &mut Lab) -> Outcome {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let cores: Vec<_> = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).take(2).collect();
    let (first, last) = (cores[0], cores[cores.len() - 1]);

    let one = two_jobs(lab, Job::Compute, [first, first])?;
    lab.event("one", &one.words());
    let overlap = one.overlap();
    lab.check_that("one-core", "≤ 105 %", overlap, |percent| *percent <= 105);

    let sleeps = two_jobs(lab, Job::Sleep, [first, first])?;
    lab.event("sleeps", &sleeps.words());
    lab.check_that("sleeps", format!("< {} ms", 2 * NAP.as_millis()), sleeps.wall.as_millis(), |wall| {
        *wall < 2 * NAP.as_millis()
    });

    if cores.len() < 2 {
        let why = lab.either("this machine has one processor", "这台机器只有一个处理器").to_owned();
        lab.skip_checks(&["two-cores"], &why);
        return Ok(());
    }
    let cores = if lab.bug("pinned") { [first, first] } else { [first, last] };
    parallel(lab, cores)
}

/// Tries until both had a processor at the same time, since other processes want one too.
fn parallel(lab: &mut Lab, cores: [usize; 2]) -> Outcome {
    let mut best = two_jobs(lab, Job::Compute, cores)?;
    for _ in 0..9 {
        if best.overlap() >= 120 {
            break;
        }
        let next = two_jobs(lab, Job::Compute, cores)?;
        best = if next.overlap() > best.overlap() { next } else { best };
    }
    lab.event("two", &best.words());
    if best.overlap() < 120 && cores[0] != cores[1] && busy() {
        let why = lab.either("other processes keep the processors busy", "别的进程占着处理器").to_owned();
        lab.skip_checks(&["two-cores"], &why);
    } else {
        lab.check_that("two-cores", "≥ 120 %", best.overlap(), |percent| *percent >= 120);
    }
    Ok(())
}

/// Two processes, each on its processor, from the first start to the last end. The kernel's bill comes with wait4.
fn two_jobs(lab: &mut Lab, job: Job, cores: [usize; 2]) -> Outcome<Taken> {
    let begin = Time::now();
    let mut actors = Vec::new();
    for (letter, core) in ['A', 'B'].into_iter().zip(cores) {
        actors.push(lab.actor(letter, |_| work(job, core))?);
    }
    let mut cpu = Duration::ZERO;
    for actor in &actors {
        let usage = join(actor.pid())?.usage;
        cpu += usage.user + usage.system;
    }
    Ok(Taken { wall: Time::now().since(begin), cpu })
}

fn work(job: Job, core: usize) -> io::Result<()> {
    let mut one = CpuSet::new();
    one.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &one)?;
    match job {
        Job::Sleep => pause(NAP),
        Job::Compute => drop(black_box((0..2_000_000_u64).fold(1_u64, |x, y| black_box(x ^ y).rotate_left(5)))),
    }
    Ok(())
}

/// Whether more processes want a processor than there are: the first number behind the averages in /proc/loadavg.
fn busy() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let average: f64 = load.split_whitespace().next().and_then(|one| one.parse().ok()).unwrap_or(0.0);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    average > processors as f64 / 2.0
}

impl Taken {
    /// Processor time in percent of the time that passed: more than 100 only when two ran at the same time.
    fn overlap(&self) -> u128 {
        100 * self.cpu.as_micros() / self.wall.as_micros().max(1)
    }

    fn words(&self) -> [(&'static str, String); 2] {
        [("wall", self.wall.as_millis().to_string()), ("cpu", self.cpu.as_millis().to_string())]
    }
}
