//! The plan of the house, held against the source: which floor imports which, who may be unsafe, who may speak.
//!
//! The table below is ARCHITECTURE.md's, as data. A new floor needs a row here; a new arrow between two floors needs
//! to be wanted, not to slip in.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each floor, and the floors that it may import from.
const FLOORS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("protocol", &[]),
    ("error", &[]),
    ("logging", &["sys"]),
    ("process", &["sys"]),
    ("listener", &["sys"]),
    ("config", &["listener", "process", "error"]),
    ("ipc", &["sys", "process", "protocol"]),
    ("worker", &["sys", "process", "listener", "ipc", "protocol", "logging"]),
    ("master", &["sys", "process", "listener", "ipc", "worker", "config", "error", "logging"]),
    ("app", &["worker", "protocol", "ipc", "sys", "logging"]),
    ("server", &["master", "worker", "listener", "ipc", "process", "app", "config", "error", "logging"]),
    ("inspect", &["sys", "process"]),
    ("lab", &["sys", "process", "listener", "protocol", "inspect", "server", "app"]),
    (
        "cli",
        &[
            "sys", "protocol", "error", "logging", "process", "listener", "config", "ipc", "worker",
            "master", "app", "server", "inspect", "lab",
        ],
    ),
];

/// The longest file, in lines. What is longer has more than one reason to exist.
const LONGEST_FILE: usize = 400;

/// The files that are longer all the same, how long they may be, and why.
const LONG_FILES: &[(&str, usize, &str)] = &[];

