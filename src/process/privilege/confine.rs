//! A worker enters its confinement, or a program is born into it.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

use nix::{
    fcntl::{OFlag, open, openat},
    sys::stat::{Mode, fstat},
};

use super::{Account, Confinement, Master, words};
#[cfg(feature = "sandbox")]
use crate::{process::sandbox::Sandbox, sys::probe};
use crate::{
    process::{Pid, death, spawn},
    sys::descent::{Descent, Groups},
};

/// A ruleset of Landlock, and programs for seccomp(2).
type Fences = (Option<OwnedFd>, Vec<Vec<libc::sock_filter>>);

/// How a directory is opened on the way up.
const STEP: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// So many directories above each other are a circle.
const DEEPEST: usize = 4096;

impl Confinement {
    /// Whether there is nothing to give up.
    pub fn is_none(&self) -> bool {
        let kept = Self { serves: self.serves.clone(), forks: self.forks, ..Self::default() };
        // What the master has become its workers are born as.
        *self == Self { account: self.account.clone().filter(|_| self.drops()), master: self.master, ..kept }
    }

    /// Enters it, for good; `parent` is the process whose death this one must hear of.
    ///
    /// The descriptors that this process has stay open. Changing the user has taken back the request for a signal at the
    /// parent's death, so it is made again, and looked whether the parent has died meanwhile. prctl(2).
    ///
    /// # Errors
    /// When something cannot be given up, or could be had back. The process must end then.
    pub fn enter(&self, parent: Pid) -> io::Result<()> {
        if self.is_none() {
            return Ok(());
        }
        // Each of these calls changes one thread; the others would keep what this one gives up.
        spawn::single_threaded().map_err(|threads| {
            io::Error::other(format!("cannot give up privileges: {threads} (start threads once it is ready)"))
        })?;
        let served = self.serves.iter().map(|path| look_at(path)).collect::<io::Result<Vec<_>>>()?;
        let descent = self.descent()?;
        if let Some(root) = &self.root {
            nothing_leads_out(root)?;
        }
        descent.descend()?;
        if !death::bind_to_parent(parent) {
            return Err(io::Error::other("the master is gone"));
        }
        descent.fence_files()?;
        #[cfg(feature = "sandbox")]
        if let Some(sandbox) = self.sandbox.as_ref().filter(|_| descent.ruleset.is_some()) {
            sandbox.prove_files(self.root.as_deref().unwrap_or(Path::new("/")))?;
        }
        descent.fence_calls()?;
        #[cfg(feature = "sandbox")]
        self.sandbox.as_ref().filter(|_| !descent.filters.is_empty()).map_or(Ok(()), Sandbox::prove_calls)?;
        self.serves.iter().zip(&served).try_for_each(|(path, directory)| self.can_read(path, directory))
    }

    /// Has the master become the user of its workers, for good, once it has what takes root: from here on it can open what
    /// that user may. It goes on hearing of its parent's death, if it did.
    ///
    /// # Errors
    /// When something cannot be given up, or could be had back. The process must end then.
    pub fn drop_master(&self) -> io::Result<()> {
        spawn::single_threaded().map_err(|threads| {
            io::Error::other(format!("cannot give up privileges: {threads} (start threads in the workers)"))
        })?;
        let account = self.account.as_ref().filter(|_| self.drops());
        let groups = account.map(|account| Groups::new(account.groups.clone()));
        let descent =
            Descent { groups, user: account.and_then(|account| account.user), ..Descent::default() };
        death::still_bound(|| Ok(descent.descend()?))
    }

    /// Whether the master becomes the user of its workers.
    fn drops(&self) -> bool {
        self.master == Master::Drops
    }

    /// Whom the master becomes, if it does; it may be that one already.
    pub fn master(&self) -> Option<&Account> {
        self.account.as_ref().filter(|_| self.drops())
    }

    /// What it means for the kernel.
    ///
    /// # Errors
    /// For a path that no system call can take.
    pub fn descent(&self) -> io::Result<Descent> {
        let root = self.root.as_ref().map(|root| CString::new(root.as_os_str().as_bytes())).transpose()?;
        let account = self.account.as_ref().filter(|_| !self.drops());
        let (ruleset, filters) = self.fences()?;
        Ok(Descent {
            limits: self.limits.iter().map(|limit| limit.raw()).collect(),
            root,
            groups: account.map(|account| Groups::new(account.groups.clone())),
            user: account.and_then(|account| account.user),
            ruleset,
            filters,
        })
    }

    /// What Landlock and seccomp are told, as far as there are any here.
    #[cfg(feature = "sandbox")]
    fn fences(&self) -> io::Result<Fences> {
        let Some(sandbox) = &self.sandbox else { return Ok((None, Vec::new())) };
        let filters = sandbox.filters(self.forks).filter(|_| probe::seccomp());
        Ok((sandbox.ruleset()?, filters.unwrap_or_default()))
    }

    #[cfg(not(feature = "sandbox"))]
    fn fences(&self) -> io::Result<Fences> {
        Ok((None, Vec::new()))
    }

