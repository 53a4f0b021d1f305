//! `forkd tree --watch`: the tree again and again, with the recently dead.
//!
//! On a terminal a page is drawn over the one before, without clearing, so that nothing flickers; no mode of the
//! terminal is changed, so nothing has to be put back, not even after KILL. Into a file a page is written whenever
//! somebody came, went or changed.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    process::ExitCode,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{args, terminal, tree};
use crate::{
    Error, ErrorKind, Result,
    inspect::{
        draw,
        history::History,
        select::Selection,
        snapshot::Snapshot,
        tree::{Builder, Fold, Node},
        watch::bell::Bell,
    },
    process::clock::Time,
};

/// How often /proc is read where the kernel tells nothing: half a second is what a person takes for "at once".
const PERIOD_MS: u16 = 500;

/// The same where it tells of births and ends. States, memory and the wait for the dead have no event.
const PERIOD_WITH_BELL_MS: u16 = 1000;

/// From one page to the next at least, however much happens.
const REST_MS: u16 = 50;

/// Shows the tree until interrupted, until its reader goes away, or until what was asked for is gone.
///
/// # Errors
/// When there is no such process, or /proc cannot be read.
pub fn watch(args: &args::Tree) -> Result<ExitCode> {
    let (mut history, mut last) = (History::default(), Vec::new());
    // Without one, /proc is read more often.
    let (mut begun, mut bell) = (false, Bell::new().ok());
    loop {
        let snapshot = tree::look()?;
        history.note(&snapshot, Time::now());
        let selection = match tree::selection(&snapshot, args) {
            Err(gone) if begun && gone.kind() == ErrorKind::NotRunning => return Ok(ExitCode::SUCCESS),
            other => other?,
        };
        let nodes = nodes(&snapshot, &selection, &history, args);
        let now = signature(&nodes);
        let on_terminal = terminal::size();
        if on_terminal.is_some() || now != last {
            let look = tree::look_of(args);
            let text = draw::forest(&nodes, &look) + "\n" + &draw::summary(&snapshot, &selection, &look);
            let page = on_terminal.map_or_else(|| text.clone() + "\n", |(_, rows)| over(&text, rows, begun));
            if !write(&page)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        (begun, last) = (true, now);
        if !pause(bell.as_mut())? {
            return Ok(ExitCode::SUCCESS);
        }
    }
}

fn nodes(snapshot: &Snapshot, selection: &Selection, history: &History, args: &args::Tree) -> Vec<Node> {
    let fold = if args.all { Fold::Never } else { Fold::Alike };
    Builder::new(snapshot, selection, fold).with_history(history).forest()
}

/// What makes a page another one: who is there, and in which state; ages alone do not.
fn signature(nodes: &[Node]) -> Vec<(i32, i32, char, bool)> {
    let mut all = Vec::new();
    let mut open: Vec<_> = nodes.iter().collect();
    while let Some(node) = open.pop() {
        let one = |pid| (pid, node.process.ppid, node.process.state.letter(), node.seen.gone.is_some());
        all.push(one(node.process.pid));
        all.extend(node.others.iter().map(|pid| one(*pid)));
        open.extend(&node.children);
    }
    all.sort_unstable();
    all
}

/// A page to be drawn over the last one, no higher than the terminal.
fn over(text: &str, rows: usize, begun: bool) -> String {
    let mut page = String::from(if begun { "\x1b[H" } else { "\x1b[2J\x1b[H" });
    let lines: Vec<_> = text.lines().collect();
    let room = rows.saturating_sub(1).max(1);
    let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
    for line in &lines[..shown] {
        page += &format!("{line}\x1b[K\n");
    }
    if shown < lines.len() {
        page += &format!("… {} more lines\x1b[K\n", lines.len() - shown);
    }
    page + "\x1b[J"
}

/// Writes a page; `false` when nobody reads any more.
fn write(page: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match out.write_all(page.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(cause) => Err(Error::system("write to standard output", cause)),
    }
}

/// Waits for the next look; `false` when the reader of standard output has gone meanwhile.
fn pause(bell: Option<&mut Bell>) -> Result<bool> {
    let Some(bell) = bell else { return wait(None, PERIOD_MS).map(|woken| woken != Woken::Gone) };
    if wait(None, REST_MS)? == Woken::Gone || wait(Some(bell), PERIOD_WITH_BELL_MS)? == Woken::Gone {
        return Ok(false);
    }
    bell.silence();
    Ok(true)
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// The time, or the bell.
    Time,
    /// The reader of standard output has gone.
    Gone,
}

fn wait(bell: Option<&Bell>, millis: u16) -> Result<Woken> {
    let out = io::stdout();
    let mut watched = vec![PollFd::new(out.as_fd(), PollFlags::empty())];
    watched.extend(bell.map(|bell| PollFd::new(bell.as_fd(), PollFlags::POLLIN)));
    match poll(&mut watched, PollTimeout::from(millis)) {
        Ok(_) if watched[0].any().unwrap_or(false) => Ok(Woken::Gone),
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(Woken::Time),
        Err(cause) => Err(Error::system("wait", cause)),
    }
}
