//! What workers give up: the part of the builder that says who they are.

use std::path::PathBuf;

use super::Server;
#[cfg(feature = "sandbox")]
use crate::process::sandbox::Sandbox;
use crate::{error::Error, process::privilege::Master};

impl Server<'_> {
    /// Runs workers as this user, by name or number, in all the groups that it is in; only root can. The master stays
    /// what it is.
    ///
    /// A worker first makes what it serves by (the function that `serve_session` and `serve_handler` take), as the master is;
    /// then it becomes the user, gives up all capabilities and all ways to new ones, makes sure that it cannot go back,
    /// and only then says that it is ready. So that function opens what the user may not, and starts no threads.
    /// [`serve_async`](Self::serve_async) calls its function after all that. Names are looked up at the start and at each
    /// reload. setresuid(2), getgrouplist(3), capabilities(7).
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.settings.privileges.user = Some(user.into());
        self
    }

    /// Runs workers in this group and in no other, by name or number; only root can. setgroups(2).
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.settings.privileges.group = Some(group.into());
        self
    }

    /// Has the master become the user of its workers as well, for good, once it listens and before it forks. Its pid file and
    /// control socket are that user's; a reload can bind and open what the user may.
    #[must_use]
    pub fn drop_master(mut self) -> Self {
        self.settings.privileges.master = Master::Drops;
        self
    }

    /// Makes this directory the root of workers; only root can. A worker that has a directory open which lies outside is not
    /// ready, since by that it could leave. The paths of a program are those inside. chroot(2).
    #[must_use]
    pub fn chroot(mut self, directory: impl Into<PathBuf>) -> Self {
        self.settings.privileges.root = Some(directory.into());
        self
    }

    /// Keeps workers to these files, ports and system calls, by Landlock and seccomp; it takes no root. What is open by the time
    /// that a worker is ready stays open, so this is for what is opened later. landlock(7), seccomp(2).
    ///
    /// A kernel that has one of the two does what it can, and a warning says what is missing; one that has neither is an
    /// error.
    #[cfg(feature = "sandbox")]
    #[must_use]
    pub fn sandbox(mut self, sandbox: Sandbox) -> Self {
        self.settings.privileges.sandbox = Some(sandbox);
        self
    }

    /// Limits what a worker may use of the machine, as in `nofile=4096`, `core=0`, `as=512M` or `nproc=64:128`: one more such
    /// limit. setrlimit(2).
    #[must_use]
    pub fn resource_limit(mut self, limit: impl AsRef<str>) -> Self {
        match limit.as_ref().parse() {
            Ok(limit) => self.settings.privileges.limits.push(limit),
            Err(cause) => self.fault = self.fault.or_else(|| Some(Error::usage(cause.to_string()))),
        }
        self
    }
}
