//! The shown processes as nested nodes, with what each is about.
//!
//! Nodes that are alike fold into one, `4 × sleep`, so that a server with hundreds of children fits a screen. The
//! details of a process are read here, for those that get a node, and before folding only as far as a fold needs.

use std::{collections::HashMap, time::Duration};

use super::{
    details::Details,
    history::{Gone, History},
    kin::{self, Adoption},
    last_ran::Clocks,
    select::{Selection, Within},
    snapshot::Snapshot,
    stat::{Process, State},
};

/// A process, or several that are alike, and those below.
#[derive(Debug, Clone)]
pub struct Node {
    /// The process; of several, the one with the lowest pid.
    pub process: Process,
    /// The pids of the others.
    pub others: Vec<i32>,
    /// What was read of it beside.
    pub details: Details,
    /// Its age; of several, the highest.
    pub age: Duration,
    /// Its resident memory; of several, that of the largest: a sum would count shared pages again and again.
    pub rss_bytes: u64,
    /// For a zombie: about how long it is dead, where that is known.
    pub dead_for: Option<Duration>,
    /// Whether somebody adopted it, probably.
    pub adoption: Option<Adoption>,
    /// What only one who watched can know.
    pub seen: Seen,
    /// Those right below.
    pub children: Vec<Node>,
    /// How many more there are below, too deep to be shown.
    pub deeper: usize,
}

/// What a watcher saw happen to a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who its parent was before it was adopted.
    pub former_parent: Option<i32>,
    /// How long ago it was found gone.
    pub gone: Option<Duration>,
}

/// Whether nodes that are alike become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fold {
    /// They become one.
    Alike,
    /// Each process has a node.
    Never,
}

/// How deep nodes nest. Families are a dozen deep; a fork bomb may be more than the stack of this program.
const DEEPEST: usize = 250;

/// So many leaves of one name and one parent are told apart by their command lines; more fold by name alone.
const TOLD_APART: usize = 32;

/// Builds nodes from one snapshot.
#[derive(Debug)]
pub struct Builder<'s> {
    snapshot: &'s Snapshot,
    selection: &'s Selection,
    fold: Fold,
    history: Option<&'s History>,
    clocks: Clocks,
}

impl<'s> Builder<'s> {
    /// A builder for these processes.
    pub fn new(snapshot: &'s Snapshot, selection: &'s Selection, fold: Fold) -> Self {
        Self { snapshot, selection, fold, history: None, clocks: Clocks::default() }
    }

    /// The same with what a watcher has seen before.
    #[must_use]
    pub fn with_history(self, history: &'s History) -> Self {
        Self { history: Some(history), ..self }
    }

    /// The forest.
    pub fn forest(&self) -> Vec<Node> {
        let roots = self.selection.roots(self.snapshot);
        self.nodes(roots, Within::Alone, 0)
    }

    /// One process without those below it.
    pub fn single(&self, process: &Process) -> Node {
        self.node(process, Details::read(process))
    }

    fn nodes(&self, processes: Vec<&Process>, above: Within, depth: usize) -> Vec<Node> {
        let crowds = self.crowds(&processes, above);
        let mut nodes: Vec<Node> = Vec::with_capacity(processes.len().min(1024));
        // Where among the nodes those of a kind are that a later one may fold into.
        let mut alike: HashMap<Kind, Vec<usize>> = HashMap::new();
        for process in processes {
            let crowded = crowds.get(&kind(process)).is_some_and(|crowd| *crowd > TOLD_APART);
            let leaf = self.is_leaf(process, above);
            // Of a crowd only the first is read: the command lines need not be the same.
            let details = if crowded && leaf { Details::default() } else { Details::read(process) };
            let mut node = self.node(process, details);
            let before = alike.entry(kind(process)).or_default();
            let same = before.iter().copied().find(|at| leaf && nodes[*at].is_like(&node));
            match same.filter(|_| self.fold == Fold::Alike) {
                Some(at) => nodes[at].take_in(node),
                None => {
                    self.grow(&mut node, above, depth);
                    before.extend(leaf.then_some(nodes.len()));
                    nodes.push(node);
                }
            }
        }
        nodes
    }

