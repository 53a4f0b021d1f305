//! Keeping workers to what they need: some files and ports by Landlock, some system calls by seccomp.
//!
//! Privileges say who a process is; this says what it may do, whoever it is. It needs no root, holds for whatever the
//! process becomes, and is never taken back. landlock(7), seccomp(2).
//!
//! What is open already stays open: a log, a socket, a store. So a worker that has opened what it works with needs the
//! paths of nothing but the files that it serves.

mod calls;

use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, Scope,
};

use nix::{
    errno::Errno,
    sched::{CloneFlags, unshare},
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

use self::calls::Purpose;
use crate::sys::probe;

/// What workers are kept to.
///
/// ```
/// use forkd::Sandbox;
///
/// // A handler that reads templates, writes into one directory, and asks a database.
/// let sandbox = Sandbox::new().read("/srv/templates").write("/var/lib/app").connect(5432);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    reads: Vec<PathBuf>,
    writes: Vec<PathBuf>,
    runs: Vec<PathBuf>,
    ports: Vec<u16>,
    calls: Calls,
}

/// Which system calls there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Calls {
    /// Those that a session of ours needs.
    Needed,
    /// All but those that reach into other processes or the kernel.
    AllButDangerous,
}

/// Of all that Landlock may one day forbid, what this code knows. A kernel that knows less forbids less.
const KNOWN: ABI = ABI::V6;

/// Where programs and what they load stand.
const SYSTEM: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt"];

/// What most programs read when they start. Not among them is what is secret there.
const SURROUNDINGS: [&str; 22] = [
    "/proc",
    "/sys/devices/system/cpu",
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/group",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.preload",
    "/etc/locale.alias",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/protocols",
    "/etc/resolv.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/timezone",
    "/etc/python3",
];

/// The devices that are no hardware.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];

impl Sandbox {
    /// No files, no ports, and all system calls but those that reach into other processes or into the kernel.
    pub fn new() -> Self {
        Self {
            reads: Vec::new(),
            writes: Vec::new(),
            runs: Vec::new(),
            ports: Vec::new(),
            calls: Calls::AllButDangerous,
        }
    }

