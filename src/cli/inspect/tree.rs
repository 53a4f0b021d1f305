//! `forkd tree`: who is whose child, and what each is about.

use std::process::ExitCode;

use super::{args, out, target, terminal, watch};
use crate::{
    Error, Result,
    inspect::{
        document::Document,
        draw,
        paint::{Lines, Look},
        select::Selection,
        snapshot::Snapshot,
        tree::{Builder, Fold, Node},
    },
};

/// The exit code when there is a zombie and zombies were asked for.
const ZOMBIES: u8 = 4;

/// `forkd tree`
///
/// # Errors
/// When there is no such process, or /proc cannot be read.
pub fn tree(args: &args::Tree) -> Result<ExitCode> {
    if args.watch {
        return watch::watch(args);
    }
    let snapshot = look()?;
    let selection = selection(&snapshot, args)?;
    if args.place.json {
        document(&snapshot, &selection, args)?;
    } else {
        let page = page(&snapshot, &selection, args, &look_of(args));
        out::print(page.as_bytes())?;
    }
    let zombie = args.zombies && selection.members(&snapshot).iter().any(|process| process.is_zombie());
    Ok(ExitCode::from(if zombie { ZOMBIES } else { 0 }))
}

/// All processes.
///
/// # Errors
/// When /proc cannot be read.
pub fn look() -> Result<Snapshot> {
    Snapshot::take().map_err(|cause| Error::system("read /proc", cause).remedy("is it mounted?"))
}

/// How the page looks on this standard output.
pub fn look_of(args: &args::Tree) -> Look {
    let look = terminal::look();
    Look { lines: if args.ascii { Lines::Ascii } else { look.lines }, ..look }
}

/// What was asked for.
///
/// # Errors
/// When there is no such process.
pub fn selection(snapshot: &Snapshot, args: &args::Tree) -> Result<Selection> {
    let mut selection = match &args.target {
        Some(word) => Selection::of(snapshot, &target::pids(snapshot, word, &args.place)?),
        None if args.all || args.place.json || args.zombies => Selection::all(snapshot),
        None => Selection::users(snapshot),
    };
    if args.zombies {
        selection = selection.zombies(snapshot);
    }
    Ok(if args.parents { selection.with_parents(snapshot) } else { selection })
}

/// The tree as text, and a line that sums it up.
pub fn page(snapshot: &Snapshot, selection: &Selection, args: &args::Tree, look: &Look) -> String {
    let fold = if args.all { Fold::Never } else { Fold::Alike };
    let nodes = Builder::new(snapshot, selection, fold).forest();
    let tree = if nodes.is_empty() { String::new() } else { draw::forest(&nodes, look) + "\n" };
    tree + &draw::summary(snapshot, selection, look)
}

/// The tree as JSON: root nodes, or of zombies the zombies themselves.
fn document(snapshot: &Snapshot, selection: &Selection, args: &args::Tree) -> Result<()> {
    let builder = Builder::new(snapshot, selection, Fold::Never);
    let nodes: Vec<Node> = if args.zombies && !args.parents {
        let members = selection.members(snapshot);
        members
            .into_iter()
            .filter(|process| process.is_zombie())
            .map(|zombie| builder.single(zombie))
            .collect()
    } else {
        builder.forest()
    };
    out::document(&nodes.iter().map(Document::from).collect::<Vec<_>>())
}
