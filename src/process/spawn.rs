//! Making a process, safely.
//!
//! ```ignore
//! let pid = spawn::fork(|| {
//!     signal::unblock_all();
//!     0
//! })?;
//! assert_eq!(wait::join(pid)?.status, ExitStatus::Exited(0));
//! ```

use std::{
    error, fmt, fs,
    io::{self, Write},
    mem,
    os::unix::fs::MetadataExt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering},
};

use crate::sys::{
    self,
    fork::{Fork, exit_now},
    threads,
};

use super::{Pid, signal};

/// The exit code of a child that panicked, as that of a Rust program that did.
pub const PANICKED: i32 = 101;

/// Why a process was not copied: the copy would have had this thread alone, and whatever locks the others held.
///
/// It is the source of the error that [`fork`] gives; the names are those of the other threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadsRunning(pub Vec<String>);

/// Forks a child that runs `child` and ends with its answer as exit code.
///
/// The child never returns from here: a panic ends it with [`PANICKED`], after its message. No destructor of the
/// parent's values runs in it but of those that `child` took. It starts with *all signals blocked*, so that none can
/// reach it between fork and its own handlers: it calls [`signal::unblock_all`] when they stand. fork(2).
///
/// # Errors
/// `Other` with [`ThreadsRunning`] inside when this process has more than one thread; `EAGAIN` and `ENOMEM` from the
/// kernel, which may pass.
pub fn fork(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    let mut child = Some(child);
    fork_once(&mut || child.take().map_or(PANICKED, |child| child()))
}

/// The same for what lies elsewhere, and is called once: code that each fork runs is there once, not for each caller.
///
/// # Errors
/// As [`fork`].
pub fn fork_once(child: &mut dyn FnMut() -> i32) -> io::Result<Pid> {
    let mask = prepare()?;
    match sys::fork::fork() {
        Ok(Fork::Child) => run(child),
        Ok(Fork::Parent(pid)) => {
            signal::restore(&mask);
            Ok(pid)
        }
        Err(error) => {
            signal::restore(&mask);
            Err(error)
        }
    }
}

/// Whether this process may be forked: with more than one thread the child would get one of them and the locks of all.
///
/// # Errors
/// The names of the others.
pub fn single_threaded() -> Result<(), ThreadsRunning> {
    // A process that serves each connection by a child asks for each: to ask the kernel costs two microseconds.
    if threads::never_had_another() {
        return Ok(());
    }
    let others = other_threads();
    if others.is_empty() { Ok(()) } else { Err(ThreadsRunning(others)) }
}

/// What must hold before any fork: one thread, empty buffers, no signal. The answer is the mask to restore.
pub(super) fn prepare() -> io::Result<signal::Mask> {
    single_threaded().map_err(io::Error::other)?;
    // What lies in the buffer now would otherwise be written twice. A reader that is gone is no reason not to fork.
    let _ = io::stdout().flush();
    signal::block_all()
}

/// The whole life of a child.
fn run(child: &mut dyn FnMut() -> i32) -> ! {
    /// Whether this process, or one that it descends from by such a fork, has seen to that.
    static DIES_OF_FAULTS: AtomicBool = AtomicBool::new(false);
    if !DIES_OF_FAULTS.load(Ordering::Relaxed) {
        signal::die_of_faults();
        DIES_OF_FAULTS.store(true, Ordering::Relaxed);
    }
    let code = catch_unwind(AssertUnwindSafe(child)).unwrap_or_else(|payload| {
        // Dropping it would run code of the panicked program, which may panic again.
        mem::forget(payload);
        PANICKED
    });
    let _ = io::stdout().flush();
    exit_now(code)
}

/// What stat(2) says of the directory of the threads where there is one: itself, its entry above, and the thread.
const LINKS_OF_ONE_THREAD: u64 = 3;

/// The names of the threads of this process beside the one that asks.
///
/// Where /proc cannot be read (a chroot, a sandbox, no descriptor left) there seem to be none: a fork is not refused
/// for what nobody can know. proc(5), `/proc/self/task`.
fn other_threads() -> Vec<String> {
    // Each thread is a directory there, so the links to it count them: one call for the answer that there always is.
    match fs::metadata("/proc/self/task") {
        Ok(directory) if directory.nlink() == LINKS_OF_ONE_THREAD => return Vec::new(),
        Ok(_) | Err(_) => {}
    }
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let tasks: Vec<_> = tasks.flatten().collect();
    if tasks.len() < 2 {
        return Vec::new();
    }
    let own = nix::unistd::gettid().to_string();
    let others = tasks.iter().filter(|task| *task.file_name() != *own);
    others.filter_map(|task| live_thread(&fs::read_to_string(task.path().join("stat")).ok()?)).collect()
}

/// The name of the thread with this `stat`; `None` for one that is ending.
///
/// A thread that was joined may still be listed for a moment, but it is marked since before join returned, and no
/// longer touches our memory.
fn live_thread(stat: &str) -> Option<String> {
    const PF_EXITING: u32 = 4;
    // The name may hold anything, so it ends at the last parenthesis.
    let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
    let flags: u32 = fields.split_whitespace().nth(6)?.parse().ok()?;
    (flags & PF_EXITING == 0).then(|| name.to_owned())
}

impl fmt::Display for ThreadsRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this process has other threads: {}", self.0.join(", "))
    }
}

impl error::Error for ThreadsRunning {}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked_and_they_are_named() {
        // A test runs in a thread of its own beside the main one, so there is always another.
        let (hold, held) = mpsc::channel::<()>();
        let (named, is_named) = mpsc::channel();
        let body = move || named.send(()).is_ok() && held.recv().is_ok();
        let extra = thread::Builder::new().name("culprit".into()).spawn(body).unwrap();
        is_named.recv().unwrap();
        let error = fork(|| 0).unwrap_err();
        let threads = error.get_ref().and_then(|source| source.downcast_ref::<ThreadsRunning>()).unwrap();
        assert!(threads.0.iter().any(|name| name == "culprit"), "{error}");
        assert!(error.to_string().starts_with("this process has other threads: "));
        drop(hold);
        let _ = extra.join();
    }

    #[test]
    fn a_thread_that_is_ending_does_not_count() {
        for round in 0..200 {
            thread::Builder::new().name(format!("brief-{round}")).spawn(|| ()).unwrap().join().unwrap();
            assert!(!other_threads().contains(&format!("brief-{round}")));
        }
    }

    #[test]
    fn a_name_may_hold_anything() {
        assert_eq!(live_thread("7 (a) R 0 (b) S 1 7 7 0 -1 4194368 0").as_deref(), Some("a) R 0 (b"));
        assert_eq!(live_thread("7 (gone) X 1 7 7 0 -1 4194372 0"), None);
        assert_eq!(live_thread("7 (cut"), None);
    }
}
