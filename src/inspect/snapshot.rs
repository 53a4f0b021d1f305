//! All processes of the machine, at the price of one read each.
//!
//! ```ignore
//! let snapshot = Snapshot::take()?;
//! for child in snapshot.children(1) {
//!     println!("{} {}", child.pid, child.comm);
//! }
//! ```
//!
//! Written by hand although the `procfs` crate knows these files: it opens each process's directory and asks for its
//! owner first, which doubles the calls, and makes a text of each of 52 fields where we keep 14 numbers.

use std::{collections::HashMap, ffi::CStr, io, os::fd::AsFd, time::Duration};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{OFlag, openat},
    sys::stat::Mode,
    time::{ClockId, clock_gettime},
    unistd::{SysconfVar, read, sysconf},
};

use super::stat::{Process, State};

/// The processes that this user may see, as they were while /proc was read.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// In the order of their pids.
    processes: Vec<Process>,
    /// Where in `processes` the children of each process are, in the order of their pids.
    children: HashMap<i32, Vec<usize>>,
    roots: Vec<usize>,
    hidden: usize,
    uptime: Duration,
    ticks: u64,
}

impl Snapshot {
    /// Looks at every process, with one read for each. proc_pid_stat(5).
    ///
    /// # Errors
    /// When there is no /proc, or no descriptor is left.
    pub fn take() -> io::Result<Self> {
        let mut proc =
            Dir::open("/proc", OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
        let pids: Vec<String> =
            proc.iter().filter_map(|entry| pid_name(entry.ok()?.file_name().to_bytes())).collect();
        let (mut processes, mut hidden) = (Vec::with_capacity(pids.len()), 0);
        let mut buffer = [0; 2048];
        for pid in pids {
            match read_stat(&proc, &pid, &mut buffer) {
                Ok(text) => processes.extend(Process::parse(text)),
                // It ended between the two looks.
                Err(Errno::ENOENT | Errno::ESRCH) => {}
                // /proc is mounted with hidepid=1: one sees that it is there, and nothing else.
                Err(Errno::EACCES | Errno::EPERM) => hidden += 1,
                Err(error) => return Err(error.into()),
            }
        }
        let uptime = clock_gettime(ClockId::CLOCK_BOOTTIME)?.into();
        Ok(Self { hidden, ..Self::new(processes, uptime) })
    }

    /// A snapshot of these processes on a machine that was started `uptime` ago.
    pub fn new(mut processes: Vec<Process>, uptime: Duration) -> Self {
        processes.sort_by_key(|process| process.pid);
        processes.dedup_by_key(|process| process.pid);
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok());
        let mut snapshot = Self { processes, uptime, ticks: ticks.unwrap_or(100).max(1), ..Self::default() };
        for at in 0..snapshot.processes.len() {
            match snapshot.parent(&snapshot.processes[at]).map(|parent| parent.pid) {
                Some(parent) => snapshot.children.entry(parent).or_default().push(at),
                None => snapshot.roots.push(at),
            }
        }
        snapshot
    }

    /// All of them, in the order of their pids.
    pub fn processes(&self) -> &[Process] {
        &self.processes
    }

    /// The process with this pid.
    pub fn get(&self, pid: i32) -> Option<&Process> {
        let at = self.processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
        Some(&self.processes[at])
    }

    /// Its parent, if that can be seen.
    ///
    /// Nobody is older than its parent or adopter. Where it looks so, the pid of the parent was used again while /proc
    /// was read: then it is shown as nobody's child rather than as a stranger's.
    pub fn parent(&self, process: &Process) -> Option<&Process> {
        self.get(process.ppid).filter(|parent| parent.start_ticks <= process.start_ticks)
    }

    /// Its children, in the order of their pids.
    pub fn children(&self, pid: i32) -> impl ExactSizeIterator<Item = &Process> {
        self.children.get(&pid).map(Vec::as_slice).unwrap_or_default().iter().map(|at| &self.processes[*at])
    }

    /// Those without a parent that can be seen: PID 1 and the kernel's first thread, or whatever hidepid leaves.
    pub fn roots(&self) -> impl ExactSizeIterator<Item = &Process> {
        self.roots.iter().map(|at| &self.processes[*at])
    }

    /// Those above a process, its parent first.
    pub fn ancestors(&self, process: &Process) -> Vec<&Process> {
        let mut above = Vec::new();
        let mut below = process;
        while let Some(parent) = self.parent(below).filter(|_| above.len() < self.processes.len()) {
            above.push(parent);
            below = parent;
        }
        above
    }

