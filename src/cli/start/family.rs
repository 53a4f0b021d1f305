//! Several masters under one process in the foreground: it passes their lines and their signals on, and ends when the
//! last of them has.

use std::{
    ffi::{CString, OsString},
    fs::File,
    io::{self, Read},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::Path,
    process::ExitCode,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{dup2_stdout, execv, pipe2},
};

use crate::{
    Error, Result,
    cli::out,
    ipc::control::REQUESTS,
    process::{
        Pid, death,
        exit::ExitStatus,
        signal::{self, Sender, Signals},
        spawn, wait,
    },
};

/// A master that was started.
struct Member {
    name: String,
    pid: Pid,
    /// Its standard output, until it closes it.
    lines: Option<File>,
    /// It has said that it is ready.
    ready: bool,
    status: Option<ExitStatus>,
}

/// Starts these servers and stays until all of them are gone. One that ends before all are ready ends the others; one
/// that ends later is told of, and the others serve on.
pub fn raise(program: &Path, servers: Vec<(String, Vec<OsString>)>) -> Result<ExitCode> {
    let mut caught = vec![libc::SIGCHLD, libc::SIGUSR2];
    caught.extend(REQUESTS.iter().filter_map(|entry| Some(entry.signal? as i32)));
    let mut signals = Signals::new(&caught).map_err(|cause| Error::system("listen for signals", cause))?;
    let mut family = Family { members: Vec::new(), failure: None };
    for (name, words) in servers {
        let started = begin(program, &words);
        let (pid, lines) = started.map_err(|cause| {
            family.send(libc::SIGTERM);
            Error::system(format!("start {name}"), cause)
        })?;
        family.members.push(Member { name, pid, lines: Some(lines), ready: false, status: None });
    }
    while family.is_alive() {
        family.wait(&mut signals)?;
    }
    Ok(ExitCode::from(family.failure.unwrap_or(0)))
}

/// Forks a master, with its standard output in our hands.
fn begin(program: &Path, words: &[OsString]) -> io::Result<(Pid, File)> {
    let text = |text: &std::ffi::OsStr| CString::new(text.as_bytes()).map_err(io::Error::other);
    let program = text(program.as_os_str())?;
    let words: Vec<_> = [Ok(c"forkd".to_owned())]
        .into_iter()
        .chain(words.iter().map(|word| text(word)))
        .collect::<io::Result<_>>()?;
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    let parent = Pid::this();
    let pid = spawn::fork(|| {
        // It drains when this process is gone, however that came.
        if dup2_stdout(&write).is_err() || !death::bind_to_parent(parent) {
            return 1;
        }
        signal::unblock_all();
        match execv(&program, &words) {
            Ok(never) => match never {},
            Err(_) => 127,
        }
    })?;
    Ok((pid, read.into()))
}

struct Family {
    members: Vec<Member>,
    /// The exit code of the first that failed.
    failure: Option<u8>,
}

impl Family {
    fn is_alive(&self) -> bool {
        self.members.iter().any(|member| member.status.is_none() || member.lines.is_some())
    }

    fn wait(&mut self, signals: &mut Signals) -> Result<()> {
        let mut fds = vec![PollFd::new(signals.fd(), PollFlags::POLLIN)];
        let lines = self.members.iter().filter_map(|member| member.lines.as_ref());
        fds.extend(lines.map(|lines| PollFd::new(lines.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(cause) => return Err(Error::system("wait for the servers", cause)),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let talking = self.members.iter_mut().filter(|member| member.lines.is_some());
        for (member, _) in talking.zip(&ready[1..]).filter(|(_, ready)| **ready) {
            member.pass_on();
        }
        for caught in signals.pending() {
            // The kernel's own, as at Ctrl-C, reach every process of the terminal.
            if caught.signal != libc::SIGCHLD && matches!(caught.sender, Sender::Process { .. }) {
                self.send(caught.signal);
            }
        }
        self.reap();
        Ok(())
    }

    fn send(&self, signal: i32) {
        for member in self.members.iter().filter(|member| member.status.is_none()) {
            // It is not reaped yet, so the number is still its.
            let _ = signal::send(member.pid, signal);
        }
    }

    fn reap(&mut self) {
        let starting = !self.members.iter().all(|member| member.ready);
        let living = self.members.iter_mut().filter(|member| member.status.is_none());
        let mut failed = false;
        for member in living {
            let Ok(Some(exit)) = wait::reap(member.pid) else { continue };
            member.status = Some(exit.status);
            if exit.status == ExitStatus::Exited(0) {
                continue;
            }
            let code = if let ExitStatus::Exited(code) = exit.status { code } else { 1 };
            self.failure.get_or_insert(u8::try_from(code).unwrap_or(1));
            failed = true;
            out::complain(&format!("{} {}", member.name, exit.status.words()));
        }
        if failed && starting {
            self.send(libc::SIGTERM);
        }
    }
}

impl Member {
    /// Passes what it says on. A line of it is one write, and far shorter than a pipe's room.
    fn pass_on(&mut self) {
        let mut text = [0; 4096];
        let read = self.lines.as_mut().map_or(Ok(0), |lines| lines.read(&mut text));
        match read {
            Ok(0) | Err(_) => self.lines = None,
            Ok(count) => {
                self.ready = true;
                // A reader that went away does not want the line.
                let _ = out::print(&text[..count]);
            }
        }
    }
}
