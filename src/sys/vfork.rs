//! Starting another program without copying this process first.
//!
//! fork(2) copies the page tables of its caller, only for exec(2) to throw them away. Here the child borrows the
//! caller's memory until it executes the program, as posix_spawn(3) does it, while the caller waits: clone(2) with
//! `CLONE_VM` and `CLONE_VFORK`, on a stack of its own, so that it cannot disturb the frames of whoever waits.
//!
//! What posix_spawn(3) lacks is the reason for doing it here: the child writes its own pid into its environment
//! (`LISTEN_PID`, which nobody can know before), and asks for a signal at its parent's death.

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    ptr,
};

use nix::unistd::Pid;

use super::{
    descent::{self, Descent},
    wait::{Patience, Target, wait4},
};

/// A program and all that it begins with; made in full before there is a child.
#[derive(Debug)]
pub struct Exec<'a> {
    /// The file to execute: a path, for nothing is searched here.
    pub path: &'a CStr,
    /// Its arguments, the name by which it was called first.
    pub arguments: &'a [CString],
    /// Its environment.
    pub environment: &'a [CString],
    /// The name of a variable that is to hold the child's own pid.
    pub pid_variable: Option<&'a CStr>,
    /// The directory that it begins in, if not this process's.
    pub directory: Option<&'a CStr>,
    /// Its descriptors from 0 on; it gets no others.
    pub descriptors: &'a [BorrowedFd<'a>],
    /// The soft limit on descriptors that it begins with, if not this process's.
    pub most_descriptors: Option<u64>,
    /// This process, whose death ends the program too.
    pub parent: Pid,
    /// What it gives up before it becomes the program.
    pub descent: Option<&'a Descent>,
}

/// What could not be done, and why.
#[derive(Debug)]
pub struct Failure {
    /// How far the child had come.
    pub step: Step,
    /// The kernel's answer.
    pub cause: io::Error,
}

/// What is done between clone and exec, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Making the process: nothing was born.
    Clone,
    /// Putting its descriptors in their places.
    Descriptors,
    /// Entering its directory.
    Directory,
    /// Giving up privileges.
    Descent(descent::Step),
    /// Executing the file.
    Exec,
}

/// The bytes of the child's stack: a dozen shallow calls.
const STACK: usize = 64 * 1024;

/// The longest pid in decimal digits, with the NUL behind it.
const DIGITS: usize = 12;

/// What the child reads, and where it writes how far it came. It lies in memory that both processes see.
struct Sheet {
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    pid_digits: *mut u8,
    directory: *const c_char,
    sources: *const RawFd,
    /// Room for copies of the sources, out of the way of their places.
    copies: *mut RawFd,
    count: c_int,
    limit: libc::rlimit,
    has_limit: bool,
    parent: libc::pid_t,
    descent: *const Descent,
    failed: Option<(Step, c_int)>,
}

/// Starts the program as a child of this process; it runs when this returns.
///
/// It leads a process group of its own, every signal has its default action and none is blocked, and it gets TERM when
/// this process dies. All signals must be blocked in the caller: a handler would run in memory that two processes
/// share. The caller must have one thread. clone(2), execve(2), close_range(2).
///
/// # Errors
/// What could not be done, without a child: one that came as far as exec is reaped here.
pub fn spawn(exec: &Exec<'_>) -> Result<Pid, Failure> {
    let mut digits = exec.pid_variable.map(pid_entry);
    let mut environment = pointers(exec.environment);
    if let Some((entry, _)) = &digits {
        let end = environment.len() - 1;
        environment.insert(end, entry.as_ptr().cast());
    }
    let arguments = pointers(exec.arguments);
    let sources: Vec<RawFd> = exec.descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let mut copies = sources.clone();
    let most = exec.most_descriptors.unwrap_or_default();
    let mut sheet = Sheet {
        path: exec.path.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        pid_digits: digits.as_mut().map_or(ptr::null_mut(), |(entry, place)| entry[*place..].as_mut_ptr()),
        directory: exec.directory.map_or(ptr::null(), CStr::as_ptr),
        sources: sources.as_ptr(),
        copies: copies.as_mut_ptr(),
        count: c_int::try_from(sources.len()).unwrap_or(c_int::MAX),
        limit: libc::rlimit { rlim_cur: most, rlim_max: most },
        has_limit: false,
        parent: exec.parent.as_raw(),
        descent: exec.descent.map_or(ptr::null(), ptr::from_ref),
        failed: None,
    };
    if exec.most_descriptors.is_some() {
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is a live, writable place.
        sheet.has_limit = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut now) } == 0;
        sheet.limit.rlim_max = now.rlim_max;
    }
    if exec.descent.is_some_and(Descent::gives_up) {
        visibly(|| clone(&mut sheet))
    } else {
        clone(&mut sheet)
    }
}

