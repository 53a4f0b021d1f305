//! Who first? After fork nobody promises an order. A pipe does.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use nix::{
    fcntl::OFlag,
    unistd::{pipe, pipe2},
};

use crate::{
    lab::{Lab, Outcome},
    process::wait::join,
    sys::fork::{Fork, exit_now, fork},
};

const ROUNDS: usize = 100;

pub fn run(lab: &mut Lab) -> Outcome {
    let (free, first) = rounds(lab, 'A', Order::Any)?;
    lab.event("free", &[("child", (ROUNDS - first).to_string()), ("parent", first.to_string())]);
    lab.check("rounds", ROUNDS, free);

    let order = if lab.bug("no-wait") { Order::ParentFirst } else { Order::ChildFirst };
    let (bound, first) = rounds(lab, 'B', order)?;
    lab.event("bound", &[("child", (ROUNDS - first).to_string()), ("parent", first.to_string())]);
    lab.check("bound-rounds", ROUNDS, bound);
    lab.check("parent-first", 0, first);
    Ok(())
}

/// What the parent does before it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Nothing: whoever is first is first.
    Any,
    /// It reads from a pipe until its child has written, and gone.
    ChildFirst,
    /// It lets the child wait instead.
    ParentFirst,
}

/// Many forks. The pipe to the stage keeps the order in which both wrote: how many rounds, and how often the parent was
/// first.
fn rounds(lab: &mut Lab, letter: char, order: Order) -> Outcome<(usize, usize)> {
    let (reads, writes) = pipe2(OFlag::O_CLOEXEC)?;
    let mut writes = Some(File::from(writes));
    let actor = lab.actor(letter, |_| {
        let mut out = writes.take().ok_or(io::ErrorKind::BrokenPipe)?;
        (0..ROUNDS).try_for_each(|_| round(&mut out, order))
    })?;
    drop(writes);
    let mut letters = Vec::new();
    File::from(reads).read_to_end(&mut letters)?; // until the actor and its children are gone
    lab.until("the end of the actor", || (actor.who.state() == "Z").then_some(()))?;
    let first = letters.chunks(2).filter(|pair| pair[0] == b'p').count();
    Ok((letters.len() / 2, first))
}

/// One fork: the child writes `c`, the parent `p`.
fn round(out: &mut File, order: Order) -> io::Result<()> {
    let (end, mine) = pipe()?;
    match fork()? {
        Fork::Child => {
            if order == Order::ParentFirst {
                drop(mine);
                File::from(end).read_to_end(&mut Vec::new())?;
            }
            out.write_all(b"c")?;
            exit_now(0)
        }
        Fork::Parent(child) => {
            drop(mine);
            if order == Order::ChildFirst {
                // Nobody writes to this pipe. It ends when the child, who alone holds the other end, has ended.
                File::from(end).read_to_end(&mut Vec::new())?;
            }
            out.write_all(b"p")?;
            join(child).map(drop)
        }
    }
}
