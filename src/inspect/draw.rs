//! The tree as people read it: a row per node, lines for who is whose child, columns that stay columns.
//!
//! ```text
//!     PID  PROCESS           AGE   MEM  STATE                           COMMAND
//!    4711  forkd-master       3m  5.1M  S sleeping, waits in poll       forkd: master http-8080
//!    4712  ├─ forkd-worker-1  3m  3.9M  S sleeping, waits in epoll      forkd: worker 1 gen 1 http-8080
//!    4713  └─ sh              3m     -  Z zombie, exited with code 7    dead for about 2 s; its parent must wait for it
//! ```

use super::{
    kin::{self, Adoption},
    paint::{Look, Tone},
    select::Selection,
    snapshot::Snapshot,
    stat::State,
    text::{age, columns, cut, fit, printable, size, time},
    tree::Node,
};

/// The widest column of names, in columns of the terminal.
const NAMES: usize = 48;

/// The widest column of states.
const STATES: usize = 44;

/// One row before its columns have their widths.
struct Row {
    pid: String,
    lines: String,
    name: String,
    age: String,
    memory: String,
    state: String,
    rest: String,
    tone: Tone,
}

/// The forest as text, each row with its line end.
pub fn forest(nodes: &[Node], look: &Look) -> String {
    let mut rows = Vec::new();
    for node in nodes {
        add(node, None, String::new(), String::new(), look, &mut rows);
    }
    let width = |of: fn(&Row) -> usize, head: usize, most: usize| {
        rows.iter().map(of).max().unwrap_or(0).clamp(head, most.max(head))
    };
    let widths = Widths {
        pid: width(|row| columns(&row.pid), 7, 24),
        name: width(|row| columns(&row.lines) + columns(&row.name), 7, NAMES),
        state: width(|row| columns(&row.state), 5, STATES),
    };
    let head = Row {
        pid: "PID".into(),
        lines: String::new(),
        name: "PROCESS".into(),
        age: "AGE".into(),
        memory: "MEM".into(),
        state: "STATE".into(),
        rest: "COMMAND".into(),
        tone: Tone::Faint,
    };
    std::iter::once(&head).chain(&rows).map(|row| line(row, &widths, look)).collect()
}

