//! What workers give up before they serve: root, other groups, the rest of the file tree.
//!
//! [`Privileges`] is what was asked for, in words. The master makes a [`Confinement`] of it, before each generation: names
//! are looked up there, where the libraries that know them can still be loaded and their files be read. A worker first
//! opens what it needs as the master is (its directory, its logs, its store); then it enters the confinement, finds
//! itself unable to leave it, and only then says that it is ready.
//!
//! With [`Master::Drops`] it is the master that becomes the user, once it has its addresses and logs; its workers are born so.
//!
//! ```text
//! fork ─► open ─► limits ─► root ─► groups ─► user ─► capabilities ─► proof ─► ready
//! ```

mod account;
mod confine;
mod limit;

use std::{error, fmt, fs, path::PathBuf};

use nix::unistd::geteuid;

pub use self::{account::Account, limit::ResourceLimit};
#[cfg(feature = "sandbox")]
use super::sandbox::Sandbox;
use super::words;

/// What workers are to give up, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Privileges {
    /// The user that they become: a name or a number.
    pub user: Option<String>,
    /// The only group that they are in; without it all that the user is in.
    pub group: Option<String>,
    /// The directory that is `/` for them.
    pub root: Option<PathBuf>,
    /// What they may use of the machine.
    pub limits: Vec<ResourceLimit>,
    /// The directories that they serve, of which they keep descriptors.
    pub serves: Vec<PathBuf>,
    /// Files and system calls that they keep to.
    #[cfg(feature = "sandbox")]
    pub sandbox: Option<Sandbox>,
    /// Whether they fork.
    pub forks: bool,
    /// What becomes of the master.
    pub master: Master,
}

/// Who the master is once it has what it needs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Master {
    /// It stays who it was.
    #[default]
    Stays,
    /// It becomes the user of its workers, before it forks the first.
    Drops,
}

/// The same in numbers: what a worker does to itself, once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Confinement {
    account: Option<Account>,
    root: Option<PathBuf>,
    limits: Vec<ResourceLimit>,
    serves: Vec<PathBuf>,
    #[cfg(feature = "sandbox")]
    sandbox: Option<Sandbox>,
    forks: bool,
    master: Master,
}

/// Why workers cannot give up what they should, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivilegeError {
    text: String,
    remedy: String,
}

impl Privileges {
    /// Looks up the names, and says whether all of it can be had.
    ///
    /// # Errors
    /// For a user or group that there is not, for who is not root, for a directory that cannot be a root, and for one
    /// to serve that lies outside of that.
    pub fn settle(&self) -> Result<Confinement, PrivilegeError> {
        let account = Account::find(self.user.as_deref(), self.group.as_deref())?;
        let is_root = geteuid().is_root();
        let drops = self.master == Master::Drops;
        let account = account.filter(|account| is_root || drops || !account.is_ours());
        if let Some(account) = account.as_ref().filter(|account| !is_root && !account.is_ours()) {
            return Err(PrivilegeError::new(
                format!("cannot run workers as {}: only root can become somebody else", account.name),
                "start it as root, or leave --user and --group out",
            ));
        }
        if drops {
            self.check_master()?;
        }
        self.limits.iter().try_for_each(|limit| limit.check(is_root && !drops))?;
        let root = self.root()?;
        #[cfg(feature = "sandbox")]
        if let Some(Err(cause)) = self.sandbox.as_ref().map(Sandbox::gaps) {
            let text = format!("cannot keep workers in a sandbox: {cause}");
            return Err(PrivilegeError::new(text, "leave --sandbox out, or take a newer kernel"));
        }
        Ok(Confinement {
            account,
            root,
            limits: self.limits.clone(),
            serves: self.serves.clone(),
            #[cfg(feature = "sandbox")]
            sandbox: self.sandbox.clone(),
            forks: self.forks,
            master: self.master,
        })
    }

    /// The number of the user that the master becomes, if it does and there is one of that name.
    pub fn master_to_be(&self) -> Option<u32> {
        let user = self.user.as_deref().filter(|_| self.master == Master::Drops)?;
        Account::find(Some(user), self.group.as_deref()).ok().flatten()?.user
    }

    /// Whether a master can become the user of its workers: they could not give up anything more by then.
    fn check_master(&self) -> Result<(), PrivilegeError> {
        if self.user.is_none() {
            return Err(PrivilegeError::new(
                "cannot drop the master: nobody says who it is to be",
                "add --user",
            ));
        }
        match &self.root {
            Some(root) => Err(PrivilegeError::new(
                format!(
                    "cannot drop the master and have workers with the root {}: only root can enter it",
                    root.display()
                ),
                "leave out --drop-master, or --chroot; --sandbox needs no root",
            )),
            None => Ok(()),
        }
    }

    /// The root to be, without symbolic links.
    fn root(&self) -> Result<Option<PathBuf>, PrivilegeError> {
        let Some(root) = &self.root else { return Ok(None) };
        let refused = |cause: &std::io::Error| {
            let text = format!("cannot make {} the root of workers: {}", root.display(), words(cause));
            PrivilegeError::new(text, "name a directory that is there")
        };
        if !geteuid().is_root() {
            let text = format!("cannot make {} the root of workers: only root can", root.display());
            return Err(PrivilegeError::new(text, "start it as root, or leave --chroot out"));
        }
        let real = fs::canonicalize(root).map_err(|cause| refused(&cause))?;
        if !real.is_dir() {
            return Err(refused(&nix::Error::ENOTDIR.into()));
        }
        let outside = |path: &&PathBuf| !fs::canonicalize(path).is_ok_and(|path| path.starts_with(&real));
        match self.serves.iter().find(outside) {
            Some(path) => Err(PrivilegeError::new(
                format!("cannot serve {} with the root {}: it lies outside", path.display(), root.display()),
                "name a directory in it as it is seen from here, or leave --chroot out",
            )),
            None => Ok(Some(real)),
        }
    }
}

impl PrivilegeError {
    fn new(text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { text: text.into(), remedy: remedy.into() }
    }

    /// What is wrong, and what to do about it.
    pub fn parts(&self) -> (&str, &str) {
        (&self.text, &self.remedy)
    }
}

impl fmt::Display for PrivilegeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.remedy)
    }
}

impl error::Error for PrivilegeError {}
