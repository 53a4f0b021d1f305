//! Shared bookmark: fork copies descriptors, not open files. Two processes then turn the pages of one book.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::fd::AsRawFd,
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::{
    lab::{Cue, Lab, Outcome, actor::written, look::Who},
    process::wait::join,
    sys::fork::{Fork, fork},
};

const BOOK: &str = "0123456789abcdef";
const HALF: usize = BOOK.len() / 2;

pub fn run(lab: &mut Lab) -> Outcome {
    if !lab.is_exam() {
        bookmark(lab)?;
        let before = by_halves(lab, ['C', 'D'], Opened::BeforeFork)?;
        lab.check_that("before-fork", format!("≠ {BOOK}"), before, |copy| copy != BOOK);
        let opened = if lab.bug("open-before") { Opened::BeforeFork } else { Opened::AfterFork };
        let after = by_halves(lab, ['E', 'F'], opened)?;
        lab.check("after-fork", BOOK, after);
    }
    homework(lab)
}

/// B reads four bytes; the bookmark of A moves with it. The kernel shows it in /proc/PID/fdinfo.
fn bookmark(lab: &mut Lab) -> Outcome {
    let book = book()?;
    let number = book.as_raw_fd();
    let mut a = lab.actor('A', |cue| match fork()? {
        Fork::Parent(b) => join(b).map(drop),
        Fork::Child => {
            cue.wait()?;
            (&book).read_exact(&mut [0; 4])?;
            cue.wait()
        }
    })?;
    let b = lab.child_of(a.who, 'B');
    let at = |who: Who| who.field(&format!("fdinfo/{number}"), "pos").map_or(-1, u64::cast_signed);
    lab.event("opened", &[("a", at(a.who).to_string()), ("b", at(b).to_string())]);
    a.cue()?;
    lab.expect("child-reads", 4, || at(b));
    lab.check("parent-moves", 4, at(a.who));
    lab.event("moved", &[("a", at(a.who).to_string()), ("b", at(b).to_string())]);
    Ok(())
}

/// When the two processes that copy by halves opened the book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opened {
    BeforeFork,
    AfterFork,
}

/// Two processes each copy a half: both go to their place, then one copies, then the other. What the copy holds.
fn by_halves(lab: &mut Lab, letters: [char; 2], opened: Opened) -> Outcome<String> {
    let (book, copy) = (book()?, blank()?);
    let half = |cue: Cue, from: usize| -> io::Result<()> {
        let own = |file: &File| OpenOptions::new().read(true).write(true).open(path(file));
        let (book, copy) = match opened {
            Opened::BeforeFork => (book.try_clone()?, copy.try_clone()?), // another descriptor, the same bookmark
            Opened::AfterFork => (own(&book)?, own(&copy)?),
        };
        (&book).seek(SeekFrom::Start(from as u64))?;
        (&copy).seek(SeekFrom::Start(from as u64))?;
        cue.wait()?;
        let mut half = [0; HALF];
        let read = (&book).read(&mut half)?;
        (&copy).write_all(&half[..read])
    };
    let mut actors = Vec::new();
    for (letter, from) in letters.into_iter().zip([0, HALF]) {
        let actor = lab.actor(letter, |cue| half(cue, from))?;
        lab.until("each is at its place", || actor.who.awaits_cue().then_some(()))?;
        actors.push(actor);
    }
    for actor in &mut actors {
        // One after the other: so the race is lost, or won, in the same way each time.
        actor.cue()?;
        lab.until("the half is copied", || (actor.who.state() == "Z").then_some(()))?;
    }
    let copied = written(&copy).replace('\0', ".");
    let key = if opened == Opened::BeforeFork { "halves-before" } else { "halves-after" };
    lab.event(key, &[("copy", copied.clone())]);
    Ok(copied)
}

/// The homework of the course: two processes copy a file, a half each. Several times, for a race may be won by luck.
fn homework(lab: &mut Lab) -> Outcome {
    let mut right = 0;
    const TIMES: usize = 3;
    for _ in 0..TIMES {
        let (book, copy) = (book()?, blank()?);
        let files: [OsString; 2] = [path(&book).into(), path(&copy).into()];
        let g = lab.subject_with(&files, |_| {
            let from = if fork()? == Fork::Child { HALF } else { 0 };
            let (mut book, mut copy) = (File::open(&files[0])?, OpenOptions::new().write(true).open(&files[1])?);
            book.seek(SeekFrom::Start(from as u64))?;
            copy.seek(SeekFrom::Start(from as u64))?;
            let mut half = [0; HALF];
            book.read_exact(&mut half)?;
            copy.write_all(&half)
        })?;
        lab.settle(&g);
        let done = lab.until("the copy", || (written(&copy) == BOOK).then_some(()));
        if done.is_err() {
            break;
        }
        right += 1;
    }
    lab.event("homework", &[("n", right.to_string())]);
    lab.check("homework", TIMES, right);
    Ok(())
}

fn book() -> io::Result<File> {
    let mut book = blank()?;
    book.write_all(BOOK.as_bytes())?;
    book.rewind()?;
    Ok(book)
}

/// A file without a name: nobody has to remove it.
fn blank() -> io::Result<File> {
    Ok(File::from(memfd_create(c"lab-book", MFdFlags::empty())?))
}

/// A path by which it can be opened anew, with a bookmark of its own.
fn path(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}
