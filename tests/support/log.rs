//! What a server has said, line by line, and waiting for it to say more.

use std::{
    fmt, fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use super::wait::{DEADLINE, eventually};

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(pub String);

impl Line {
    /// Whether all the words of `pattern` are in the line: `key=value` as a word of its own, others anywhere.
    pub fn says(&self, pattern: &str) -> bool {
        pattern.split_whitespace().all(|word| match word.split_once('=') {
            Some((key, value)) => self.field(key).as_deref() == Some(value),
            None => self.0.contains(word),
        })
    }

    /// The value behind `key=`, without its quotes.
    pub fn field(&self, key: &str) -> Option<String> {
        let mark = format!("{key}=");
        let (at, _) = self
            .0
            .match_indices(&mark)
            .find(|(at, _)| *at == 0 || self.0[..*at].ends_with([' ', '[', '(']))?;
        let value = &self.0[at + mark.len()..];
        Some(match value.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next().unwrap_or_default().to_owned(),
            None => value.split_whitespace().next().unwrap_or_default().to_owned(),
        })
    }

    /// The number behind `key=`.
    #[track_caller]
    pub fn number(&self, key: &str) -> i32 {
        let value = self.field(key).unwrap_or_else(|| panic!("no `{key}=` in: {self}"));
        value.parse().unwrap_or_else(|_| panic!("`{key}={value}` is no number in: {self}"))
    }

    /// Whether the line warns or complains.
    pub fn is_trouble(&self) -> bool {
        let loud = |word: &str| matches!(word.trim_matches(|c: char| !c.is_alphabetic()), "WARN" | "ERROR");
        self.0.contains("panicked at") || self.0.split_whitespace().take(3).any(loud)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The lines of a pipe as they come, or of a file as it grows.
#[derive(Clone)]
pub enum Log {
    Pipe(Arc<Shared>),
    File(PathBuf),
}

/// What the thread that reads a pipe has read.
#[derive(Default)]
pub struct Shared {
    state: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    ended: bool,
}

impl Log {
    /// Reads a pipe to its end, in a thread of its own.
    pub fn of_pipe(pipe: impl Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::spawn(move || writer.fill(pipe));
        Self::Pipe(shared)
    }

    /// All lines so far.
    pub fn lines(&self) -> Vec<Line> {
        match self {
            Self::Pipe(shared) => shared.state.lock().expect("no reader panics").lines.clone(),
            Self::File(path) => {
                let text = fs::read(path).unwrap_or_default();
                String::from_utf8_lossy(&text).lines().map(|line| Line(line.to_owned())).collect()
            }
        }
    }

    /// The lines that match, so far.
    pub fn all(&self, pattern: &str) -> Vec<Line> {
        self.lines().into_iter().filter(|line| line.says(pattern)).collect()
    }

    /// Waits for a line that matches.
    #[track_caller]
    pub fn wait(&self, pattern: &str) -> Line {
        self.wait_count(1, pattern).remove(0)
    }

    /// Waits for `count` lines that match.
    #[track_caller]
    pub fn wait_count(&self, count: usize, pattern: &str) -> Vec<Line> {
        let probe = |lines: &[Line]| {
            let found: Vec<_> = lines.iter().filter(|line| line.says(pattern)).cloned().collect();
            (found.len() >= count).then_some(found)
        };
        match self {
            Self::Pipe(shared) => shared.wait(&format!("{count} times `{pattern}`"), probe),
            Self::File(_) => eventually(&format!("{count} times `{pattern}`"), || probe(&self.lines())),
        }
    }

    /// Waits until the other end of the pipe is closed by all who held it.
    #[track_caller]
    pub fn wait_end(&self) {
        match self {
            Self::Pipe(shared) => shared.wait_end(),
            Self::File(_) => {}
        }
    }
}

impl Shared {
    fn fill(&self, pipe: impl Read) {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while pipe.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&bytes);
            let line = Line(text.trim_end_matches('\n').to_owned());
            self.state.lock().expect("no waiter panics with the lock").lines.push(line);
            self.changed.notify_all();
            bytes.clear();
        }
        self.state.lock().expect("no waiter panics with the lock").ended = true;
        self.changed.notify_all();
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, probe: impl Fn(&[Line]) -> Option<T>) -> T {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.lock().expect("no reader panics");
        loop {
            if let Some(found) = probe(&state.lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let ended = state.ended;
            // The lock is given back first: a poisoned log could not be printed.
            if left.is_zero() || ended {
                drop(state);
                panic!("{}: {what}", if ended { "the log ended without" } else { "still not in the log" });
            }
            state = self.changed.wait_timeout(state, left).expect("no reader panics").0;
        }
    }

    #[track_caller]
    fn wait_end(&self) {
        let deadline = Instant::now() + DEADLINE;
        let mut state = self.state.lock().expect("no reader panics");
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                panic!("somebody still holds the pipe open");
            }
            state = self.changed.wait_timeout(state, left).expect("no reader panics").0;
        }
    }
}

#[test]
fn a_line_is_read_by_its_keys() {
    let line = Line(
        "[2026-01-01 INFO] worker died event=exited slot=1 pid=77 during=\"GET /a b\" reason=x".to_owned(),
    );
    assert!(line.says("event=exited slot=1") && line.says("died pid=77") && !line.says("slot=11"));
    assert_eq!((line.field("during").as_deref(), line.number("pid")), (Some("GET /a b"), 77));
    assert!(!line.is_trouble() && Line("12:00 WARN x".to_owned()).is_trouble());
}
