//! Which process holds which socket: a walk over the descriptors of all processes. proc_pid_fd(5).

use std::{
    collections::{BTreeMap, HashMap},
    fs, io,
    path::Path,
};

use serde::Serialize;

use super::diag::readable;

/// One descriptor that leads to a socket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Holder {
    /// The process.
    pub pid: i32,
    /// Its name.
    pub comm: String,
    /// The number of the descriptor there.
    pub fd: i32,
}

/// What the walk found.
#[derive(Debug, Default)]
pub struct Seen {
    sockets: HashMap<u32, Vec<Holder>>,
    /// How many processes did not let their descriptors be read.
    pub unseen: usize,
    /// This process's network namespace.
    pub namespace: String,
    /// The network namespaces of other processes, and how many live in each.
    pub others: BTreeMap<String, usize>,
}

impl Seen {
    /// The descriptors that lead to that socket, by process and number.
    pub fn of(&self, inode: u32) -> Vec<Holder> {
        self.sockets.get(&inode).cloned().unwrap_or_default()
    }
}

/// Walks over all processes. One that vanishes meanwhile holds nothing, and is no error.
pub fn scan() -> Seen {
    let mut seen = Seen { namespace: namespace("self").unwrap_or_default(), ..Seen::default() };
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let denied = |cause: &io::Error| cause.kind() == io::ErrorKind::PermissionDenied;
        if sockets_of(pid, &entry.path(), &mut seen).as_ref().is_err_and(denied) {
            seen.unseen += 1;
        }
        if let Some(other) = namespace(&pid.to_string()).filter(|other| *other != seen.namespace) {
            *seen.others.entry(other).or_default() += 1;
        }
    }
    for holders in seen.sockets.values_mut() {
        holders.sort();
    }
    seen
}

/// Notes the sockets among the descriptors of one process.
fn sockets_of(pid: i32, directory: &Path, seen: &mut Seen) -> io::Result<()> {
    let mut comm = None;
    for entry in fs::read_dir(directory.join("fd"))? {
        let entry = entry?;
        let Ok(target) = fs::read_link(entry.path()) else { continue };
        let Some(inode) = target.to_str().and_then(socket_inode) else { continue };
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let comm = comm.get_or_insert_with(|| comm_of(directory)).clone();
        seen.sockets.entry(inode).or_default().push(Holder { pid, comm, fd });
    }
    Ok(())
}

/// The number in `socket:[86341]`.
fn socket_inode(target: &str) -> Option<u32> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn comm_of(directory: &Path) -> String {
    let bytes = fs::read(directory.join("comm")).unwrap_or_default();
    readable(bytes.strip_suffix(b"\n").unwrap_or(&bytes))
}

fn namespace(pid: &str) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/ns/net")).ok().map(|link| link.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::fd::AsRawFd, os::unix::fs::MetadataExt};

    use super::*;

    #[test]
    fn a_descriptor_of_this_process_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap().ino();
        let holders = scan().of(u32::try_from(inode).unwrap());
        let own = holders.iter().find(|holder| holder.pid == std::process::id().cast_signed()).unwrap();
        assert_eq!(own.fd, listener.as_raw_fd());
    }

    #[test]
    fn what_is_no_socket_has_no_number() {
        assert_eq!(socket_inode("socket:[86341]"), Some(86341));
        for target in ["pipe:[86341]", "socket:[]", "/tmp/socket:[1]", "socket:[99999999999]"] {
            assert_eq!(socket_inode(target), None, "{target}");
        }
    }
}
