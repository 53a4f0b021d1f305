//! Whether workers can give up what they are told to, and what that means for the files of the master.

use std::{os::unix::fs::MetadataExt, path::Path};

use super::{choices::Model, settings::Settings};
use crate::{
    error::{Error, Result},
    process::privilege::{Confinement, Privileges},
};

/// Looks up who workers are to be, and says whether they can become that.
///
/// # Errors
/// A usage error for what cannot be had, and for a file of the master's in a directory in which its workers may write:
/// whoever may do that puts a link there for the master to write through.
pub fn settle(settings: &Settings) -> Result<Confinement> {
    let forks = settings.model == Model::PerConnection;
    let privileges = Privileges { forks, ..settings.privileges.clone() };
    let confinement = privileges.settle().map_err(|cause| {
        let (text, remedy) = cause.parts();
        Error::usage(text).remedy(remedy)
    })?;
    // A master that drops itself writes its pid file as the user.
    let pid_file = settings.pid_file.as_ref().filter(|_| confinement.master().is_none());
    let files = [("log-file", settings.log.file.as_ref()), ("pid-file", pid_file)];
    let files = files.into_iter().filter_map(|(flag, path)| Some((flag, path?.as_path())));
    let logs = settings.logs.iter().map(|path| ("access-log", path.as_path()));
    files.chain(logs).try_for_each(|(flag, path)| check(&confinement, flag, path))?;
    Ok(confinement)
}

fn check(confinement: &Confinement, flag: &str, path: &Path) -> Result<()> {
    let Some(directory) = path.parent() else { return Ok(()) };
    if !may_replace(confinement, directory) {
        return Ok(());
    }
    let text = format!("cannot keep {} where its workers may write: they could replace it", path.display());
    Err(Error::usage(text).remedy(format!("name another --{flag}, or give {} to root", directory.display())))
}

/// Whether workers may rename and remove the files of others in a directory. In one with the sticky bit they may not,
/// and a link there is not followed.
fn may_replace(confinement: &Confinement, directory: &Path) -> bool {
    const STICKY: u32 = 0o1000;
    let Ok(found) = directory.metadata() else { return false };
    confinement.may_write(found.uid(), found.gid(), found.mode()) && found.mode() & STICKY == 0
}
