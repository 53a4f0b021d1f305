//! What it costs to start a program and to see it end, beside posix_spawn(3); `scripts/bench spawn` runs it.

use std::{ffi::CString, fs::File, io::Write, os::fd::AsFd, ptr, time::Instant};

use super::*;

/// So many pairs are measured, each of so many programs on either side.
const PAIRS: usize = 60;
const PROGRAMS: u32 = 25;

fn wait(pid: Pid) {
    nix::sys::wait::waitpid(pid, None).expect("a child of ours");
}

fn ours(path: &CStr, null: &File) {
    let exec = Exec {
        path,
        arguments: &[path.to_owned()],
        environment: &[c"PATH=/bin".to_owned()],
        pid_variable: Some(c"LISTEN_PID"),
        directory: None,
        descriptors: &[null.as_fd(), null.as_fd(), null.as_fd()],
        most_descriptors: None,
        parent: nix::unistd::getpid(),
        descent: None,
    };
    wait(spawn(&exec).expect("started"));
}

fn theirs(path: &CStr) {
    let (mut pid, end) = (0, ptr::null_mut());
    let arguments = [path.as_ptr().cast_mut(), end];
    let environment = [c"PATH=/bin".as_ptr().cast_mut(), end];
    // SAFETY: the path and both lists are live, and the lists end with a null pointer.
    let answer = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            path.as_ptr(),
            ptr::null(),
            ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    assert_eq!(answer, 0, "posix_spawn");
    wait(Pid::from_raw(pid));
}

/// The microseconds that one takes.
fn each(start: impl Fn()) -> f64 {
    let began = Instant::now();
    (0..PROGRAMS).for_each(|_| start());
    began.elapsed().as_secs_f64() * 1e6 / f64::from(PROGRAMS)
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[test]
#[ignore = "it measures, and wants the machine to itself"]
fn beside_posix_spawn() {
    let (path, null): (CString, _) = (c"/bin/true".to_owned(), File::open("/dev/null").expect("there"));
    let all = nix::sys::signal::SigSet::all();
    all.thread_block().expect("blocked");
    let pair = |number: usize| {
        // Whoever goes first finds the machine as the other has left it: they take turns.
        if number.is_multiple_of(2) {
            let ours = each(|| ours(&path, &null));
            (ours, each(|| theirs(&path)))
        } else {
            let theirs = each(|| theirs(&path));
            (each(|| ours(&path, &null)), theirs)
        }
    };
    let pairs: Vec<_> = (0..PAIRS).map(pair).collect();
    let ratios = pairs.iter().map(|(ours, theirs)| ours / theirs).collect();
    let (ours, theirs) = pairs.into_iter().unzip();
    let told = writeln!(
        io::stdout(),
        "spawn of /bin/true, started to reaped: {:.0} us, posix_spawn {:.0} us, ratio {:.3} (median of {PAIRS} pairs)",
        middle(ours),
        middle(theirs),
        middle(ratios)
    );
    told.expect("somebody reads it");
}