#[test]
fn each_floor_imports_only_from_the_floors_that_the_plan_names() {
    let allowed: BTreeMap<_, BTreeSet<_>> =
        FLOORS.iter().map(|(floor, below)| (*floor, below.iter().copied().collect())).collect();
    let exports = exports_of_the_crate_root();
    let mut wrong = Vec::new();
    for file in Source::all().iter().filter(|file| !file.is_root()) {
        let floor = file.floor();
        let Some(below) = allowed.get(floor.as_str()) else {
            wrong.push(format!("{}: the floor `{floor}` has no row in the table", file.path.display()));
            continue;
        };
        for name in file.imports() {
            let target = exports.get(&name).unwrap_or(&name);
            let is_floor = allowed.contains_key(target.as_str());
            if is_floor && *target != floor && !below.contains(target.as_str()) {
                wrong.push(format!("{}: `{floor}` may not import `{target}`", file.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_circle() {
    // Each floor stands in the table after all that it imports, so no circle can close.
    let mut seen = BTreeSet::new();
    for (floor, below) in FLOORS {
        for name in *below {
            assert!(seen.contains(name), "`{floor}` imports `{name}`, which stands further down the table");
        }
        seen.insert(*floor);
    }
}

#[test]
fn only_sys_is_unsafe() {
    refuse(
        |file| file.floor() != "sys",
        &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code)"],
    );
}

#[test]
fn only_the_command_line_prints_and_exits() {
    let words = ["println!", "print!", "eprintln!", "eprint!", "process::exit(", "dbg!"];
    refuse(|file| file.floor() != "cli" && file.floor() != "main", &words);
}

#[test]
fn the_master_starts_no_thread() {
    // A process with two threads cannot fork safely, and forking is what a master does.
    refuse(
        |file| ["master", "process", "ipc"].contains(&&*file.floor()),
        &["thread::spawn", "thread::Builder", "thread::scope"],
    );
}

#[test]
fn nothing_sleeps_in_place_of_an_event() {
    refuse(
        |file| ["master", "process", "ipc", "worker", "listener"].contains(&&*file.floor()),
        &["thread::sleep", "libc::sleep", "usleep"],
    );
}

#[test]
fn the_pure_floors_do_no_input_or_output() {
    let words = ["std::net", "std::fs", "std::os", "libc::", "nix::", "socket2::"];
    refuse(|file| file.floor() == "protocol", &words);
}

#[test]
fn the_supervisor_has_no_clock_and_touches_nothing() {
    let words =
        ["Time::now", "Instant::now", "SystemTime", "std::fs", "std::net", "libc::", "nix::", "crate::sys"];
    let parts = [
        "supervisor",
        "slot.rs",
        "slots.rs",
        "turn.rs",
        "respawn.rs",
        "crowd.rs",
        "share.rs",
        "ledger.rs",
        "policy.rs",
    ];
    let parts = parts.map(|part| Path::new("src/master").join(part));
    refuse(|file| parts.iter().any(|part| file.path.starts_with(part)), &words);
}

#[test]
fn every_file_is_short() {
    for file in Source::all() {
        let lines = file.text.lines().count();
        let exception = LONG_FILES.iter().find(|(path, _, _)| file.path == Path::new(path));
        let longest = exception.map_or(LONGEST_FILE, |(_, longest, _)| *longest);
        assert!(lines < longest, "{} has {lines} lines: split it", file.path.display());
    }
}

#[test]
fn every_file_says_why_it_exists() {
    for file in Source::all() {
        assert!(file.text.starts_with("//!"), "{} does not begin with `//!`", file.path.display());
    }
}

#[test]
fn this_test_reads_imports_rightly() {
    let file = Source {
        path: PathBuf::from("src/worker/row.rs"),
        text: String::from(
            "use crate::{ipc::scoreboard::{Row, State}, listener::Peer};\n// use crate::cli::main;\n\
             fn f() { let a = \"crate::server::x\"; super::super::sys::fork(); super::session::Flow::Stay }\n\
             use crate::config;\n#[cfg(test)]\nmod tests { use crate::app::Echo; use super::super::app; }",
        ),
    };
    let found: Vec<_> = file.imports().into_iter().collect();
    assert_eq!(found, ["config", "ipc", "listener", "sys"]);
    assert_eq!(file.floor(), "worker");
}

/// Fails with file and line for each of `words` in the code of the files that `covers` picks.
fn refuse(covers: impl Fn(&Source) -> bool, words: &[&str]) {
    let mut wrong = Vec::new();
    let sources = Source::all();
    assert!(sources.iter().any(&covers), "no file is meant: this holds of nothing");
    for file in sources.iter().filter(|file| covers(file)) {
        for (number, line) in file.code().lines().enumerate() {
            for word in words.iter().filter(|word| names(line, word)) {
                wrong.push(format!("{}:{}: `{word}`", file.path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Whether `line` has `word`, not as the end of a longer name (`eprintln!` is no `println!`).
fn names(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// What `lib.rs` re-exports, and from which floor: `crate::Error` is an import of `error`.
fn exports_of_the_crate_root() -> BTreeMap<String, String> {
    let root = Source::read(Path::new("src/lib.rs"));
    let mut exports = BTreeMap::new();
    for line in root.code().split(';') {
        let Some((_, path)) = line.split_once("pub use ") else { continue };
        let Some((floor, rest)) = path.trim().split_once("::") else { continue };
        let words = rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        exports.extend(words.map(|word| (word.to_owned(), floor.to_owned())));
    }
    exports
}

/// One file of the source.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    fn all() -> Vec<Self> {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::from("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(absolute(&folder)).expect("src can be listed") {
                let entry = entry.expect("src can be listed");
                let path = folder.join(entry.file_name());
                if entry.path().is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    files.push(Self::read(&path));
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    fn read(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            text: fs::read_to_string(absolute(path)).expect("a source file can be read"),
        }
    }

    /// `lib.rs` and `main.rs` name every floor: they are the list, not a floor.
    fn is_root(&self) -> bool {
        self.path == Path::new("src/lib.rs") || self.path == Path::new("src/main.rs")
    }

    /// The first part of the module path: `worker` for `src/worker/row.rs`.
    fn floor(&self) -> String {
        self.modules().first().cloned().expect("a file under src")
    }

    /// The module path: `worker`, `row` for `src/worker/row.rs`.
    fn modules(&self) -> Vec<String> {
        let inside = self.path.strip_prefix("src").expect("a path under src").with_extension("");
        let mut parts: Vec<_> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if parts.last().is_some_and(|last| last == "mod") {
            parts.pop();
        }
        parts
    }

    /// The source with comments and the content of strings blanked out, line for line, and without its unit tests:
    /// those may reach across floors to build what they need.
    fn code(&self) -> String {
        if self.path.ends_with("tests.rs") {
            return String::new();
        }
        let tests = self.text.find("\n#[cfg(test)]\nmod ").unwrap_or(self.text.len());
        blank(&self.text[..tests])
    }

    /// The names right below the crate root that this file reaches, by `crate::` or by enough `super::`.
    fn imports(&self) -> BTreeSet<String> {
        let code = self.code();
        let up = "super::".repeat(self.modules().len());
        let mut found = BTreeSet::new();
        for prefix in ["crate::", up.as_str()] {
            for (at, _) in code.match_indices(prefix) {
                let whole =
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$');
                if whole {
                    found.extend(first_names(&code[at + prefix.len()..]));
                }
            }
        }
        found
    }
}

/// The first name of each path in `a::b` or `{a::b, c::{d, e}}`.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(name(group[start..at].trim_start()));
                start = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// `text` with spaces in place of comments and the insides of strings; line ends stay.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            string_length(rest)
        } else if rest.starts_with("'\"'") || rest.starts_with("b'\"'") {
            rest.find("\"'").map_or(1, |at| at + 2)
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        out.extend(rest[..taken].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[taken..];
    }
    out
}

/// The length of the string literal at the start of `text`, both quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn absolute(path: &Path) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
