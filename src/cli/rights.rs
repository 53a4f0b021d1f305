//! The flags by which workers are told what to give up.

use std::path::PathBuf;

use clap::Args;

use super::common::absolute;
use crate::{
    Result,
    process::privilege::{Privileges, ResourceLimit},
};

const RIGHTS: &str = "Privileges of workers (the master stays what it is)";

/// What workers give up before they serve, for good.
#[derive(Debug, Args)]
pub struct Rights {
    /// Run workers as this user, by name or number, in all the groups that it is in
    #[arg(long, value_name = "U", help_heading = RIGHTS)]
    pub user: Option<String>,
    /// Run workers in this group and no other, by name or number
    #[arg(long, value_name = "G", help_heading = RIGHTS)]
    pub group: Option<String>,
    /// Make this directory the root of workers; what they serve must be in it, and is named as seen from outside. With
    /// forkd run the program is one in there, named as seen from inside
    #[arg(long, value_name = "DIR", help_heading = RIGHTS)]
    pub chroot: Option<PathBuf>,
    /// A limit on each worker, may be repeated: nofile=4096, core=0, nproc=64, as=512M, soft:hard
    #[arg(long, value_name = "R=N", help_heading = RIGHTS)]
    pub limit: Vec<ResourceLimit>,
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
        })
    }
}