/// A line that sums up who is shown, and says who is not.
pub fn summary(snapshot: &Snapshot, selection: &Selection, look: &Look) -> String {
    let members = selection.members(snapshot);
    let in_state = |state: State| members.iter().filter(|process| process.state == state).count();
    let orphans = members
        .iter()
        .filter(|process| kin::adoption(snapshot, process).is_some_and(|adoption| adoption.leader_gone));
    let (zombies, orphans, stopped) = (in_state(State::Zombie), orphans.count(), in_state(State::Stopped));
    let mut parts = vec![count(members.len(), "process", "processes"), count(zombies, "zombie", "zombies")];
    if orphans > 0 {
        parts.push(format!("{} (probably)", count(orphans, "orphan", "orphans")));
    }
    if stopped > 0 {
        parts.push(format!("{stopped} stopped"));
    }
    let kernel = selection.left_out();
    if kernel > 0 {
        parts.push(format!(
            "{} not shown (--all shows them)",
            count(kernel, "thread of the kernel", "threads of the kernel")
        ));
    }
    if snapshot.hidden() > 0 {
        parts.push(format!("{} that hidepid hides from this user", snapshot.hidden()));
    }
    look.paint(&parts.join(", "), if zombies > 0 { Tone::Bad } else { Tone::Faint }) + "\n"
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

struct Widths {
    pid: usize,
    name: usize,
    state: usize,
}

/// Adds the row of a node, and those below. `lines` is drawn before it, `below` before its children.
fn add(node: &Node, parent: Option<&Node>, lines: String, below: String, look: &Look, rows: &mut Vec<Row>) {
    rows.push(row(node, parent, lines, look));
    let glyphs = look.glyphs();
    for (at, child) in node.children.iter().enumerate() {
        let last = at + 1 == node.children.len() && node.deeper == 0;
        let (corner, beside) = if last { (glyphs.last, "   ") } else { (glyphs.fork, glyphs.beside) };
        add(child, Some(node), format!("{below}{corner}"), format!("{below}{beside}"), look, rows);
    }
}

fn row(node: &Node, parent: Option<&Node>, lines: String, look: &Look) -> Row {
    let glyphs = look.glyphs();
    let comm = printable(&node.process.comm);
    let several = node.count() > 1;
    let name = if several { format!("{} {} {comm}", node.count(), glyphs.times) } else { comm };
    let dead = node.process.is_zombie() || node.seen.gone.is_some() || node.process.kernel;
    Row {
        pid: node.process.pid.to_string(),
        lines,
        name,
        age: age(node.age),
        memory: if dead { "-".into() } else { size(node.rss_bytes) },
        state: state(node),
        rest: rest(node, parent, look),
        tone: tone(node),
    }
}

/// `S sleeping, waits in accept`.
fn state(node: &Node) -> String {
    let state = node.process.state;
    if let Some(ago) = node.seen.gone {
        let how = node.process.exit.map(|exit| format!(", {}", exit.words())).unwrap_or_default();
        return format!("- gone {} ago{how}", time(ago));
    }
    let letter = format!("{} {}", state.letter(), state.word());
    match (state, &node.process.exit, &node.details.waits) {
        (State::Zombie, Some(exit), _) => format!("{letter}, {}", exit.words()),
        (State::Sleeping | State::Uninterruptible, _, Some(waits)) => format!("{letter}, {waits}"),
        (
            State::Running
            | State::Sleeping
            | State::Uninterruptible
            | State::Stopped
            | State::Traced
            | State::Zombie
            | State::Dead
            | State::Idle
            | State::Other(_),
            _,
            _,
        ) => letter,
    }
}

/// What stands in the last column: what happened to it, whose duty it is, and its command line.
fn rest(node: &Node, parent: Option<&Node>, look: &Look) -> String {
    let mut parts = Vec::new();
    parts.extend(adopted(node, parent));
    if node.process.is_zombie() && node.seen.gone.is_none() {
        parts.push(duty(node, parent));
    }
    parts.extend(Some(printable(&node.details.title)).filter(|title| !title.is_empty()));
    if node.count() > 1 {
        parts.push(format!("pids {}", pids(node, look)));
    }
    if node.deeper > 0 {
        parts.push(format!("and {} more below", node.deeper));
    }
    parts.join("; ")
}

/// That it is an orphan: in its own words, because a conclusion is no observation.
fn adopted(node: &Node, parent: Option<&Node>) -> Option<String> {
    let adopter = named(node.process.ppid, parent);
    if let Some(former) = node.seen.former_parent {
        return Some(format!("orphan: adopted by {adopter} when its parent {former} ended"));
    }
    match node.adoption? {
        Adoption { leader_gone: true, adopter: _ } => Some(format!("orphan, probably: adopted by {adopter}")),
        Adoption { leader_gone: false, adopter: _ } => Some(format!("probably adopted by {adopter}")),
    }
}

/// `4711 (nginx)`, or the number alone where the parent is not shown.
fn named(pid: i32, node: Option<&Node>) -> String {
    node.map_or_else(|| pid.to_string(), |node| format!("{pid} ({})", printable(&node.process.comm)))
}

/// Whose move it is.
fn duty(node: &Node, parent: Option<&Node>) -> String {
    let dead = match node.dead_for {
        Some(time) => format!("dead for about {}", self::time(time)),
        None => format!("dead for at most {}", time(node.age)),
    };
    let whose = named(node.process.ppid, parent);
    let stopped = parent.is_some_and(|parent| matches!(parent.process.state, State::Stopped | State::Traced));
    let but = if stopped { ", which is stopped" } else { "" };
    format!("{dead}; its parent {whose} must wait for it{but}")
}

/// `11 12 13 … 40`.
fn pids(node: &Node, look: &Look) -> String {
    let all: Vec<_> =
        std::iter::once(&node.process.pid).chain(&node.others).map(ToString::to_string).collect();
    match all.as_slice() {
        [first, second, .., last] if all.len() > 6 => {
            format!("{first} {second} {} {last}", look.glyphs().more)
        }
        few => few.join(" "),
    }
}

fn tone(node: &Node) -> Tone {
    if node.seen.gone.is_some() {
        return Tone::Faint;
    }
    match node.process.state {
        State::Zombie | State::Dead => Tone::Bad,
        State::Running => Tone::Good,
        State::Uninterruptible | State::Stopped | State::Traced => Tone::Odd,
        State::Sleeping | State::Other(_) if node.adoption.is_some() => Tone::Odd,
        State::Sleeping | State::Other(_) => Tone::Plain,
        State::Idle => Tone::Faint,
    }
}

/// A row in its columns, cut at the edge of the terminal.
fn line(row: &Row, widths: &Widths, look: &Look) -> String {
    let more = look.glyphs().more;
    let room = widths.name.saturating_sub(columns(&row.lines));
    let lines = cut(&row.lines, widths.name, more);
    let cells = [
        (
            format!("{:>width$}  ", row.pid, width = widths.pid),
            if row.tone == Tone::Faint { Tone::Faint } else { Tone::Plain },
        ),
        (lines, Tone::Faint),
        (fit(&row.name, room, more), row.tone.strong()),
        (
            format!("  {:>4}  {:>5}  ", row.age, row.memory),
            if row.tone == Tone::Faint { Tone::Faint } else { Tone::Plain },
        ),
        (fit(&row.state, widths.state, more), row.tone),
        (format!("  {}", row.rest), row.tone),
    ];
    look.line(&cells)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inspect::{
        paint::{Colour, Lines},
        select::Selection,
        stat::Process,
        tree::{Builder, Fold},
    };

    /// Pids that no machine gives, so that no file of a living process is read.
    const FIRST: i32 = 9_000_000;

    /// A master with a stopped shell, four children alike, two zombies and one with a hostile name.
    fn snapshot() -> Snapshot {
        let processes = [
            (0, -FIRST, "forkd-master", 'S', 0),
            (1, 0, "工作进程", 'T', 0),
            (2, 0, "sleep", 'S', 0),
            (3, 0, "sleep", 'S', 0),
            (4, 0, "sleep", 'S', 0),
            (5, 0, "sleep", 'S', 0),
            (6, 1, "perl", 'Z', 1792),
            (7, 0, "perl", 'Z', 9),
            (8, 0, "\u{1b}[2J) R", 'R', 0),
        ];
        let line = |(pid, ppid, comm, state, exit): &(i32, i32, &str, char, i32)| {
            let (pid, ppid) = (FIRST + pid, FIRST + ppid);
            let line = format!("{pid} ({comm}) {state} {ppid} {pid} {FIRST} {} {exit}", "0 ".repeat(45));
            Process::parse(line.as_bytes()).expect("a line")
        };
        Snapshot::new(processes.iter().map(line).collect(), Duration::from_secs(125))
    }

    fn drawn(fold: Fold, look: &Look) -> Vec<String> {
        let (snapshot, selection) = (snapshot(), Selection::of(&snapshot(), &[FIRST]));
        let nodes = Builder::new(&snapshot, &selection, fold).forest();
        forest(&nodes, look).lines().map(ToOwned::to_owned).collect()
    }

    #[test]
    fn a_family_is_drawn_with_its_states_its_duties_and_its_columns() {
        let expected = [
            "    PID  PROCESS         AGE    MEM  STATE                                    COMMAND",
            "9000000  forkd-master     2m      0  S sleeping",
            "9000001  ├─ 工作进程      2m      0  T stopped",
            "9000006  │  └─ perl       2m      -  Z zombie, exited with code 7             dead for at most 2 min 5 s; \
             its parent 9000001 (工作进程) must wait for it, which is stopped",
            "9000002  ├─ 4 × sleep     2m      0  S sleeping                               pids 9000002 9000003 9000004 \
             9000005",
            "9000007  ├─ perl          2m      -  Z zombie, was killed by signal 9 (KILL)  dead for at most 2 min 5 s; \
             its parent 9000000 (forkd-master) must wait for it",
            "9000008  └─ \\x1b[2J) R    2m      0  R running",
        ];
        assert_eq!(drawn(Fold::Alike, &Look::PLAIN), expected);
    }

    #[test]
    fn unfolded_each_has_a_row() {
        assert_eq!(drawn(Fold::Never, &Look::PLAIN).len(), 10);
    }

    #[test]
    fn no_row_is_wider_than_the_terminal_and_colours_take_no_room() {
        for width in [20, 40, 79, 80] {
            let plain = drawn(Fold::Alike, &Look { width: Some(width), ..Look::PLAIN });
            assert!(plain.iter().all(|row| columns(row) <= width), "{width}: {plain:#?}");
            let look = Look { colour: Colour::On, lines: Lines::Unicode, width: Some(width) };
            let stripped: Vec<_> = drawn(Fold::Alike, &look).iter().map(|row| strip(row)).collect();
            assert_eq!(stripped, plain);
        }
    }

    /// The row without escape sequences for colours.
    fn strip(row: &str) -> String {
        let mut parts = row.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        first + &parts.map(|part| part.split_once('m').map_or("", |(_, text)| text)).collect::<String>()
    }

    #[test]
    fn ascii_is_ascii() {
        let look = Look { lines: Lines::Ascii, width: Some(60), ..Look::PLAIN };
        let rows = drawn(Fold::Alike, &look);
        assert!(rows.iter().filter(|row| !row.contains('工')).all(|row| row.is_ascii()), "{rows:#?}");
    }

    #[test]
    fn a_zombie_is_red_and_says_so_in_words() {
        let look = Look { colour: Colour::On, ..Look::PLAIN };
        let rows = drawn(Fold::Alike, &look);
        let zombies: Vec<_> = rows.iter().filter(|row| row.contains("Z zombie")).collect();
        assert!(
            zombies.len() == 2 && zombies.iter().all(|row| row.contains("\x1b[1;31mZ zombie")),
            "{rows:#?}"
        );
    }

    #[test]
    fn a_crowd_folds_by_its_name() {
        let line = |pid: i32, ppid: i32| {
            let line = format!("{pid} (p) S {ppid} {pid} {FIRST} {}", "0 ".repeat(46));
            Process::parse(line.as_bytes()).expect("a line")
        };
        let crowd = (1..=10_000).map(|pid| line(FIRST + pid, FIRST));
        let snapshot = Snapshot::new(crowd.chain([line(FIRST, 1)]).collect(), Duration::ZERO);
        let selection = Selection::all(&snapshot);
        let nodes = Builder::new(&snapshot, &selection, Fold::Alike).forest();
        assert_eq!((nodes.len(), nodes[0].children.len(), nodes[0].children[0].count()), (1, 1, 10_000));
    }

    #[test]
    fn a_chain_as_deep_as_the_machine_allows_is_cut_and_counted() {
        let line = |pid: i32| {
            let line = format!("{} (p) S {} 1 1 {}", FIRST + pid, FIRST + pid - 1, "0 ".repeat(46));
            Process::parse(line.as_bytes()).expect("a line")
        };
        let snapshot = Snapshot::new((0..30_000).map(line).collect(), Duration::ZERO);
        let selection = Selection::all(&snapshot);
        let nodes = Builder::new(&snapshot, &selection, Fold::Alike).forest();
        let text = forest(&nodes, &Look::PLAIN);
        assert!(text.trim_end().ends_with(&format!("and {} more below", 30_000 - text.lines().count() + 1)));
    }
}