    /// What this kernel cannot keep from workers of what it should, in words.
    #[cfg(feature = "sandbox")]
    pub fn gaps(&self) -> Vec<String> {
        self.sandbox.as_ref().and_then(|sandbox| sandbox.gaps().ok()).unwrap_or_default()
    }

    /// The directory that is `/` in it.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// Whether who enters it may write what has this owner, group and mode. Root may everything, and is not asked here.
    pub fn may_write(&self, owner: u32, group: u32, mode: u32) -> bool {
        let Some(account) = &self.account else { return false };
        match account.user {
            None | Some(0) => false,
            Some(user) if user == owner => mode & 0o200 != 0,
            Some(_) if account.groups.contains(&group) => mode & 0o020 != 0,
            Some(_) => mode & 0o002 != 0,
        }
    }

    /// Whether it sets the limit on descriptors.
    pub fn limits_descriptors(&self) -> bool {
        self.limits.iter().any(|limit| limit.is_on_descriptors())
    }

    /// The variables by which a program finds out whose it is. environ(7).
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let Some(account) = self.account.as_ref().filter(|account| account.user.is_some()) else {
            return Vec::new();
        };
        let home = account.home.as_ref().map(|home| ("HOME", home.to_string_lossy().into_owned()));
        let name = account.name.clone();
        [("USER", name.clone()), ("LOGNAME", name)].into_iter().chain(home).collect()
    }

    /// Whether what is served may be read by who this process has become.
    fn can_read(&self, path: &Path, directory: &OwnedFd) -> io::Result<()> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(directory, ".", flags, Mode::empty()).map(drop).map_err(|cause| {
            let who = self.account.as_ref().map_or_else(String::new, |who| format!(" as {}", who.name));
            let text = format!("cannot read {}{who}: {}", path.display(), cause.desc());
            io::Error::new(io::Error::from(cause).kind(), text)
        })
    }
}

/// A directory by a descriptor that is good for looking at it.
fn look_at(path: &Path) -> io::Result<OwnedFd> {
    open(path, STEP, Mode::empty()).map_err(|cause| {
        let cause = io::Error::from(cause);
        io::Error::new(cause.kind(), format!("cannot look at {}: {}", path.display(), words(&cause)))
    })
}

/// Says whether a process with this root could leave it by a directory that it has open. chroot(2) closes none: by
/// fchdir(2) and `..` each leads to the root above it.
fn nothing_leads_out(root: &Path) -> io::Result<()> {
    let root_at = place(look_at(root)?.as_fd())?;
    // All of the list before any of it: the list itself is a directory that is open for as long as it is read.
    let names = fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    for name in names.collect::<io::Result<Vec<_>>>()? {
        let number = name.to_string_lossy().into_owned();
        let Some(directory) = directory(&number) else { continue };
        if !is_below(directory, root_at)? {
            let text = format!("cannot enter the root {}: descriptor {number} leads out", root.display());
            return Err(io::Error::other(format!("{text} (close that directory before it is ready)")));
        }
    }
    Ok(())
}

/// The directory that this descriptor of ours is, if it is one, by a descriptor of its own.
fn directory(number: &str) -> Option<OwnedFd> {
    open(format!("/proc/self/fd/{number}").as_str(), STEP, Mode::empty()).ok()
}

/// Whether a directory is this one, or somewhere in it.
fn is_below(mut directory: OwnedFd, root: (u64, u64)) -> io::Result<bool> {
    for _ in 0..DEEPEST {
        let here = place(directory.as_fd())?;
        if here == root {
            return Ok(true);
        }
        directory = openat(&directory, "..", STEP, Mode::empty())?;
        if place(directory.as_fd())? == here {
            return Ok(false);
        }
    }
    Ok(false)
}

/// Which directory it is.
fn place(directory: BorrowedFd<'_>) -> io::Result<(u64, u64)> {
    let stat = fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_below_itself_and_those_above_it() {
        let outer = tempfile::tempdir().unwrap();
        let (inner, beside) = (outer.path().join("a/b"), outer.path().join("c"));
        fs::create_dir_all(&inner).unwrap();
        fs::create_dir(&beside).unwrap();
        let at = |path: &Path| look_at(path).unwrap();
        let outer_at = place(at(outer.path()).as_fd()).unwrap();
        assert!(is_below(at(outer.path()), outer_at).unwrap());
        assert!(is_below(at(&inner), outer_at).unwrap());
        assert!(!is_below(at(outer.path()), place(at(&inner).as_fd()).unwrap()).unwrap());
        assert!(!is_below(at(&beside), place(at(&inner).as_fd()).unwrap()).unwrap());
    }

    #[test]
    fn to_give_up_nothing_takes_nothing() {
        assert!(Confinement::default().is_none());
        assert!(Confinement { serves: vec!["/srv".into()], ..Confinement::default() }.is_none());
        Confinement::default().enter(Pid::this()).unwrap();
    }
}
