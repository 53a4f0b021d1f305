//! Leaving the terminal, without leaving the caller in the dark.
//!
//! ```text
//! caller ── fork ─▶ intermediate ── setsid, fork ─▶ daemon
//!   │                    └─ ends                      │ binds, forks workers, is ready
//!   └──◀─────────────── one message by a pipe ────────┘
//! ```
//!
//! The daemon leads no session, so that no terminal it may open becomes its own. The caller stays until the daemon has
//! said that it is ready, or why it is not, or is gone without a word.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use nix::{
    fcntl::OFlag,
    sys::stat::{Mode, umask},
    unistd::{chdir, pipe2, setsid},
};

use crate::sys::fork::{Fork, exit_now, fork};

use super::{Pid, death, fds, signal, spawn, wait, words};

/// Which process this is, after [`detach`].
#[derive(Debug)]
pub enum Role {
    /// The one that the user started. It waits, tells the user, and ends.
    Caller(Waiting),
    /// The one that serves.
    Daemon(Announce),
}

/// What the caller waits for.
#[derive(Debug)]
pub struct Waiting {
    pipe: File,
    intermediate: Pid,
}

/// How the daemon's start ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It serves, and has this to say.
    Ready(String),
    /// It refused.
    Failed {
        /// The exit code that it asks the caller to end with.
        code: u8,
        /// Why.
        text: String,
    },
    /// It ended without a word: what is known of that, as `was killed by signal 9 (KILL)`.
    Died(String),
}

/// The first byte of a packet: the pid of the daemon follows.
const BORN: u8 = b'B';
/// The line of a daemon that serves follows.
const READY: u8 = b'R';
/// An exit code and a reason follow.
const FAILED: u8 = b'F';

/// The daemon's word to its caller, still to be said. A worker drops its copy, or a caller whose daemon died without a
/// word would go on waiting for the worker's.
#[derive(Debug)]
pub struct Announce {
    pipe: File,
}

/// Makes a daemon of a copy of this process: both return from here.
///
/// The daemon is in a session of its own that it does not lead, in `/`, and with /dev/null as standard input, output
/// and error: what it has to say goes by [`Announce`] or into its log. Standard error too, for the workers
/// that it forks before it is ready would keep it, and `forkd … -d 2>&1 | less` would never end. Relative paths must be
/// made absolute before. The caller becomes the adopter of its descendants, to learn how the daemon ended if it does so
/// before its word; when the caller ends, the daemon passes to the next adopter. daemon(7), setsid(2).
///
/// Files are made with the modes that the caller's umask gives them: what a client uploads is read by those who read the rest
/// of the directory. But nothing is made that everybody may write, or that its owner may not.
///
/// # Errors
/// Those of [`spawn::fork`] and pipe(2), in the caller alone: what fails later comes as a [`Verdict`].
pub fn detach() -> io::Result<Role> {
    // Each write is a packet of its own, so that the caller need not wait for the end of the pipe.
    let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_DIRECT)?;
    // Without it the daemon's exit status goes to another adopter, and the verdict is a little less exact.
    let _ = death::become_subreaper();
    match split()? {
        Fork::Parent(intermediate) => Ok(Role::Caller(Waiting { pipe: read.into(), intermediate })),
        Fork::Child => {
            drop(read);
            become_daemon(Announce { pipe: write.into() })
        }
    }
}

/// The intermediate's short life, and the daemon's first steps.
fn become_daemon(announce: Announce) -> io::Result<Role> {
    let settled = setsid().map_err(io::Error::from).and_then(|_| split());
    match settled {
        Ok(Fork::Parent(_)) => exit_now(0),
        Ok(Fork::Child) => {}
        Err(cause) => announce.give_up("leave the session of the terminal", &cause),
    }
    announce.say(&[&[BORN][..], &Pid::this().as_raw().to_be_bytes()].concat());
    match settle() {
        Ok(()) => Ok(Role::Daemon(announce)),
        Err(cause) => announce.give_up("detach from the terminal", &cause),
    }
}

fn settle() -> io::Result<()> {
    chdir("/")?;
    let callers = umask(Mode::S_IRWXG | Mode::S_IRWXO);
    umask(callers & (Mode::S_IRWXG | Mode::S_IRWXO) | Mode::S_IWOTH);
    fds::detach_stdio()
}