/// A child that changes its user while it borrows this memory makes the kernel hide it from debuggers, which is right for
/// as long as that lasts, and no longer. prctl(2), `PR_SET_DUMPABLE`.
fn visibly<T>(spawn: impl FnOnce() -> T) -> T {
    // SAFETY: the call takes numbers.
    let before = unsafe { libc::prctl(libc::PR_GET_DUMPABLE, 0, 0, 0, 0) };
    let spawned = spawn();
    if before == 1 {
        // SAFETY: as above.
        unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) };
    }
    spawned
}

fn clone(sheet: &mut Sheet) -> Result<Pid, Failure> {
    // Never read before it is written, so it is not cleared: of its pages only those that are used cost anything.
    let mut stack: Vec<u128> = Vec::with_capacity(STACK / size_of::<u128>());
    // SAFETY: the end of what was allocated is one past it, as an end may be.
    let top = unsafe { stack.as_mut_ptr().add(stack.capacity()) }.cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is live, writable and aligned to 16 bytes, and grows down from its end; `CLONE_VFORK` keeps
    // this thread from going on until the child has executed the program or ended, so stack and sheet outlive its use
    // of them; `begin` only makes calls that signal-safety(7) allows, touches nothing but the sheet, and never returns
    // into our frames.
    let pid = unsafe { libc::clone(begin, top, flags, ptr::from_mut(sheet).cast()) };
    if pid == -1 {
        return Err(Failure { step: Step::Clone, cause: io::Error::last_os_error() });
    }
    // SAFETY: the sheet is ours again; the child wrote it behind the compiler's back, through the pointer above.
    match unsafe { ptr::read_volatile(&raw const sheet.failed) } {
        None => Ok(Pid::from_raw(pid)),
        Some((step, errno)) => {
            // Not for its status, which is known, but so that no zombie is left; an error is that it is gone.
            let _ = wait4(Target::Child(Pid::from_raw(pid)), Patience::Block);
            Err(Failure { step, cause: io::Error::from_raw_os_error(errno) })
        }
    }
}

/// `NAME=` with room for a pid, and where that begins.
fn pid_entry(name: &CStr) -> (Vec<u8>, usize) {
    let mut entry = [name.to_bytes(), b"="].concat();
    let place = entry.len();
    entry.resize(place + DIGITS, 0);
    (entry, place)
}

/// The strings as exec(3) takes them: pointers, and a null behind the last.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// The child, from clone to exec. It must not allocate, lock or panic: its memory is its parent's.
extern "C" fn begin(sheet: *mut c_void) -> c_int {
    let sheet: *mut Sheet = sheet.cast();
    // SAFETY: `spawn` passed a sheet that lives until this process executes or ends, and does not touch it meanwhile;
    // every pointer in it is live for as long, and each array ends as `spawn` says.
    unsafe {
        let failed = match prepare(&mut *sheet) {
            Ok(()) => {
                libc::execve((*sheet).path, (*sheet).arguments, (*sheet).environment);
                (Step::Exec, errno())
            }
            Err(failed) => failed,
        };
        ptr::write_volatile(&raw mut (*sheet).failed, Some(failed));
        libc::_exit(127)
    }
}

