//! What the kernel says of one process. Nothing here asks the process itself.

use std::{fmt, fs, io, os::unix::fs::FileExt, sync::atomic::AtomicI64};

use crate::{
    inspect::{snapshot::Snapshot, stat::Process},
    process::Pid,
};

/// A process of an experiment: its letter in the timeline, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Who {
    /// Its letter.
    pub letter: char,
    /// Its number.
    pub pid: Pid,
    /// When it was made: with the number, its name for good.
    pub start: u64,
}

/// What a process that has left the process table shows as.
pub const GONE: &str = "-";

impl Who {
    /// The process with that number, as it is now.
    pub fn of(letter: char, pid: Pid) -> Self {
        Self { letter, pid, start: stat(pid.as_raw()).map_or(0, |process| process.start_ticks) }
    }

    /// A process that was seen.
    pub fn seen(letter: char, process: &Process) -> Self {
        Self { letter, pid: Pid::from_raw(process.pid), start: process.start_ticks }
    }

    /// A letter without a process.
    pub fn nobody(letter: char) -> Self {
        Self { letter, pid: Pid::from_raw(0), start: 0 }
    }

    /// Its line in /proc/PID/stat; `None` once it is reaped, also when a stranger has its number now.
    pub fn stat(&self) -> Option<Process> {
        stat(self.pid.as_raw()).filter(|process| process.start_ticks == self.start)
    }

    /// The letter of its state, as ps(1) shows it, or [`GONE`].
    pub fn state(&self) -> String {
        self.stat().map_or(GONE.into(), |process| process.state.letter().to_string())
    }

    /// The number of its parent now; 0 when it is gone.
    pub fn ppid(&self) -> i32 {
        self.stat().map_or(0, |process| process.ppid)
    }

    /// How it ended, as wait(2) will say it, while it is a zombie; -1 before and after.
    pub fn status(&self) -> i32 {
        let zombie = self.stat().is_some_and(|process| process.is_zombie());
        // Field 52, the last one of the line: proc_pid_stat(5).
        let last = || self.file("stat").split_whitespace().last()?.parse().ok();
        if zombie { last().unwrap_or(-1) } else { -1 }
    }

    /// A file of its directory in /proc; empty when it cannot be read.
    pub fn file(&self, name: &str) -> String {
        fs::read(format!("/proc/{}/{name}", self.pid))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The value behind `name:` in a file such as `status` or `smaps_rollup`, without its unit.
    pub fn field(&self, file: &str, name: &str) -> Option<u64> {
        let text = self.file(file);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Where a descriptor or another link of its directory leads, `socket:[4711]` or a path.
    pub fn link(&self, name: &str) -> Option<String> {
        let target = fs::read_link(format!("/proc/{}/{name}", self.pid)).ok()?;
        Some(target.to_string_lossy().into_owned())
    }

    /// How many descriptors it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid)).map_or(0, Iterator::count)
    }

    /// The number of the system call that it sleeps in; `None` when it runs or nobody tells.
    pub fn syscall(&self) -> Option<i64> {
        self.file("syscall").split_whitespace().next()?.parse().ok()
    }

    /// Whether it sleeps in read(2) on its standard input: that is where actors wait for their cues.
    pub fn awaits_cue(&self) -> bool {
        let call = self.file("syscall");
        let mut words = call.split_whitespace();
        words.next().and_then(|word| word.parse().ok()) == Some(libc::SYS_read) && words.next() == Some("0x0")
    }

    /// Bytes of its memory. proc_pid_mem(5).
    ///
    /// # Errors
    /// `EACCES` where the kernel does not let one process look into another.
    pub fn memory(&self, address: usize, bytes: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; bytes];
        let offset = u64::try_from(address).map_err(io::Error::other)?;
        fs::File::open(format!("/proc/{}/mem", self.pid))?.read_exact_at(&mut buffer, offset)?;
        Ok(buffer)
    }

    /// A number in its memory, at the address where this process has it too: fork copies addresses.
    ///
    /// # Errors
    /// As [`memory`](Self::memory).
    pub fn number_at(&self, place: &AtomicI64) -> io::Result<i64> {
        let bytes = self.memory(std::ptr::from_ref(place).addr(), 8)?;
        Ok(i64::from_ne_bytes(bytes.try_into().map_err(|_| io::ErrorKind::UnexpectedEof)?))
    }

    /// The processes whose parent it is, oldest first.
    pub fn children(&self) -> Vec<Process> {
        let Ok(snapshot) = Snapshot::take() else { return Vec::new() };
        let mut children: Vec<_> = snapshot.children(self.pid.as_raw()).cloned().collect();
        children.sort_by_key(|child| (child.start_ticks, child.pid));
        children
    }

    /// All processes below it.
    pub fn descendants(&self) -> Vec<Process> {
        let Ok(snapshot) = Snapshot::take() else { return Vec::new() };
        let below = |process: &&Process| {
            snapshot.ancestors(process).iter().any(|above| above.pid == self.pid.as_raw())
        };
        snapshot.processes().iter().filter(below).cloned().collect()
    }

    /// How many of its children have ended and were not collected.
    pub fn zombies(&self) -> usize {
        self.children().iter().filter(|child| child.is_zombie()).count()
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter)
    }
}

/// The line of /proc/PID/stat.
pub fn stat(pid: i32) -> Option<Process> {
    Process::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}
