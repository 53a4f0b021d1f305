//! A program made ready to be started as often as is wanted: found, and in the strings that exec takes.

use std::{
    env,
    ffi::{CStr, CString, OsStr, OsString},
    fs, io,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use nix::errno::Errno;

use super::{Program, ProgramError, find, find::below};
use crate::{
    process::{Pid, limits, privilege::Confinement, signal, spawn},
    sys::vfork::{self, Exec, Step},
};

/// Variables that are about this process, or about another one's child: a program gets its own or none.
const NOT_INHERITED: [&str; 6] =
    ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// A program that was found.
#[derive(Debug)]
pub struct Image<'a> {
    word: String,
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: Option<CString>,
    confinement: Option<&'a Confinement>,
}

/// What one process of a program is born with.
#[derive(Debug)]
pub struct Birth<'a> {
    /// Its standard input, output and error.
    pub stdio: [BorrowedFd<'a>; 3],
    /// The sockets from descriptor 3 on, with the names that they have for it.
    pub sockets: Vec<(BorrowedFd<'a>, String)>,
    /// More variables.
    pub environment: Vec<(&'a str, String)>,
}

/// Finds the program and looks at its directory, as a process with this root would.
pub(super) fn look(program: &Program, root: Option<&Path>) -> Result<PathBuf, ProgramError> {
    let file = find(&program.file, root)?;
    if let Some(directory) = &program.directory {
        let word = program.file.to_string_lossy();
        enterable(&below(root, directory))
            .map_err(|cause| ProgramError::new(format!("{word} in {}", directory.display()), cause))?;
    }
    Ok(file)
}

impl<'a> Image<'a> {
    /// Finds the program and makes the strings. Its processes are born into the confinement, and its paths are those in
    /// there.
    ///
    /// # Errors
    /// When the file is not found or cannot be executed, when its directory is none, or when a string has a NUL.
    pub fn new(program: &Program, confinement: Option<&'a Confinement>) -> Result<Self, ProgramError> {
        let word = program.file.to_string_lossy().into_owned();
        let file = look(program, confinement.and_then(Confinement::root))?;
        let fault = |cause| ProgramError::new(word.clone(), cause);
        let words = std::iter::once(&program.file).chain(&program.arguments);
        Ok(Self {
            path: string(file.as_os_str()).map_err(fault)?,
            arguments: words.map(|word| string(word)).collect::<io::Result<_>>().map_err(fault)?,
            environment: inherited(&program.environment, confinement).map_err(fault)?,
            confinement,
            directory: program
                .directory
                .as_deref()
                .map(|path| string(path.as_os_str()))
                .transpose()
                .map_err(fault)?,
            word,
        })
    }

    /// Starts one process of it, in a process group of its own; it runs when this returns. clone(2), execve(2).
    ///
    /// It has its standard streams and its sockets and no other descriptor, default signals and none blocked, the
    /// limit on descriptors that this process was started with, and TERM at this process's death.
    ///
    /// # Errors
    /// What kept it from running; there is no child then.
    pub fn start(&self, birth: &Birth<'_>) -> Result<Pid, ProgramError> {
        let fault = |cause| ProgramError::new(self.word.clone(), cause);
        let environment = self.environment_of(birth).map_err(fault)?;
        let sockets = birth.sockets.iter().map(|(socket, _)| *socket);
        let descriptors: Vec<_> = birth.stdio.into_iter().chain(sockets).collect();
        let descent = self.confinement.map(Confinement::descent).transpose().map_err(fault)?;
        let own_limit = self.confinement.is_some_and(Confinement::limits_descriptors);
        let mask = spawn::prepare().map_err(fault)?;
        let started = vfork::spawn(&Exec {
            path: &self.path,
            arguments: &self.arguments,
            environment: &environment,
            pid_variable: (!birth.sockets.is_empty()).then_some(c"LISTEN_PID"),
            directory: self.directory.as_deref(),
            descriptors: &descriptors,
            most_descriptors: limits::descriptors_at_start().filter(|_| !own_limit),
            descent: descent.as_ref(),
            parent: Pid::this(),
        });
        signal::restore(&mask);
        started.map_err(|failure| ProgramError::new(self.blame(failure.step), failure.cause))
    }

    /// What to name when a step fails.
    fn blame(&self, step: Step) -> String {
        match (step, &self.directory) {
            (Step::Directory, Some(directory)) => format!("{} in {}", self.word, lossy(directory)),
            (Step::Descent(step), _) => format!("{}: cannot {step}", self.word),
            (Step::Clone | Step::Descriptors | Step::Directory | Step::Exec, _) => self.word.clone(),
        }
    }

    fn environment_of(&self, birth: &Birth<'_>) -> io::Result<Vec<CString>> {
        let mut environment = self.environment.clone();
        let mut add = |name: &str, value: &str| -> io::Result<()> {
            environment.push(string(OsStr::new(&format!("{name}={value}")))?);
            Ok(())
        };
        if !birth.sockets.is_empty() {
            let names: Vec<_> = birth.sockets.iter().map(|(_, name)| name.as_str()).collect();
            add("LISTEN_FDS", &names.len().to_string())?;
            add("LISTEN_FDNAMES", &names.join(":"))?;
        }
        birth.environment.iter().try_for_each(|(name, value)| add(name, value))?;
        Ok(environment)
    }
}

/// This process's environment without what is not a program's to inherit, and with `more`, which wins.
fn inherited(more: &[(OsString, OsString)], confinement: Option<&Confinement>) -> io::Result<Vec<CString>> {
    let whose = confinement.map(Confinement::environment).unwrap_or_default();
    let whose = whose.into_iter().map(|(name, value)| (name.into(), value.into()));
    let more: Vec<(OsString, OsString)> = whose.chain(more.iter().cloned()).collect();
    let is_kept = |name: &OsStr| {
        !NOT_INHERITED.iter().any(|other| *other == name) && !more.iter().any(|(other, _)| other == name)
    };
    let kept = env::vars_os().filter(|(name, _)| is_kept(name));
    // Of several values for one name the last one counts.
    let counts = |at: usize| !more[at + 1..].iter().any(|(other, _)| *other == more[at].0);
    let own = more.iter().enumerate().filter(|(at, _)| counts(*at)).map(|(_, pair)| pair.clone());
    kept.chain(own).map(|(name, value)| string(&[name, value].join(OsStr::new("=")))).collect()
}

fn string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| Errno::EINVAL.into())
}

fn lossy(text: &CStr) -> std::borrow::Cow<'_, str> {
    text.to_string_lossy()
}

fn enterable(directory: &Path) -> io::Result<()> {
    if fs::metadata(directory)?.is_dir() { Ok(()) } else { Err(Errno::ENOTDIR.into()) }
}
