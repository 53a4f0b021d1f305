//! A file with the master's pid, for people and old tools.
//!
//! What counts is not the number but the lock: the kernel gives it back when the last process that holds it is gone,
//! so that a stale file is no obstacle and a running master is never mistaken for a stale one. Nobody signals a pid
//! that was read from such a file: it may be a stranger's.

use std::{
    fmt, fs,
    fs::{File, Metadata, OpenOptions, Permissions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

use super::{Pid, words};
#[cfg(feature = "control")]
use crate::sys::luggage::{Luggage, Ticket, claim};

/// A pid file that this process holds locked. A child drops its copy, or the lock would outlive the master.
///
/// Dropping it leaves the file there: [`PidFile::remove`] is the master's to call, and a forked copy must not.
#[derive(Debug)]
pub struct PidFile {
    file: File,
    path: PathBuf,
}

/// The same on its way into another program, lock and all.
#[cfg(feature = "control")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    file: Ticket,
    path: PathBuf,
}

/// Why there is no pid file. The text begins `cannot …`.
#[derive(Debug)]
pub enum PidFileError {
    /// A living process holds it.
    Locked {
        /// Where it is.
        path: PathBuf,
        /// The pid that it shows, which is only to be shown.
        pid: Option<Pid>,
    },
    /// Someone else could misuse it: whoever may write there may choose what root truncates.
    Unsafe {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with the place.
        why: &'static str,
    },
    /// The system refused.
    System {
        /// Where it is.
        path: PathBuf,
        /// With these words.
        cause: io::Error,
    },
}

impl PidFile {
    /// Makes the file or takes over a stale one, locks it and writes the pid of this process into it.
    ///
    /// It is readable by all and writable by its owner, whatever the umask. flock(2), open(2) with `O_NOFOLLOW`.
    ///
    /// # Errors
    /// [`PidFileError`]; nothing is left behind then, and a file that another process holds is as it was.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, PidFileError> {
        let path = path.into();
        if geteuid().is_root() {
            refuse_open_directory(&path)?;
        }
        let pid_file = loop {
            let locked = Self { file: open_and_lock(&path)?, path: path.clone() };
            // The master that held it may have unlinked it between our open and our lock: then this lock is on a file
            // that nobody else will ever find, and the next master would get a lock of its own.
            if locked.is_still_ours() {
                break locked;
            }
        };
        pid_file.write().map_err(|cause| {
            pid_file.remove();
            PidFileError::System { path, cause }
        })?;
        Ok(pid_file)
    }

    /// Unlinks the file, if the one at its path is still ours. What cannot be removed is left: it is stale then.
    pub fn remove(&self) {
        if self.is_still_ours() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Whether the path still leads to the file that is locked here.
    fn is_still_ours(&self) -> bool {
        let identity = |file: Metadata| (file.dev(), file.ino());
        let ours = self.file.metadata().map(identity).ok();
        ours.is_some() && fs::symlink_metadata(&self.path).map(identity).ok() == ours
    }

    fn write(&self) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(0o644))?;
        self.file.set_len(0)?;
        (&self.file).write_all(format!("{}\n", Pid::this()).as_bytes())
    }
}

#[cfg(feature = "control")]
impl PidFile {
    /// Puts the file into the luggage. The lock belongs to the open file, and so crosses exec with it. flock(2).
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        Packed { file: luggage.put(&self.file), path: self.path.clone() }
    }

    /// The file as it was, locked.
    ///
    /// # Errors
    /// When it did not come with the luggage.
    pub fn unpack(packed: Packed) -> io::Result<Self> {
        Ok(Self { file: claim(packed.file)?.into(), path: packed.path })
    }
}

fn open_and_lock(path: &Path) -> Result<File, PidFileError> {
    let system = |cause| PidFileError::System { path: path.into(), cause };
    let mut options = OpenOptions::new();
    // O_NONBLOCK: the open of a device or a FIFO that lies there must not wait for anybody.
    options.read(true).write(true).create(true).truncate(false).mode(0o644);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(path).map_err(|cause| match cause.raw_os_error() {
        Some(libc::ELOOP) => PidFileError::Unsafe { path: path.into(), why: "it is a symbolic link" },
        _ => system(cause),
    })?;
    let found = file.metadata().map_err(system)?;
    if let Some(why) = fault_of(&found) {
        return Err(PidFileError::Unsafe { path: path.into(), why });
    }
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(PidFileError::Locked { path: path.into(), pid: read_pid(&file) })
        }
        Err(TryLockError::Error(cause)) => Err(system(cause)),
    }
}