/// All that stands between a fresh child and its program.
///
/// # Safety
/// As for [`begin`].
unsafe fn prepare(sheet: &mut Sheet) -> Result<(), (Step, c_int)> {
    // SAFETY: plain system calls with numbers, and with pointers that the caller vouches for.
    unsafe {
        // To lead a group cannot fail in a child that was just born.
        libc::setpgid(0, 0);
        if !sheet.pid_digits.is_null() {
            write_pid(sheet.pid_digits);
        }
        let descent = sheet.descent.as_ref();
        let given_up = |failure: descent::Failure| (Step::Descent(failure.step), failure.errno);
        // Its ruleset is a descriptor, which is closed next.
        descent.map_or(Ok(()), Descent::fence_files).map_err(given_up)?;
        place_descriptors(sheet).map_err(|step| (step, errno()))?;
        if sheet.has_limit {
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const sheet.limit);
        }
        descent.map_or(Ok(()), Descent::descend).map_err(given_up)?;
        if !sheet.directory.is_null() && libc::chdir(sheet.directory) == -1 {
            return Err((Step::Directory, errno()));
        }
        // Changing the user takes this request back.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
        if libc::getppid() != sheet.parent {
            libc::_exit(0);
        }
        default_signals();
        descent.map_or(Ok(()), Descent::fence_calls).map_err(given_up)
    }
}

/// Each to its number, close-on-exec lifted; all others closed.
///
/// They are copied out of the way first, or the first to be placed could overwrite the next. To copy one onto itself
/// would leave its close-on-exec flag as it was. dup2(2).
///
/// # Safety
/// As for [`begin`].
unsafe fn place_descriptors(sheet: &mut Sheet) -> Result<(), Step> {
    let count = sheet.count;
    for place in 0..count {
        // SAFETY: both arrays have `count` elements.
        unsafe {
            let (source, copy) = (sheet.sources.offset(place as isize), sheet.copies.offset(place as isize));
            *copy = libc::fcntl(*source, libc::F_DUPFD_CLOEXEC, count);
            if *copy == -1 {
                return Err(Step::Descriptors);
            }
        }
    }
    for place in 0..count {
        // SAFETY: as above.
        if unsafe { libc::dup2(*sheet.copies.offset(place as isize), place) } == -1 {
            return Err(Step::Descriptors);
        }
    }
    // SAFETY: it takes numbers. A kernel without it leaves what this process was itself started with.
    unsafe { libc::syscall(libc::SYS_close_range, count, u32::MAX, 0) };
    Ok(())
}

/// Every signal does what signal(7) lists for it, and none is held back any more. The order matters: a handler of the
/// parent's would run in its memory.
unsafe fn default_signals() {
    // SAFETY: all zeroes is a valid sigaction, the default one, and an empty mask; the kernel refuses the numbers that
    // cannot be changed. The raw call also reaches the two that the C library keeps for itself.
    unsafe {
        let action: [usize; 4] = [0; 4];
        for signal in 1..=64 {
            libc::syscall(libc::SYS_rt_sigaction, signal, action.as_ptr(), ptr::null::<usize>(), 8_usize);
        }
        let none = 0_u64;
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const none,
            ptr::null::<u64>(),
            8_usize,
        );
    }
}

/// This process's pid in decimal digits, with a NUL behind.
///
/// # Safety
/// There must be room for [`DIGITS`] bytes.
unsafe fn write_pid(digits: *mut u8) {
    // SAFETY: a pid has at most ten digits, and the room is the caller's word.
    unsafe {
        let mut rest = libc::getpid().unsigned_abs();
        let mut length = 1_isize;
        let mut power = 10_u32;
        while power <= rest && length < 10 {
            length += 1;
            power = power.wrapping_mul(10);
        }
        *digits.offset(length) = 0;
        while length > 0 {
            length -= 1;
            *digits.offset(length) = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
    }
}

fn errno() -> c_int {
    // SAFETY: the C library's own place for it, which a child of clone shares with its parent.
    unsafe { *libc::__errno_location() }
}

#[cfg(test)]
mod cost;
