//! The runtime directory: where control sockets, pid files and the logs of daemons stand.

use std::{
    ffi::OsString,
    fs::{DirBuilder, File, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown},
    path::{self, Path, PathBuf},
};

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::geteuid,
};

use crate::{
    error::{Error, Result},
    process::privilege::Account,
};

/// What decides which directory it is when nobody names one.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `$RUNTIME_DIRECTORY`, by which systemd hands a service its own; several are separated by colons.
    pub runtime_directory: Option<OsString>,
    /// `$XDG_RUNTIME_DIR`, a login session's.
    pub xdg_runtime_dir: Option<OsString>,
    /// The effective user.
    pub uid: u32,
}

impl Environment {
    /// That of this process.
    pub fn of_this_process() -> Self {
        Self {
            runtime_directory: std::env::var_os("RUNTIME_DIRECTORY"),
            xdg_runtime_dir: std::env::var_os("XDG_RUNTIME_DIR"),
            uid: geteuid().as_raw(),
        }
    }

    /// That of a server that becomes this user: of whoever starts it the login session says nothing.
    #[must_use]
    pub fn of_user(self, uid: u32) -> Self {
        Self { xdg_runtime_dir: None, uid, ..self }
    }

    /// The directory that follows from it. A variable that is empty or holds a relative path counts as unset, as the
    /// XDG base directory specification asks.
    pub fn runtime_dir(&self) -> PathBuf {
        let absolute = |text: &OsString| {
            let first = text.to_string_lossy().split(':').next().map(PathBuf::from)?;
            first.is_absolute().then_some(first)
        };
        if let Some(dir) = self.runtime_directory.as_ref().and_then(absolute) {
            return dir;
        }
        match self.xdg_runtime_dir.as_ref().map(PathBuf::from).filter(|dir| dir.is_absolute()) {
            Some(dir) => dir.join("forkd"),
            None if self.uid == 0 => PathBuf::from("/run/forkd"),
            None => PathBuf::from(format!("/tmp/forkd-{}", self.uid)),
        }
    }
}

/// The runtime directory as an absolute path: the one that was named, else the environment's. Nothing is created.
///
/// # Errors
/// When a relative path was named and the current directory is gone.
pub fn resolve(named: Option<&Path>, environment: &Environment) -> Result<PathBuf> {
    match named {
        Some(dir) => path::absolute(dir)
            .map_err(|cause| Error::system(format!("find runtime directory {}", dir.display()), cause)),
        None => Ok(environment.runtime_dir()),
    }
}

/// Creates the runtime directory with mode 0700 where there is none, for its owner: us, or the user that this process is to
/// become. Refuses one that is not safely the owner's: whoever can write in it can put a file of their own where we
/// expect a control socket or a pid file.
///
/// # Errors
/// When it cannot be created, is no directory (a symbolic link is none), belongs to another user, or is writable by
/// all.
pub fn prepare(dir: &Path, owner: Option<&Account>) -> Result<()> {
    check(dir, owner)?;
    if dir.exists() { Ok(()) } else { create(dir, owner) }
}

/// Says whether [`prepare`] would take this directory, without creating it.
///
/// # Errors
/// As [`prepare`], for a directory that exists.
pub fn check(dir: &Path, owner: Option<&Account>) -> Result<()> {
    match dir.symlink_metadata() {
        Ok(found) => verify(dir, &found, owner),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(cause) => Err(refused("use", dir, cause)),
    }
}

/// Creates it, and its parents, whatever the umask says.
fn create(dir: &Path, owner: Option<&Account>) -> Result<()> {
    let create = || -> io::Result<Metadata> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = File::from(open(dir, flags, Mode::empty())?);
        let made = directory.metadata()?;
        if made.uid() == geteuid().as_raw() {
            directory.set_permissions(Permissions::from_mode(0o700))?;
            if let Some(owner) = owner {
                fchown(&directory, owner.user, owner.group())?;
            }
        }
        directory.metadata()
    };
    let made = create().map_err(|cause| refused("create", dir, cause))?;
    // Another process may have been quicker: what stands there now is looked at like any other.
    verify(dir, &made, owner)
}

