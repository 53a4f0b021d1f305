//! Count the forks: each fork returns in two processes, and both go on from there.

use std::io;

use crate::{
    lab::{Lab, Outcome, look::Who},
    sys::fork::{Fork, fork},
};

/// A line of a program that forks.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// `fork();`
    Fork,
    /// `if (fork() == 0) fork();`
    ChildForks,
    /// `if (fork() > 0) fork();`
    ParentForks,
}

impl Line {
    fn text(self) -> &'static str {
        match self {
            Self::Fork => "fork();",
            Self::ChildForks => "if (fork() == 0) fork();",
            Self::ParentForks => "if (fork() > 0) fork();",
        }
    }

    /// How many processes leave this line for each one that comes to it.
    fn factor(self) -> usize {
        match self {
            Self::Fork => 2,
            Self::ChildForks | Self::ParentForks => 3,
        }
    }

    fn run(self) -> io::Result<()> {
        match (self, fork()?) {
            (Self::Fork, _) | (Self::ChildForks, Fork::Parent(_)) | (Self::ParentForks, Fork::Child) => {}
            (Self::ChildForks, Fork::Child) | (Self::ParentForks, Fork::Parent(_)) => drop(fork()?),
        }
        Ok(())
    }
}

pub fn run(lab: &mut Lab) -> Outcome {
    let forks = if lab.bug("two") { 2 } else { 3 };
    let a = lab.subject(|cue| {
        for _ in 0..forks {
            Line::Fork.run()?;
        }
        cue.wait()
    })?;
    lab.settle(&a);
    lab.event("three", &[("program", "fork(); fork(); fork();".into())]);
    lab.expect("eight", 8, || family(a.who).len());
    lab.event("tree", &[("tree", drawn(a.who)), ("n", family(a.who).len().to_string())]);
    // The first of them has forked three times, one of its children twice, and so on: a binomial tree.
    lab.expect("shape", "3 2 1 1 0 0 0 0", || {
        let mut children: Vec<_> = family(a.who).iter().map(|who| who.children().len()).collect();
        children.sort_unstable_by(|a, b| b.cmp(a));
        children.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    });
    if lab.is_exam() { Ok(()) } else { by_chance(lab) }
}

/// Another program at each run; the same for the same seed.
fn by_chance(lab: &mut Lab) -> Outcome {
    let kinds = [Line::Fork, Line::ChildForks, Line::ParentForks];
    let length = 2 + lab.chance(2);
    let program: Vec<_> = (0..length).map(|_| kinds[usize::try_from(lab.chance(3)).unwrap_or(0)]).collect();
    let b = lab.actor('B', |cue| {
        program.iter().try_for_each(|line| line.run())?;
        cue.wait()
    })?;
    let text: Vec<_> = program.iter().map(|line| line.text()).collect();
    lab.event("chance", &[("program", text.join(" "))]);
    let predicted = program.iter().map(|line| line.factor()).product::<usize>();
    lab.expect("chance", predicted, || family(b.who).len());
    lab.event("tree", &[("tree", drawn(b.who)), ("n", family(b.who).len().to_string())]);
    Ok(())
}

/// A process and all below it.
fn family(who: Who) -> Vec<Who> {
    let below = who.descendants();
    std::iter::once(who).chain(below.iter().map(|process| Who::seen('-', process))).collect()
}

/// The tree on one line: each process a circle, its children in parentheses behind it.
fn drawn(who: Who) -> String {
    let children: Vec<_> = who.children().iter().map(|child| drawn(Who::seen('-', child))).collect();
    if children.is_empty() { "o".into() } else { format!("o({})", children.join(" ")) }
}
