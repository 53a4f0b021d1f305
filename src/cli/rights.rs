//! The flags by which workers are told what to give up.

use std::path::PathBuf;

use clap::Args;

use super::paths::absolute;
use crate::{
    Result,
    process::{
        privilege::{Master, Privileges, ResourceLimit},
        sandbox::Sandbox,
    },
};

const RIGHTS: &str = "Privileges of workers (the master stays what it is, but for --drop-master)";

/// What workers give up before they serve, for good.
#[derive(Debug, Args)]
pub struct Rights {
    /// Run workers as this user, by name or number, in all the groups that it is in
    #[arg(long, value_name = "U", help_heading = RIGHTS)]
    pub user: Option<String>,
    /// Run workers in this group and no other, by name or number
    #[arg(long, value_name = "G", help_heading = RIGHTS)]
    pub group: Option<String>,
    /// The master becomes that user as well, for good, once it listens and has its logs: it then keeps nothing by which it could
    /// be root again. Its pid file, control socket and runtime directory are the user's
    #[arg(long, requires = "user", conflicts_with = "chroot", help_heading = RIGHTS)]
    pub drop_master: bool,
    /// Make this directory the root of workers; what they serve must be in it, and is named as seen from outside. With
    /// forkd run the program is one in there, named as seen from inside
    #[arg(long, value_name = "DIR", help_heading = RIGHTS)]
    pub chroot: Option<PathBuf>,
    /// A limit on each worker, may be repeated: nofile=4096, core=0, nproc=64, as=512M, soft:hard
    #[arg(long, value_name = "R=N", help_heading = RIGHTS)]
    pub limit: Vec<ResourceLimit>,
    /// Keep workers to what they serve: no other files, no new connections, no other program, by Landlock and seccomp. With
    /// forkd run: the program, what the system has for all programs, and no call that reaches into other processes
    #[arg(long, help_heading = RIGHTS)]
    pub sandbox: bool,
    /// In the sandbox, a file or directory that may be read as well, may be repeated
    #[arg(long, value_name = "PATH", requires = "sandbox", help_heading = RIGHTS)]
    pub sandbox_read: Vec<PathBuf>,
    /// In the sandbox, a file or directory that may be changed as well, may be repeated
    #[arg(long, value_name = "PATH", requires = "sandbox", help_heading = RIGHTS)]
    pub sandbox_write: Vec<PathBuf>,
    /// In the sandbox, a TCP port to which programs may connect, may be repeated
    #[arg(long, value_name = "PORT", requires = "sandbox", help_heading = RIGHTS)]
    pub sandbox_connect: Vec<u16>,
}

impl Rights {
    /// What they stand for.
    ///
    /// # Errors
    /// When the current directory is gone and a path is relative.
    pub fn privileges(&self) -> Result<Privileges> {
        Ok(Privileges {
            user: self.user.clone(),
            group: self.group.clone(),
            root: self.chroot.as_deref().map(absolute).transpose()?,
            limits: self.limit.clone(),
            serves: Vec::new(),
            sandbox: if self.sandbox { Some(self.kept_to()?) } else { None },
            forks: false,
            master: if self.drop_master { Master::Drops } else { Master::Stays },
        })
    }

    /// What the flags let them keep.
    fn kept_to(&self) -> Result<Sandbox> {
        let mut sandbox = Sandbox::new().strict();
        for path in &self.sandbox_read {
            sandbox = sandbox.read(absolute(path)?);
        }
        for path in &self.sandbox_write {
            sandbox = sandbox.write(absolute(path)?);
        }
        Ok(self.sandbox_connect.iter().fold(sandbox, |sandbox, port| sandbox.connect(*port)))
    }
}
