//! Unix-domain sockets: names that outlive those who made them.
//!
//! The file of a socket stays when its server dies, and bind(2) refuses a file that is there. So a start must tell a
//! dead server's file from a living one's, without two starts deciding at the same time.

use std::{
    ffi::OsStr,
    fs::{self, File, Metadata},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use nix::{
    sys::stat::{Mode, umask},
    unistd::geteuid,
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{addr::LONGEST_PATH, bind::listen, error::Refusal};

/// Who may connect to a socket that has a place in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// This user and this group: 0660.
    Group,
    /// This user: 0600.
    Owner,
}

/// The file of a socket of ours, told apart from any that may come to stand in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Place {
    /// Absolute, for a daemon leaves the directory that it was started in.
    path: PathBuf,
    mark: Mark,
}

/// What tells two files apart that had the same path. The number of a file that is gone is soon given to the next
/// one, so the time of making goes with it.
type Mark = (u64, u64, i64, i64);

/// Listens at a path.
pub(super) fn bind(path: &Path, access: Access, backlog: u32) -> Result<(Socket, Place), Refusal> {
    if path.as_os_str().len() > LONGEST_PATH {
        let length = path.as_os_str().len();
        return Err(Refusal::user(
            format!("the path has {length} bytes"),
            format!("a Unix-domain socket's path has at most {LONGEST_PATH}; take a shorter one"),
        ));
    }
    let socket = open()?;
    match bind_at(&socket, path, access) {
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => replace(&socket, path, access)?,
        bound => bound?,
    }
    let place = Place::of(path)?;
    listen(&socket, backlog)?;
    Ok((socket, place))
}

/// Listens at a name that is in the kernel alone. unix(7), "abstract".
pub(super) fn bind_abstract(name: &str, backlog: u32) -> Result<Socket, Refusal> {
    let socket = open()?;
    socket.bind(&SockAddr::unix(OsStr::from_bytes(&[b"\0", name.as_bytes()].concat()))?)?;
    listen(&socket, backlog)?;
    Ok(socket)
}

impl Place {
    /// The file that stands at a path now.
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: std::path::absolute(path)?, mark: mark(&fs::symlink_metadata(path)?) })
    }

    /// Takes the file away, unless it is another one by now, or none.
    pub(super) fn remove(&self) -> io::Result<()> {
        match fs::symlink_metadata(&self.path) {
            Ok(now) if mark(&now) == self.mark => fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(cause),
        }
    }
}

fn open() -> io::Result<Socket> {
    Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)
}

fn mark(file: &Metadata) -> Mark {
    (file.dev(), file.ino(), file.mtime(), file.mtime_nsec())
}

/// Binds with the mode that the file shall have from its first moment: a mode that is set afterwards comes too late
/// for whoever connected before.
fn bind_at(socket: &Socket, path: &Path, access: Access) -> io::Result<()> {
    // The mask belongs to the whole process. A master has one thread, but a test, or a library's user, has more.
    static UMASK: Mutex<()> = Mutex::new(());
    let _turn = UMASK.lock().unwrap_or_else(PoisonError::into_inner);
    let forbidden = match access {
        Access::Group => 0o117,
        Access::Owner => 0o177,
    };
    let before = umask(Mode::from_bits_truncate(forbidden));
    let bound = socket.bind(&SockAddr::unix(path)?);
    umask(before);
    bound
}

/// Binds where a file stands, if it was left by a server that is dead, and was ours.
///
/// The lock on the directory keeps two starts apart: both may find the same dead file, and the slower one would
/// remove the socket that the quicker one has just made. A start that finds no file needs no lock: should it bind
/// between our removing and our binding, then it is the one that wins. flock(2).
fn replace(socket: &Socket, path: &Path, access: Access) -> Result<(), Refusal> {
    let _lock = lock_directory(path)?;
    match fs::symlink_metadata(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        Err(cause) => return Err(cause.into()),
        Ok(file) => {
            check_is_ours(path, &file)?;
            if lives(path)? {
                return Err(io::Error::from_raw_os_error(libc::EADDRINUSE).into());
            }
            fs::remove_file(path)?;
        }
    }
    Ok(bind_at(socket, path, access)?)
}

