//! The trial child of a new program, as its master sees it: what it answered, and how it ended.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::PathBuf,
};

use super::VERSION;
use crate::{
    master::event::Event,
    process::{Pid, exit::ExitStatus, image::Image, signal, wait},
};

/// The most that is read of an answer.
const LONGEST_ANSWER: u64 = 16 * 1024;

/// See the module. From the fork until the trial was reaped, and if it passed until this process becomes the program.
#[derive(Debug)]
pub struct Trial {
    /// Where the program was found.
    pub path: PathBuf,
    /// The program itself.
    pub image: Image,
    /// The process, until it was reaped.
    pid: Option<Pid>,
    /// What it answers, which never blocks.
    answer: File,
}

impl Trial {
    /// A trial that has just been forked.
    pub fn new(path: PathBuf, image: Image, pid: Pid, answer: OwnedFd) -> Self {
        Self { path, image, pid: Some(pid), answer: answer.into() }
    }

    /// Its process, until it was reaped.
    pub fn pid(&self) -> Option<Pid> {
        self.pid
    }

    /// Kills it and what it left in its group. It is not reaped yet, so the group is still its.
    pub fn kill(&self) {
        if let Some(pid) = self.pid {
            let _ = signal::send_group(pid, libc::SIGKILL).or_else(|_| signal::send(pid, libc::SIGKILL));
        }
    }

    /// Kills it and waits for its end.
    pub fn end(&mut self) {
        self.kill();
        let _ = self.pid.take().map(wait::join);
    }

    /// Reaps it if it has ended, and says what it came to.
    pub fn reap(&mut self) -> Option<Event> {
        let exit = wait::reap(self.pid?).ok()??;
        self.pid = None;
        Some(Event::Tried { result: self.verdict(exit.status) })
    }

    fn verdict(&self, status: ExitStatus) -> Result<(), String> {
        let path = self.path.display();
        match self.answer().split_once(' ') {
            Some(("failed", why)) => Err(why.trim_end().to_owned()),
            Some(("ready", version)) if status == ExitStatus::Exited(0) => match version.trim_end().parse() {
                Ok(version) if version >= VERSION => Ok(()),
                Ok(version) => Err(older(&path, version)),
                Err(_) => Err(format!("{path} answered {version:?}, which is no version")),
            },
            Some(_) | None => {
                Err(format!("{path} {} without an answer (is it a forkd server?)", status.words()))
            }
        }
    }

    fn answer(&self) -> String {
        let mut answer = Vec::new();
        match (&self.answer).take(LONGEST_ANSWER).read_to_end(&mut answer) {
            // Whoever else holds the pipe may keep it open: what there is was said before the end.
            Ok(_) | Err(_) => String::from_utf8_lossy(&answer).into_owned(),
        }
    }
}

fn older(path: impl std::fmt::Display, version: u32) -> String {
    format!(
        "{path} is too old: it takes over state version {version}, this master has {VERSION} (take a newer binary)"
    )
}

/// A pipe whose reader never waits.
///
/// # Errors
/// `EMFILE` when no descriptor is left.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&read, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, write))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn verdict(answer: &str, status: ExitStatus) -> Result<(), String> {
        let (read, write) = pipe().unwrap();
        File::from(write).write_all(answer.as_bytes()).unwrap();
        let image = Image::running().unwrap();
        Trial::new("/new".into(), image, Pid::from_raw(1), read).verdict(status)
    }

    #[test]
    fn only_a_clear_answer_and_a_clean_end_pass() {
        let done = ExitStatus::Exited(0);
        assert_eq!(verdict(&format!("ready {VERSION}\n"), done), Ok(()));
        assert_eq!(verdict(&format!("ready {}", VERSION + 1), done), Ok(()));
        assert!(verdict("ready 0", done).unwrap_err().contains("too old"));
        assert!(verdict("ready soon", done).unwrap_err().contains("no version"));
        assert!(verdict("", done).unwrap_err().contains("exited with code 0 without an answer"));
        assert!(verdict("ready 1", ExitStatus::Exited(3)).unwrap_err().contains("exited with code 3"));
        assert_eq!(verdict("failed cannot open /x", ExitStatus::Exited(1)), Err("cannot open /x".into()));
    }
}