    /// How many leaves of each kind there are, if they may fold.
    fn crowds(&self, processes: &[&Process], above: Within) -> HashMap<Kind, usize> {
        let mut crowds = HashMap::new();
        if self.fold == Fold::Alike && processes.len() > TOLD_APART {
            for process in processes.iter().filter(|process| self.is_leaf(process, above)) {
                *crowds.entry(kind(process)).or_default() += 1;
            }
        }
        crowds
    }

    fn below(&self, process: &Process, above: Within) -> Vec<&'s Process> {
        self.selection.children(self.snapshot, process, self.selection.within(process, above))
    }

    fn is_leaf(&self, process: &Process, above: Within) -> bool {
        self.below(process, above).is_empty() && self.gone_below(process.pid).next().is_none()
    }

    fn gone_below(&self, pid: i32) -> impl Iterator<Item = (&Gone, Duration)> {
        self.history
            .into_iter()
            .flat_map(move |history| history.gone_below(pid).map(|gone| (gone, history.ago(gone))))
    }

    fn grow(&self, node: &mut Node, above: Within, depth: usize) {
        let below = self.below(&node.process, above);
        if depth >= DEEPEST {
            node.deeper = descendants(self.snapshot, &node.process);
        } else {
            node.children = self.nodes(below, self.selection.within(&node.process, above), depth + 1);
            node.children.extend(self.ghosts(node.process.pid, depth + 1));
        }
    }

    fn node(&self, process: &Process, details: Details) -> Node {
        let dead_for = if process.is_zombie() { self.clocks.idle(self.snapshot, process) } else { None };
        Node {
            process: process.clone(),
            others: Vec::new(),
            details,
            age: self.snapshot.age(process),
            rss_bytes: process.rss_bytes,
            dead_for,
            adoption: kin::adoption(self.snapshot, process),
            seen: Seen {
                former_parent: self.history.and_then(|history| history.former_parent(process)),
                gone: None,
            },
            children: Vec::new(),
            deeper: 0,
        }
    }

    /// Those who were last seen as children of this process and are gone, with theirs.
    fn ghosts(&self, pid: i32, depth: usize) -> Vec<Node> {
        if depth >= DEEPEST {
            return Vec::new();
        }
        let ghost = |(gone, ago): (&Gone, Duration)| Node {
            dead_for: None,
            adoption: None,
            seen: Seen { former_parent: None, gone: Some(ago) },
            children: self.ghosts(gone.process.pid, depth + 1),
            ..self.node(&gone.process, Details::default())
        };
        self.gone_below(pid).map(ghost).collect()
    }
}

impl Node {
    /// How many processes it stands for.
    pub fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// Whether a reader would see no difference but the pid, the age and the memory.
    fn is_like(&self, other: &Self) -> bool {
        let of = |node: &Self| (node.process.exit, node.adoption, node.seen);
        of(self) == of(other)
            && self.details.title == other.details.title
            && self.details.waits == other.details.waits
    }

    fn take_in(&mut self, other: Self) {
        self.others.push(other.process.pid);
        self.age = self.age.max(other.age);
        self.dead_for = self.dead_for.max(other.dead_for);
        self.rss_bytes = self.rss_bytes.max(other.rss_bytes);
    }
}

/// What is compared before anything else is read.
type Kind = (String, State);

fn kind(process: &Process) -> Kind {
    (process.comm.clone(), process.state)
}

fn descendants(snapshot: &Snapshot, process: &Process) -> usize {
    let mut open: Vec<_> = snapshot.children(process.pid).collect();
    let mut count = 0;
    while let Some(next) = open.pop().filter(|_| count <= snapshot.processes().len()) {
        count += 1;
        open.extend(snapshot.children(next.pid));
    }
    count
}