    /// Also without the calls that a session does not need: no new socket, no other program, no thread; and without those for
    /// files where no path may be read. Code that does nothing but answer can do without all of these.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.calls = Calls::Needed;
        self
    }

    /// Files that may be read, and what is below directories.
    #[must_use]
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.reads.push(path.into());
        self
    }

    /// Files that may be read, written, made and removed, and what is below directories.
    #[must_use]
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.writes.push(path.into());
        self
    }

    /// A TCP port to which connections may be made, wherever it is.
    #[must_use]
    pub fn connect(mut self, port: u16) -> Self {
        self.ports.push(port);
        self
    }

    /// Also what a program needs to start: the system's programs and libraries, and what they read about the machine.
    #[must_use]
    pub(crate) fn for_program(mut self, file: &Path, directory: Option<&Path>) -> Self {
        self.runs.extend(SYSTEM.iter().map(PathBuf::from));
        self.runs.push(file.to_owned());
        self.runs.extend(directory.map(Path::to_owned));
        self.reads.extend(SURROUNDINGS.iter().map(PathBuf::from));
        self.calls = Calls::AllButDangerous;
        self
    }

    /// What of it this kernel cannot do, in words.
    ///
    /// # Errors
    /// When it can do nothing of it.
    pub fn gaps(&self) -> Result<Vec<String>, &'static str> {
        let (version, calls) = (probe::landlock().ok(), probe::seccomp() && self.filters(false).is_some());
        let mut gaps = Vec::new();
        match (version, calls) {
            (None, false) => return Err("this kernel has neither Landlock nor seccomp"),
            (None, true) => {
                gaps.push("no Landlock here: files and ports are not kept from workers, system calls are");
            }
            (Some(version), _) if version < 4 => {
                gaps.push("Landlock is older than 4 here: TCP ports are not kept from workers by it");
            }
            (Some(_), _) => {}
        }
        if !calls {
            gaps.push("no seccomp here: system calls are not kept from workers, files are");
        }
        Ok(gaps.into_iter().map(str::to_owned).collect())
    }

    /// The rules for files and ports, if the kernel has any. Paths that are not there are left out.
    ///
    /// # Errors
    /// Those of landlock_create_ruleset(2).
    pub(super) fn ruleset(&self) -> io::Result<Option<OwnedFd>> {
        let scopes = match self.calls {
            // A program says that it is ready to a socket of its master's.
            Calls::AllButDangerous => Scope::Signal.into(),
            Calls::Needed => BitFlags::from(Scope::Signal) | Scope::AbstractUnixSocket,
        };
        let rules = Ruleset::default()
            .handle_access(AccessFs::from_all(KNOWN))
            .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
            .and_then(|rules| rules.scope(scopes))
            .and_then(Ruleset::create)
            .map_err(io::Error::other)?;
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let write = read | AccessFs::from_write(KNOWN) & !(AccessFs::MakeChar | AccessFs::MakeBlock);
        let rules = allow(rules, &self.reads, read)?;
        let rules = allow(rules, &self.writes, write)?;
        let rules = allow(rules, &self.runs, read | AccessFs::Execute)?;
        let devices = self.runs.first().map(|_| DEVICES).unwrap_or_default();
        let mut rules = allow(rules, &devices, AccessFs::ReadFile | AccessFs::WriteFile)?;
        for port in &self.ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(io::Error::other)?;
        }
        Ok(rules.into())
    }

    /// The programs that look at each system call; none on a machine for which none can be made.
    pub(super) fn filters(&self, forks: bool) -> Option<Vec<Vec<libc::sock_filter>>> {
        let changes = !self.writes.is_empty();
        let reads = changes || !self.reads.is_empty();
        let programs = match self.calls {
            Calls::Needed => calls::needed(Purpose { reads, changes, forks }),
            Calls::AllButDangerous => calls::all_but_dangerous(),
        };
        let raw = |program: seccompiler::BpfProgram| {
            let steps = program.into_iter();
            steps
                .map(|step| libc::sock_filter { code: step.code, jt: step.jt, jf: step.jf, k: step.k })
                .collect()
        };
        Some(programs?.into_iter().map(raw).collect())
    }

    /// Tries to look into the directory above all others, which is `root` as it is seen from outside: behind the rules for
    /// files, and before any filter of calls, which would refuse it for another reason.
    ///
    /// # Errors
    /// When that succeeds though it is kept from it.
    pub(super) fn prove_files(&self, root: &Path) -> io::Result<()> {
        let open = self.reads.iter().chain(&self.writes).any(|path| root.starts_with(path));
        if open || std::fs::read_dir("/").is_err() {
            return Ok(());
        }
        Err(io::Error::other("cannot keep to some files: all others can be read"))
    }

    /// Tries system calls that it must not have any more, in ways that change nothing where they succeed: to leave no
    /// namespace, and, where a session needs no new socket, to make one.
    ///
    /// # Errors
    /// When one of them succeeds.
    pub(super) fn prove_calls(&self) -> io::Result<()> {
        let left = unshare(CloneFlags::empty());
        let made = match self.calls {
            Calls::Needed => {
                socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).map(drop)
            }
            Calls::AllButDangerous => Err(Errno::EPERM),
        };
        if (left, made) == (Err(Errno::EPERM), Err(Errno::EPERM)) {
            return Ok(());
        }
        Err(io::Error::other("cannot keep to some system calls: unshare(2) or socket(2) is answered still"))
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Adds these paths with these rights; of a file those that a file can have. What is not there cannot be opened later either.
fn allow(
    mut rules: RulesetCreated,
    paths: &[impl AsRef<Path>],
    rights: BitFlags<AccessFs>,
) -> io::Result<RulesetCreated> {
    for path in paths {
        let Ok(place) = PathFd::new(path) else { continue };
        let is_directory = path.as_ref().is_dir();
        let rights = if is_directory { rights } else { rights & AccessFs::from_file(KNOWN) };
        rules = rules.add_rule(PathBeneath::new(place, rights)).map_err(io::Error::other)?;
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_can_be_made_of_paths_that_are_not_there() {
        let sandbox = Sandbox::new().read("/nowhere").write("/tmp").connect(5432);
        assert_eq!(sandbox.ruleset().unwrap().is_some(), probe::landlock().is_ok());
        assert!(sandbox.strict().filters(true).is_some());
    }
}
