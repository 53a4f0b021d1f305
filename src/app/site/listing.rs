//! What is in a directory, for people to see.

use std::{
    os::fd::{AsFd, OwnedFd},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    dir::{Dir, Type},
    fcntl::AtFlags,
    sys::stat::{FileStat, SFlag, fstatat},
};

use super::root::{Absent, Found, Opened};

/// The most entries that are listed. A directory of a million files would hold the worker up for seconds.
const MOST: usize = 10_000;

/// A directory's content.
#[derive(Debug)]
pub struct Listing {
    /// What may be seen of it.
    pub entries: Vec<Entry>,
    /// Whether there is more than is listed.
    pub cut: bool,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, in bytes of any kind but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// When it was last changed; unknown for a directory behind a symbolic link.
    pub modified: Option<SystemTime>,
}

/// What may be seen in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file of so many bytes.
    File(u64),
}

/// Reads a directory, in no order. `may_be_seen` says which names are; `follow` says what a symbolic link of this name leads to, if it may be followed.
pub fn read(
    directory: OwnedFd,
    may_be_seen: impl Fn(&[u8]) -> bool,
    follow: impl Fn(&[u8]) -> Option<Found>,
) -> Result<Listing, Absent> {
    let mut directory = Dir::from_fd(directory).map_err(|error| {
        log::error!("cannot read a directory of the site: {error}");
        Absent::Broken
    })?;
    let mut names: Vec<(Vec<u8>, Option<Type>)> = directory
        .iter()
        .flatten()
        .map(|entry| (entry.file_name().to_bytes().to_vec(), entry.file_type()))
        .filter(|(name, _)| !matches!(name.as_slice(), b"." | b"..") && may_be_seen(name))
        .take(MOST + 1)
        .collect();
    let cut = names.len() > MOST;
    names.truncate(MOST);
    let look = |(name, kind)| match kind {
        Some(Type::Symlink) => linked(name, &follow),
        Some(_) | None => entry(&directory, name, &follow),
    };
    Ok(Listing { entries: names.into_iter().filter_map(look).collect(), cut })
}

/// What stands under this name, if it may be seen.
fn entry(directory: &Dir, name: Vec<u8>, follow: impl Fn(&[u8]) -> Option<Found>) -> Option<Entry> {
    let stat = fstatat(directory.as_fd(), name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW).ok()?;
    let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
    if kind == SFlag::S_IFLNK {
        return linked(name, follow);
    }
    let kind = if kind == SFlag::S_IFDIR {
        Kind::Directory
    } else if kind == SFlag::S_IFREG {
        Kind::File(stat.st_size.try_into().unwrap_or(0))
    } else {
        return None;
    };
    Some(Entry { name, kind, modified: modified(&stat) })
}

/// What the symbolic link of this name leads to.
fn linked(name: Vec<u8>, follow: impl Fn(&[u8]) -> Option<Found>) -> Option<Entry> {
    Some(match follow(&name)? {
        Found::File(Opened { metadata, .. }) => {
            Entry { name, kind: Kind::File(metadata.len()), modified: metadata.modified().ok() }
        }
        Found::Directory(_) => Entry { name, kind: Kind::Directory, modified: None },
    })
}

fn modified(stat: &FileStat) -> Option<SystemTime> {
    Some(UNIX_EPOCH + Duration::from_secs(stat.st_mtime.try_into().ok()?))
}
