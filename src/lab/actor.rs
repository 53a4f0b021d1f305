//! The processes that act. What they write goes into a file of the stage's; they wait for their cues on standard
//! input, as a learner's program does.

use std::{
    ffi::{CString, OsString},
    fs::File,
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::FileExt},
    },
};

use nix::{
    fcntl::OFlag,
    sys::memfd::{MFdFlags, memfd_create},
    unistd::{dup2_stderr, dup2_stdin, dup2_stdout, execvpe, pipe2},
};

use super::look::Who;
use crate::process::{Pid, signal, spawn};

/// A process of the stage's making, with the lines that lead to it.
#[derive(Debug)]
pub struct Actor {
    /// The process.
    pub who: Who,
    cue: Option<File>,
    output: File,
}

/// An actor's side: where it waits until the stage lets it go on.
#[derive(Debug, Clone, Copy)]
pub struct Cue;

impl Cue {
    /// Sleeps until the stage gives a cue. At the end of the play there are no more cues, and this is an error.
    ///
    /// # Errors
    /// `UnexpectedEof` when the stage has let go of this actor.
    pub fn wait(self) -> io::Result<()> {
        let mut byte = [0];
        loop {
            match nix::unistd::read(io::stdin(), &mut byte) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) if byte == *b"\n" => return Ok(()),
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
    }
}

/// What an actor that failed ends with.
const FAILED: i32 = 111;

impl Actor {
    /// Forks an actor that runs `body`, and ends with code 0 when it returns.
    ///
    /// # Errors
    /// Those of fork(2) and of making its lines.
    pub fn play(letter: char, body: impl FnOnce(Cue) -> io::Result<()>) -> io::Result<Self> {
        Self::make(letter, || match body(Cue) {
            Ok(()) => 0,
            Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(cause) => {
                let _ = writeln!(io::stderr(), "actor {letter}: {cause}");
                FAILED
            }
        })
    }

    /// Forks a process that becomes this program.
    ///
    /// # Errors
    /// Those of fork(2) and of making its lines; a program that cannot be run ends with code 127.
    pub fn exec(letter: char, words: &[OsString]) -> io::Result<Self> {
        let words: Vec<_> =
            words.iter().map(|word| CString::new(word.as_bytes())).collect::<Result<_, _>>()?;
        // These take the buffers away that experiments are about.
        let unbuffered = |name: &OsString| name == "PYTHONUNBUFFERED" || name == "_STDBUF_O";
        let environment: Vec<_> = std::env::vars_os()
            .filter(|(name, _)| !unbuffered(name))
            .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
            .collect::<Result<_, _>>()?;
        let program = words.first().ok_or(io::ErrorKind::InvalidInput)?.clone();
        Self::make(letter, || {
            let Err(cause) = execvpe(&program, &words, &environment);
            let _ = writeln!(io::stderr(), "cannot run {}: {cause}", program.to_string_lossy());
            127
        })
    }

    fn make(letter: char, body: impl FnOnce() -> i32) -> io::Result<Self> {
        let (cued, cue) = pipe2(OFlag::O_CLOEXEC)?;
        // A file, so that whoever buffers does it as in a pipeline, and nobody blocks because nobody reads.
        let output = File::from(memfd_create(c"lab-output", MFdFlags::MFD_CLOEXEC)?);
        let mut line = Some(cue);
        let pid = spawn::fork(|| {
            // Its own copy of the write end would keep it from noticing that the stage is gone.
            drop(line.take());
            dress(&cued, &output, letter).map_or(FAILED, |()| body())
        })?;
        Ok(Self { who: Who::of(letter, pid), cue: line.map(File::from), output })
    }

    /// Lets it go on from where it waits.
    ///
    /// # Errors
    /// `EPIPE` when it is gone.
    pub fn cue(&mut self) -> io::Result<()> {
        self.cue.as_mut().map_or(Ok(()), |cue| cue.write_all(b"\n"))
    }

    /// Lets go of it: no more cues.
    pub fn release(&mut self) {
        self.cue = None;
    }

    /// What it and its children have written so far.
    pub fn output(&self) -> String {
        written(&self.output)
    }

    /// The file that it writes to.
    ///
    /// # Errors
    /// `EMFILE` when no descriptor is left.
    pub fn file(&self) -> io::Result<File> {
        self.output.try_clone()
    }

    /// Its number.
    pub fn pid(&self) -> Pid {
        self.who.pid
    }
}

/// What each actor does first: its lines, default signals, its name.
fn dress(cued: &OwnedFd, output: &impl AsFd, letter: char) -> io::Result<()> {
    dup2_stdin(cued)?;
    dup2_stdout(output)?;
    dup2_stderr(output)?;
    // Rust ignores SIGPIPE before `main`, which would hide how a writer dies.
    crate::sys::signal::restore_default(libc::SIGPIPE)?;
    signal::unblock_all();
    crate::sys::title::set_comm(&format!("lab-{letter}"))
}

/// What stands in a file that actors write to, at most so much as a reader wants to see.
pub fn written(output: &File) -> String {
    let mut bytes = vec![0; 64 * 1024];
    let read = output.read_at(&mut bytes, 0).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..read]).into_owned()
}

/// What an actor does that only computes: it never waits, and never ends by itself.
///
/// # Errors
/// None; it is shaped as the other bodies of actors.
pub fn spin() -> io::Result<()> {
    loop {
        std::hint::spin_loop();
    }
}