    /// How long ago it was made.
    pub fn age(&self, process: &Process) -> Duration {
        self.uptime.saturating_sub(self.ticks_long(process.start_ticks))
    }

    /// How many more there are whose data hidepid keeps from this user; with hidepid=2 not even their number is known.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// The zombies among them.
    pub fn zombies(&self) -> impl Iterator<Item = &Process> {
        self.processes.iter().filter(|process| process.state == State::Zombie)
    }

    fn ticks_long(&self, ticks: u64) -> Duration {
        Duration::from_millis(ticks.saturating_mul(1000) / self.ticks)
    }
}

/// The name of an entry of /proc, if it is a process.
fn pid_name(name: &[u8]) -> Option<String> {
    let digits = !name.is_empty() && name.iter().all(u8::is_ascii_digit);
    digits.then(|| String::from_utf8_lossy(name).into_owned())
}

/// The text of `/proc/PID/stat`: three calls, no path to resolve from the root, nothing on the heap.
fn read_stat<'b>(proc: &Dir, pid: &str, buffer: &'b mut [u8]) -> nix::Result<&'b [u8]> {
    let mut path = [0; 24];
    let path = path_of(pid, &mut path).ok_or(Errno::ENOENT)?;
    let file = openat(proc.as_fd(), path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    let length = read(&file, buffer)?;
    Ok(&buffer[..length])
}

/// `PID/stat`, ended by a zero.
fn path_of<'p>(pid: &str, path: &'p mut [u8; 24]) -> Option<&'p CStr> {
    let name = b"/stat\0";
    let end = pid.len() + name.len();
    path.get_mut(..pid.len())?.copy_from_slice(pid.as_bytes());
    path.get_mut(pid.len()..end)?.copy_from_slice(name);
    CStr::from_bytes_with_nul(path.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, ppid: i32, start_ticks: u64) -> Process {
        let line = format!(
            "{pid} (p) S {ppid} {pid} {pid} 0 -1 0 0 0 0 0 7 3 0 0 20 0 1 0 {start_ticks} 0 0 0 0 0 0 0 0 0 0 0 0 0 \
             0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0"
        );
        Process::parse(line.as_bytes()).expect("a line as the kernel writes it")
    }

    fn pids<'p>(processes: impl Iterator<Item = &'p Process>) -> Vec<i32> {
        processes.map(|process| process.pid).collect()
    }

    #[test]
    fn a_snapshot_knows_who_is_whose_child() {
        let all =
            [process(9, 1, 5), process(1, 0, 0), process(12, 9, 8), process(11, 9, 7), process(2, 0, 0)];
        let snapshot = Snapshot::new(all.to_vec(), Duration::from_secs(60));
        assert_eq!(pids(snapshot.roots()), [1, 2]);
        assert_eq!(pids(snapshot.children(9)), [11, 12]);
        assert_eq!(pids(snapshot.ancestors(&all[2]).into_iter()), [9, 1]);
        assert_eq!(pids(snapshot.children(12)), [0; 0]);
        assert_eq!(snapshot.age(&all[1]), Duration::from_secs(60));
    }

    #[test]
    fn a_pid_that_was_used_again_gives_nobody_a_younger_parent_and_makes_no_circle() {
        let all = [process(1, 0, 0), process(5, 9, 100), process(9, 5, 200)];
        let snapshot = Snapshot::new(all.to_vec(), Duration::ZERO);
        assert_eq!(pids(snapshot.roots()), [1, 5]);
        assert_eq!(pids(snapshot.ancestors(&all[2]).into_iter()), [5]);
        // Two that were made in the same tick, and each says that it is the other's child.
        let all = [process(5, 9, 100), process(9, 5, 100)];
        assert_eq!(Snapshot::new(all.to_vec(), Duration::ZERO).ancestors(&all[0]).len(), 2);
    }

    #[test]
    fn what_hidepid_hides_leaves_its_children_visible_as_roots() {
        let snapshot = Snapshot::new(vec![process(40, 7, 3), process(41, 40, 4)], Duration::ZERO);
        assert_eq!(pids(snapshot.roots()), [40]);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let snapshot = Snapshot::take().expect("there is a /proc");
        let own = snapshot.get(std::process::id().cast_signed()).expect("this process is there");
        assert!(own.rss_bytes > 0 && own.threads > 0 && !own.kernel);
        assert_eq!(own.ppid, std::os::unix::process::parent_id().cast_signed());
        assert!(snapshot.age(own) < Duration::from_secs(3600));
    }
}