/// Says whether what was found there can be used, see [`prepare`].
fn verify(dir: &Path, found: &Metadata, owner: Option<&Account>) -> Result<()> {
    let uid = owner.and_then(|owner| owner.user).unwrap_or(geteuid().as_raw());
    let fault = if found.is_symlink() {
        "it is a symbolic link".to_owned()
    } else if !found.is_dir() {
        "it is not a directory".to_owned()
    } else if found.uid() != uid {
        let whose = owner.map_or_else(|| "us".to_owned(), ToString::to_string);
        format!("it belongs to user {}, not to {whose}", found.uid())
    } else if found.mode() & 0o002 != 0 {
        "everybody may write in it".to_owned()
    } else if owner.is_some() {
        return Ok(());
    } else {
        return writable(dir);
    };
    Err(Error::failed(format!("cannot use runtime directory {}: {fault}", dir.display())).remedy(REMEDY))
}

/// Says whether we can create files in it; a read-only file system shows only here.
fn writable(dir: &Path) -> Result<()> {
    use nix::unistd::{AccessFlags, access};
    access(dir, AccessFlags::W_OK | AccessFlags::X_OK).map_err(|cause| refused("write in", dir, cause.into()))
}

const REMEDY: &str = "name another with --runtime-dir";

fn refused(act: &str, dir: &Path, cause: io::Error) -> Error {
    Error::system(format!("{act} runtime directory {}", dir.display()), cause).remedy(REMEDY)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn environment(systemd: Option<&str>, xdg: Option<&str>, uid: u32) -> Environment {
        Environment { runtime_directory: systemd.map(Into::into), xdg_runtime_dir: xdg.map(Into::into), uid }
    }

    #[test]
    fn the_environment_decides_when_nobody_names_one() {
        let table = [
            (Some("/run/web:/run/other"), Some("/run/user/7"), 7, "/run/web"),
            (None, Some("/run/user/7"), 7, "/run/user/7/forkd"),
            (Some(""), Some("not/absolute"), 7, "/tmp/forkd-7"),
            (None, None, 0, "/run/forkd"),
            (None, None, 1000, "/tmp/forkd-1000"),
        ];
        for (systemd, xdg, uid, expected) in table {
            let environment = environment(systemd, xdg, uid);
            assert_eq!(resolve(None, &environment).expect("a path"), Path::new(expected), "{environment:?}");
        }
    }

    #[test]
    fn a_named_directory_is_made_absolute() {
        let here = std::env::current_dir().expect("a directory");
        let dir = resolve(Some("run".as_ref()), &Environment::default()).expect("a path");
        assert_eq!(dir, here.join("run"));
    }

    #[test]
    fn it_is_created_for_us_alone() {
        let parent = tempfile::tempdir().expect("a directory");
        let dir = parent.path().join("a/b");
        prepare(&dir, None).expect("created");
        assert_eq!(dir.metadata().expect("there").mode() & 0o777, 0o700);
        prepare(&dir, None).expect("found again");
    }

    #[test]
    fn what_others_can_write_in_is_refused() {
        let parent = tempfile::tempdir().expect("a directory");
        let (open, link, file) =
            (parent.path().join("open"), parent.path().join("link"), parent.path().join("file"));
        fs::create_dir(&open).expect("made");
        fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("opened");
        std::os::unix::fs::symlink(parent.path(), &link).expect("linked");
        fs::write(&file, "").expect("written");
        for dir in [open, link, file] {
            let error = prepare(&dir, None).expect_err("refused");
            assert_eq!(error.exit_code(), 1);
            assert!(error.to_string().ends_with("(name another with --runtime-dir)"), "{error}");
        }
    }
}
