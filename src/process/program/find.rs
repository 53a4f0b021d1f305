//! From the word for a program to its file, as execvp(3) finds it; but before anything is forked.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{self, Path, PathBuf},
};

use nix::{
    errno::Errno,
    unistd::{AccessFlags, access},
};

use super::ProgramError;

/// Where programs are looked for when nobody says.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The file of the program that this word means, as an absolute path: a word with a slash is a path, any other is
/// looked for in `PATH`. With a root it is what a process that has that root would find, and the path is as that sees it.
///
/// # Errors
/// `ENOENT` when there is none, `EACCES` when one is there that may not be executed, `EISDIR` for a directory.
pub fn find(word: &OsStr, root: Option<&Path>) -> Result<PathBuf, ProgramError> {
    let fault = |cause| ProgramError::new(word.to_string_lossy(), cause);
    if word.as_bytes().contains(&b'/') {
        let path = path::absolute(word).map_err(fault)?;
        return executable(&below(root, &path)).map(|()| path).map_err(fault);
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH));
    let mut last = io::Error::from(Errno::ENOENT);
    for directory in env::split_paths(&path).filter(|_| !word.is_empty()) {
        let file = path::absolute(directory.join(word)).map_err(fault)?;
        match executable(&below(root, &file)) {
            Ok(()) => return Ok(file),
            // A file that may not be executed says more than all the places where there is none.
            Err(cause) if cause.raw_os_error() == Some(libc::EACCES) => last = cause,
            Err(_) => {}
        }
    }
    Err(fault(last))
}

/// The place of a path that begins at this root. A symbolic link in there that leads to `/` means the root, and is
/// followed to elsewhere from out here: such a program is found when it is started, or not.
pub(super) fn below(root: Option<&Path>, path: &Path) -> PathBuf {
    match root {
        Some(root) => root.join(path.strip_prefix("/").unwrap_or(path)),
        None => path.to_owned(),
    }
}

/// Whether this file may be executed.
fn executable(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_dir() {
        return Err(Errno::EISDIR.into());
    }
    Ok(access(path, AccessFlags::X_OK)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn refused(word: &Path) -> String {
        find(word.as_os_str(), None).unwrap_err().to_string()
    }

    #[test]
    fn a_word_without_a_slash_is_looked_for() {
        let found = find(OsStr::new("sh"), None).unwrap();
        assert!(found.is_absolute() && found.ends_with("sh"));
    }

    #[test]
    fn what_cannot_be_run_is_named_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("plain");
        fs::write(&plain, "").unwrap();
        fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
        let missing = find(OsStr::new("no-such-program-here"), None).unwrap_err().to_string();
        assert_eq!(
            missing,
            "cannot run no-such-program-here: no such file or directory (it is not in PATH: write a path, as in ./server)"
        );
        assert!(refused(&dir.path().join("nowhere")).contains("no such file or directory (check the path"));
        assert!(refused(&plain).ends_with("permission denied (make it executable: chmod +x)"));
        assert!(refused(dir.path()).ends_with("is a directory (name a file, not a directory)"));
        assert!(find(OsStr::new(""), None).is_err());
    }
}