/// A fork that returns twice, for this module alone: caller and daemon both go on where they were.
fn split() -> io::Result<Fork> {
    let mask = spawn::prepare()?;
    let side = fork();
    signal::restore(&mask);
    side
}

impl Announce {
    /// Tells the caller that the daemon serves; the caller prints the line and ends.
    pub fn ready(self, line: &str) {
        self.say(&packet(&[READY], line));
    }

    /// Tells the caller that the daemon refuses, with the exit code that the caller shall end with.
    pub fn failed(self, code: u8, text: &str) {
        self.say(&packet(&[FAILED, code], text));
    }

    /// A caller that is gone needs no word: SIGPIPE is ignored, and so is the error.
    fn say(&self, packet: &[u8]) {
        let _ = (&self.pipe).write_all(packet);
    }

    fn give_up(self, act: &str, cause: &io::Error) -> ! {
        self.failed(1, &format!("cannot {act}: {}", words(cause)));
        exit_now(1)
    }
}

impl Waiting {
    /// Waits until the daemon has said that it is ready, or has ended.
    ///
    /// # Errors
    /// Those of read(2) on a pipe: none that is known.
    pub fn wait(mut self) -> io::Result<Verdict> {
        let mut packet = [0; libc::PIPE_BUF];
        let mut daemon = None;
        let verdict = loop {
            let length = self.pipe.read(&mut packet)?;
            match Packet::parse(&packet[..length]) {
                Packet::Born(pid) => daemon = Some(pid),
                Packet::Verdict(verdict) => break Some(verdict),
                Packet::End => break None,
            }
        };
        // The intermediate ended when it had made the daemon, and so left it to this process.
        let _ = wait::join(self.intermediate);
        Ok(match verdict {
            Some(verdict @ Verdict::Ready(_)) => verdict,
            Some(verdict) => {
                // Whoever is told of the failure may start the next one at once, and must find nothing of this one.
                let _ = daemon.map(wait::join);
                verdict
            }
            None => Verdict::Died(last_seen(daemon)),
        })
    }
}

/// What one read of the pipe gives.
#[derive(Debug, PartialEq, Eq)]
enum Packet {
    /// The daemon exists, with this pid.
    Born(Pid),
    /// The daemon's word.
    Verdict(Verdict),
    /// Nobody is left who could write, or nobody who can be understood.
    End,
}

impl Packet {
    fn parse(packet: &[u8]) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        match packet {
            &[BORN, a, b, c, d] => Self::Born(Pid::from_raw(i32::from_be_bytes([a, b, c, d]))),
            [READY, line @ ..] => Self::Verdict(Verdict::Ready(text(line))),
            [FAILED, code, why @ ..] => Self::Verdict(Verdict::Failed { code: *code, text: text(why) }),
            _ => Self::End,
        }
    }
}

/// A packet with as much of the text as fits.
fn packet(head: &[u8], text: &str) -> Vec<u8> {
    [head, &text.as_bytes()[..text.floor_char_boundary(libc::PIPE_BUF - head.len())]].concat()
}

/// How a daemon ended that left no word.
fn last_seen(daemon: Option<Pid>) -> String {
    match daemon.map(wait::join) {
        Some(Ok(exit)) => exit.status.words(),
        Some(Err(_)) | None => "ended without a word".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_says_one_thing() {
        let ready = Verdict::Ready("forkd: x ready".into());
        let failed = Verdict::Failed { code: 2, text: "cannot listen".into() };
        assert_eq!(Packet::parse(b"Rforkd: x ready"), Packet::Verdict(ready));
        assert_eq!(Packet::parse(b"F\x02cannot listen"), Packet::Verdict(failed));
        assert_eq!(Packet::parse(b"B\0\0\x12\x67"), Packet::Born(Pid::from_raw(4711)));
        for nothing in [&b""[..], b"B", b"B12345", b"F", b"?"] {
            assert_eq!(Packet::parse(nothing), Packet::End);
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_character() {
        let long = packet(&[FAILED, 1], &"僵".repeat(libc::PIPE_BUF));
        assert!((libc::PIPE_BUF - 2..=libc::PIPE_BUF).contains(&long.len()));
        let Packet::Verdict(Verdict::Failed { code: 1, text }) = Packet::parse(&long) else {
            panic!("no verdict")
        };
        assert!(text.chars().all(|character| character == '僵'));
    }
}
