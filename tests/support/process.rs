//! Processes as /proc shows them, which is what `ps` and `pstree` read.

use std::{collections::BTreeMap, fs, path::Path};

use nix::{
    sys::signal::{self, Signal},
    unistd::Pid,
};

/// One process at one moment.
#[derive(Debug, Clone)]
pub struct Process {
    pub pid: i32,
    pub ppid: i32,
    pub comm: String,
    pub state: char,
    pub group: i32,
    pub session: i32,
    /// The device number of its controlling terminal; 0 is none.
    pub tty: i32,
    pub title: String,
}

impl Process {
    /// The process with this pid, also when it is a zombie.
    pub fn read(pid: i32) -> Option<Self> {
        let stat = String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?).into_owned();
        // The name may contain anything, a closing parenthesis too: the last one ends it.
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let fields: Vec<_> = stat[close + 1..].split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
        let title = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let title = String::from_utf8_lossy(&title).replace('\0', " ").trim_end().to_owned();
        let (state, comm) = (fields.first()?.chars().next()?, stat[open + 1..close].to_owned());
        Some(Self {
            pid,
            ppid: number(1)?,
            comm,
            state,
            group: number(2)?,
            session: number(3)?,
            tty: number(4)?,
            title,
        })
    }

    /// Every process of the machine.
    pub fn all() -> Vec<Self> {
        let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
        entries.filter_map(|entry| Self::read(entry.file_name().to_str()?.parse().ok()?)).collect()
    }

    /// The children of a process.
    pub fn children(pid: i32) -> Vec<Self> {
        let mut found: Vec<_> = Self::all().into_iter().filter(|process| process.ppid == pid).collect();
        found.sort_by_key(|process| process.pid);
        found
    }

    /// Whether a process with this pid runs; a zombie does not.
    pub fn lives(pid: i32) -> bool {
        Self::read(pid).is_some_and(|process| process.state != 'Z' && process.state != 'X')
    }

    /// Whether it has ended and nobody has waited for it.
    pub fn is_zombie(&self) -> bool {
        self.state == 'Z'
    }

    /// What its descriptors point to, by number.
    pub fn descriptors(&self) -> BTreeMap<i32, String> {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else { return BTreeMap::new() };
        let link = |entry: fs::DirEntry| {
            let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            Some((entry.file_name().to_str()?.parse().ok()?, target))
        };
        entries.flatten().filter_map(link).collect()
    }

    /// One line of `/proc/PID/status`.
    pub fn status(&self, key: &str) -> Option<String> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// Whether a 64-bit mask of `/proc/PID/status` (SigBlk, SigIgn, SigCgt) has a signal.
    pub fn mask_has(&self, key: &str, signal: Signal) -> bool {
        let mask = self.status(key).and_then(|hex| u64::from_str_radix(&hex, 16).ok()).unwrap_or_default();
        mask & (1 << (signal as i32 - 1)) != 0
    }

    /// Whether it has a mark of the instance: its name or folder among its words, its pipe or a file of its folder
    /// among its descriptors.
    pub fn belongs_to(&self, name: &str, folder: &Path, pipe: Option<&str>) -> bool {
        let folder = folder.to_string_lossy();
        let named = self.title.split(' ').any(|word| word == name) || self.title.contains(&*folder);
        named
            || self.descriptors().values().any(|target| target.starts_with(&*folder))
            || pipe.is_some_and(|pipe| self.holds(pipe))
    }

    /// Whether one of its descriptors points there.
    pub fn holds(&self, target: &str) -> bool {
        self.descriptors().values().any(|held| held == target)
    }
}

/// Sends a signal; a process that is gone already is no error.
pub fn send(pid: i32, signal: Signal) {
    let _ = signal::kill(Pid::from_raw(pid), signal);
}

/// The tree below a process as text, for the reader of a failed test.
pub fn drawn(root: i32) -> String {
    let mut text = String::new();
    let all = Process::all();
    draw(&all, root, 0, &mut text);
    text
}

fn draw(all: &[Process], pid: i32, depth: usize, text: &mut String) {
    let Some(process) = all.iter().find(|process| process.pid == pid) else { return };
    let Process { comm, state, title, .. } = process;
    text.push_str(&format!("{:depth$}{pid} {state} {comm} [{title}]\n", "", depth = depth * 2));
    for child in all.iter().filter(|child| child.ppid == pid) {
        draw(all, child.pid, depth + 1, text);
    }
}
