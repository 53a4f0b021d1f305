//! Two worlds: after fork, one address holds two values. The copy is made page by page, when somebody writes.

use std::{
    hint::black_box,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
};

use crate::{
    lab::{Lab, Outcome, look::Who},
    sys::{
        fork::{Fork, fork},
        memory::SharedMemory,
        wait::{Patience, Target, wait4},
    },
};

/// How much memory A has when it forks.
const MEGABYTES: usize = 64;

pub fn run(lab: &mut Lab) -> Outcome {
    let number = AtomicI64::new(1);
    let shared = SharedMemory::new(4096)?;
    let is_shared = lab.bug("shared");
    let mut a = lab.actor('A', |cue| {
        let mut memory = vec![1_u8; MEGABYTES << 20];
        let Fork::Child = fork()? else {
            wait4(Target::Any, Patience::Block)?;
            return Ok(());
        };
        cue.wait()?;
        number.store(2, Relaxed);
        if is_shared {
            shared.words()[0].store(2, Relaxed);
        }
        for quarter in 0..2 {
            let from = quarter * (MEGABYTES << 18);
            memory[from..from + (MEGABYTES << 18)].fill(2);
            black_box(&memory);
            cue.wait()?;
        }
        Ok(())
    })?;
    let b = lab.child_of(a.who, 'B');
    lab.until("B is ready", || b.awaits_cue().then_some(()))?;
    let (before, of_a) = (private(b), a.who.field("smaps_rollup", "Rss").unwrap_or(0));
    lab.event("forked", &[("bar", bar(before)), ("mb", before.to_string())]);
    lab.check_that("before", format!("< {}", MEGABYTES / 8), before, |mb| *mb < MEGABYTES / 8);

    for _ in 0..2 {
        let had = private(b);
        a.cue()?;
        lab.until("B writes", || (private(b) >= had + MEGABYTES / 4 && b.awaits_cue()).then_some(()))?;
        lab.event("written", &[("bar", bar(private(b))), ("mb", private(b).to_string())]);
    }
    lab.check_that("after", format!("≥ {}", MEGABYTES / 2), private(b), |mb| *mb >= MEGABYTES / 2);
    let now = a.who.field("smaps_rollup", "Rss").unwrap_or(0);
    lab.check_that("parent-size", format!("{} ± 1", of_a / 1024), now / 1024, |mb| mb.abs_diff(of_a / 1024) <= 1);

    let value = |who: Who| {
        let shared = i64::try_from(shared.words()[0].load(Relaxed)).unwrap_or(0);
        if is_shared && shared != 0 { shared } else { who.number_at(&number).unwrap_or(-1) }
    };
    lab.check("parent-value", 1, value(a.who));
    lab.check("child-value", 2, value(b));
    lab.event("values", &[("a", value(a.who).to_string()), ("b", value(b).to_string())]);
    Ok(())
}

/// The megabytes that a process has for itself alone.
fn private(who: Who) -> usize {
    usize::try_from(who.field("smaps_rollup", "Private_Dirty").unwrap_or(0) / 1024).unwrap_or(0)
}

/// A bar of sixteen cells for all the memory.
fn bar(mb: usize) -> String {
    let full = (mb * 16 / MEGABYTES).min(16);
    "█".repeat(full) + &"░".repeat(16 - full)
}
