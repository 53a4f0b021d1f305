//! Daemon: two forks and a new session, step by step, with what the kernel says after each.

use std::{
    fs::OpenOptions,
    io,
    path::{Path, PathBuf},
};

use nix::{
    pty::openpty,
    unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, getppid, setsid, ttyname},
};

use crate::{
    lab::{Cue, Lab, Outcome, look::Who},
    sys::{
        fork::{Fork, exit_now, fork},
        wait::{Patience, Target, wait4},
    },
};

pub fn run(lab: &mut Lab) -> Outcome {
    if !lab.is_exam() {
        slowly(lab)?;
    }
    let keeps = lab.bug("one-fork");
    let d = lab.subject(|_| daemonize(if keeps { Forks::One } else { Forks::Two }))?;
    let e = lab.orphan('E');
    lab.until("the daemon has settled", || (e.link("cwd")? == "/" && e.link("fd/2")? == "/dev/null").then_some(())).ok();
    lab.event("daemon", &columns(e));
    lab.expect("parent-ended", 0, || d.who.status());
    lab.check("adopted", getppid(), e.ppid());
    let (stage, daemon) = (session(Who::of('-', nix::unistd::getpid())), session(e));
    lab.check_that("session", format!("≠ {stage}"), daemon, |daemon| *daemon > 0 && *daemon != stage);
    lab.check_that("no-leader", format!("≠ {}", e.pid), session(e), |session| *session != e.pid.as_raw());
    lab.check("no-tty", 0, e.stat().map_or(-1, |process| process.tty));
    lab.check("cwd", "/", e.link("cwd").unwrap_or_default());
    let stdio: Vec<_> = (0..3).filter_map(|fd| e.link(&format!("fd/{fd}"))).collect();
    lab.check("stdio", "/dev/null /dev/null /dev/null", stdio.join(" "));
    Ok(())
}

/// How many forks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forks {
    One,
    Two,
}

/// What every daemon does that starts itself.
fn daemonize(forks: Forks) -> io::Result<()> {
    if let Fork::Parent(child) = fork()? {
        if forks == Forks::Two {
            wait4(Target::Child(child), Patience::Block)?;
        }
        exit_now(0);
    }
    setsid()?; // no terminal any more, and the leader of a session of its own
    if forks == Forks::Two && fork()? != Fork::Child {
        exit_now(0); // the one behind it leads no session, so it can never get a terminal again
    }
    chdir("/")?;
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    nix::unistd::pause();
    Ok(())
}

/// The same with a terminal, and a stop after each step.
fn slowly(lab: &mut Lab) -> Outcome {
    let terminal = openpty(None, None)?;
    let path = ttyname(&terminal.slave)?;
    let mut a = lab.actor('A', |cue| as_a_shell_does(&path, cue))?;
    let b = lab.child_of(a.who, 'B');
    lab.until("B waits", || b.awaits_cue().then_some(()))?;
    lab.event("fork", &columns(b));
    lab.check_that("tty-before", "≠ 0", b.stat().map_or(0, |process| process.tty), |tty| *tty != 0);
    a.cue()?;
    lab.expect("own-session", b.pid, || session(b));
    lab.expect("tty-after", 0, || b.stat().map_or(-1, |process| process.tty));
    lab.event("setsid", &columns(b));
    lab.until("B waits", || b.awaits_cue().then_some(()))?;
    a.cue()?;
    let c = lab.orphan('C');
    lab.until("C waits", || c.awaits_cue().then_some(()))?;
    lab.event("second-fork", &columns(c));
    a.cue()?;
    lab.until("C has tried", || (c.state() == "Z").then_some(())).ok();
    // It opened the terminal, and ended with the code 1 if that had become its own.
    lab.check("no-return", 0, c.status());
    lab.event("tried", &[]);
    Ok(())
}

/// A gets the terminal as a login shell does; B and C are on their way to be daemons, and wait for cues in between.
fn as_a_shell_does(terminal: &Path, cue: Cue) -> io::Result<()> {
    setsid()?;
    let open = || OpenOptions::new().read(true).write(true).open(PathBuf::from(terminal));
    let _terminal = open()?; // the first terminal that a session leader opens becomes its own
    if let Fork::Parent(b) = fork()? {
        wait4(Target::Child(b), Patience::Block)?;
        nix::unistd::pause();
        return Ok(());
    }
    cue.wait()?;
    setsid()?;
    cue.wait()?;
    if fork()? != Fork::Child {
        exit_now(0);
    }
    cue.wait()?;
    let _again = open()?;
    let own = crate::lab::look::stat(std::process::id().cast_signed()).is_some_and(|process| process.tty != 0);
    exit_now(i32::from(own))
}

fn session(who: Who) -> i32 {
    who.stat().map_or(-1, |process| process.session)
}

/// What a daemon's way is about: its parent, its session, its terminal.
fn columns(who: Who) -> [(&'static str, String); 4] {
    let process = who.stat();
    let of = |field: fn(&crate::inspect::stat::Process) -> i32| process.as_ref().map_or("-".into(), |it| field(it).to_string());
    [
        ("pid", who.pid.to_string()),
        ("ppid", of(|process| process.ppid)),
        ("sid", of(|process| process.session)),
        ("tty", of(|process| process.tty)),
    ]
}