/// What forbids to truncate a file that was found at the path.
fn fault_of(found: &Metadata) -> Option<&'static str> {
    if !found.is_file() {
        Some("it is not a regular file")
    } else if found.uid() != geteuid().as_raw() {
        Some("it belongs to another user")
    } else if found.nlink() > 1 {
        // In a directory such as /tmp anybody may have linked any file of ours to this name.
        Some("it has a second name")
    } else {
        None
    }
}

/// Refuses a directory in which anybody may swap the file for another between two of root's looks.
fn refuse_open_directory(path: &Path) -> Result<(), PidFileError> {
    const WRITABLE_BY_ALL: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let mode =
        fs::metadata(directory).map_err(|cause| PidFileError::System { path: path.into(), cause })?.mode();
    if mode & WRITABLE_BY_ALL != 0 && mode & STICKY == 0 {
        let why = "everybody may write in its directory";
        return Err(PidFileError::Unsafe { path: path.into(), why });
    }
    Ok(())
}

/// What the file shows, if that could be a process: only to be told to people.
fn read_pid(mut file: &File) -> Option<Pid> {
    let mut text = [0; 16];
    let length = file.read(&mut text).ok()?;
    parse(&text[..length])
}

/// The pid in the text of a pid file. Zero, negative and huge numbers and everything else are none.
fn parse(text: &[u8]) -> Option<Pid> {
    let digits = str::from_utf8(text).ok()?.trim_ascii();
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    let pid = digits.parse().ok().filter(|&pid: &i32| all_digits && pid > 0)?;
    Some(Pid::from_raw(pid))
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path, pid: Some(pid) } => {
                write!(
                    f,
                    "cannot lock pid file {}: a running master holds it, pid {pid} by its text",
                    path.display()
                )
            }
            Self::Locked { path, pid: None } => {
                write!(f, "cannot lock pid file {}: a running master holds it", path.display())
            }
            Self::Unsafe { path, why } => {
                write!(
                    f,
                    "cannot use pid file {}: {why} (choose a directory that only you can write)",
                    path.display()
                )
            }
            Self::System { path, cause } => {
                write!(f, "cannot write pid file {}: {}", path.display(), words(cause))
            }
        }
    }
}

impl std::error::Error for PidFileError {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn directory() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("forkd.pid");
        (directory, path)
    }

    #[test]
    fn the_file_shows_our_pid_and_goes_when_told() {
        let (_directory, path) = directory();
        let pid_file = PidFile::create(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o644);
        pid_file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_stale_file_is_no_obstacle_whatever_it_says() {
        let (_directory, path) = directory();
        for stale in ["1\n", "", "garbage", "-1", "0", "99999999999999999999", &"9".repeat(100_000)] {
            fs::write(&path, stale).unwrap();
            drop(PidFile::create(&path).unwrap());
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", std::process::id()));
        }
    }

    #[test]
    fn a_second_master_is_told_of_the_first_and_leaves_it_alone() {
        let (_directory, path) = directory();
        let first = PidFile::create(&path).unwrap();
        let text = PidFile::create(&path).unwrap_err().to_string();
        assert!(
            text.ends_with(&format!("a running master holds it, pid {} by its text", Pid::this())),
            "{text}"
        );
        assert!(first.is_still_ours());
    }

    #[test]
    fn only_our_own_file_is_removed() {
        let (_directory, path) = directory();
        let first = PidFile::create(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = PidFile::create(&path).unwrap();
        first.remove();
        assert!(path.exists() && second.is_still_ours());
    }

    #[test]
    fn what_is_not_a_plain_file_of_ours_is_refused_unharmed() {
        let (directory, path) = directory();
        let victim = directory.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        assert!(PidFile::create(&path).unwrap_err().to_string().contains("symbolic link"));
        fs::remove_file(&path).unwrap();
        fs::hard_link(&victim, &path).unwrap();
        assert!(PidFile::create(&path).unwrap_err().to_string().contains("second name"));
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(PidFile::create(&path).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn a_directory_open_to_all_is_refused_to_root_alone() {
        let (directory, path) = directory();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o777)).unwrap();
        assert_eq!(PidFile::create(&path).is_err(), geteuid().is_root());
        fs::set_permissions(directory.path(), Permissions::from_mode(0o1777)).unwrap();
        assert!(PidFile::create(&path).is_ok());
    }

    #[test]
    fn a_missing_directory_is_said_in_words() {
        let text = PidFile::create("/nowhere/forkd.pid").unwrap_err().to_string();
        assert_eq!(text, "cannot write pid file /nowhere/forkd.pid: No such file or directory");
    }

    #[test]
    fn only_a_plain_positive_number_is_a_pid() {
        assert_eq!(parse(b"4711\n"), Some(Pid::from_raw(4711)));
        for wrong in [&b""[..], b"0", b"-1", b"+1", b"4 7", b"99999999999", b"\xff", b"x"] {
            assert_eq!(parse(wrong), None);
        }
    }
}