/// Refuses what may be somebody's work, or somebody else's socket.
fn check_is_ours(path: &Path, file: &Metadata) -> Result<(), Refusal> {
    let path = path.display();
    if !file.file_type().is_socket() {
        let remedy = format!("remove {path} yourself, or take another path");
        return Err(Refusal::user("a file stands there that is no socket", remedy));
    }
    if file.uid() != geteuid().as_raw() {
        let words = format!("the socket there belongs to the user with the number {}", file.uid());
        return Err(Refusal::machine(words, "take another path, or let that user remove it"));
    }
    Ok(())
}

/// Whether any process holds the socket that this file stands for.
///
/// The question is a connection of the wrong type, which a living stream socket refuses as such: so nobody finds a
/// visitor in the queue, and a socket that is bound but does not listen yet is seen to live as well.
fn lives(path: &Path) -> io::Result<bool> {
    let visitor = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    let answer = visitor.connect(&SockAddr::unix(path)?).map_err(|cause| cause.kind());
    Ok(!matches!(answer, Err(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound)))
}

/// Waits until no other start replaces a file in this directory; the lock ends with the descriptor.
fn lock_directory(path: &Path) -> io::Result<File> {
    let path = std::path::absolute(path)?;
    let directory = File::open(path.parent().unwrap_or(&path))?;
    directory.lock()?;
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::net::{UnixDatagram, UnixListener, UnixStream},
        sync::Barrier,
    };

    use crate::listener::{Address, BindError, Listener, bind};

    use super::*;

    fn at(path: &Path) -> Result<Listener, BindError> {
        bind(&Address::Unix(path.into()), 16)
    }

    fn refused(path: &Path) -> BindError {
        at(path).unwrap_err()
    }

    #[test]
    fn the_file_of_a_dead_server_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        drop(UnixListener::bind(&path).unwrap());
        assert!(UnixStream::connect(&path).is_err());
        let _listener = at(&path).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn the_socket_of_a_living_server_is_not_and_it_notices_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let (stream, datagram) = (directory.path().join("stream"), directory.path().join("datagram"));
        let living = UnixListener::bind(&stream).unwrap();
        living.set_nonblocking(true).unwrap();
        let _other = UnixDatagram::bind(&datagram).unwrap();
        for path in [&stream, &datagram] {
            let error = refused(path);
            assert!(
                error.to_string().contains("address already in use (another server answers there"),
                "{error}"
            );
            assert!(!error.is_usage());
        }
        assert_eq!(living.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn a_socket_that_is_bound_but_does_not_listen_yet_is_alive() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let starting = open().unwrap();
        starting.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        assert!(refused(&path).to_string().contains("another server answers there"));
        starting.listen(1).unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn of_many_starts_over_a_dead_file_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        for _ in 0..20 {
            drop(UnixListener::bind(&path).unwrap());
            let start = Barrier::new(8);
            let racer = || {
                start.wait();
                at(&path)
            };
            let listeners: Vec<_> = std::thread::scope(|scope| {
                let racers: Vec<_> = (0..8).map(|_| scope.spawn(racer)).collect();
                racers.into_iter().filter_map(|racer| racer.join().unwrap().ok()).collect()
            });
            assert_eq!(listeners.len(), 1);
            UnixStream::connect(&path).unwrap();
            listeners[0].remove_path().unwrap();
        }
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("letter");
        fs::write(&path, "dear").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        for path in [&path, &link] {
            let error = refused(path);
            assert!(error.to_string().contains("a file stands there that is no socket (remove "), "{error}");
            assert!(error.is_usage());
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear");
    }

    #[test]
    fn a_path_that_cannot_be_is_the_users_mistake() {
        let directory = tempfile::tempdir().unwrap();
        let missing = refused(&directory.path().join("no/s"));
        let remedy =
            format!("(there is no directory {}; make it first)", directory.path().join("no").display());
        assert!(missing.to_string().ends_with(&remedy) && missing.is_usage(), "{missing}");
        let long = refused(&directory.path().join("x".repeat(LONGEST_PATH)));
        assert!(long.to_string().contains("at most 107") && long.is_usage(), "{long}");
    }

    #[test]
    fn a_listener_takes_its_own_file_away_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = at(&path).unwrap();
        let copy = listener.try_clone().unwrap();
        drop(copy);
        assert!(path.exists());
        listener.remove_path().unwrap();
        assert!(!path.exists());
        listener.remove_path().unwrap();
        let _other = UnixListener::bind(&path).unwrap();
        listener.remove_path().unwrap();
        assert!(path.exists());
    }
}
