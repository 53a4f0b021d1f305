//! How much the directory holds: what a quota is compared with.
//!
//! Lengths count, and holes with them. A file that is arriving counts with the length that it will have, which stands in
//! its name: so two that arrive at once in different workers, which share no memory, know of each other. Whoever begins
//! makes that name first and counts then; two that are too much together are both refused, and never both let in.

use std::os::fd::{AsFd, OwnedFd};

use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, openat},
    sys::stat::{FileStat, Mode, SFlag, fstatat},
};

use super::{arrival::promised, place::DIRECTORY};

/// The sum over a directory and all below it. What goes meanwhile does not count.
pub fn used(directory: OwnedFd) -> nix::Result<u64> {
    let mut sum = 0_u64;
    let mut to_do = vec![directory];
    while let Some(directory) = to_do.pop() {
        let mut listed = Dir::from_fd(directory)?;
        let names: Vec<_> =
            listed.iter().filter_map(|item| Some(item.ok()?.file_name().to_owned())).collect();
        for name in names.iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")) {
            let Some(what) = present(fstatat(&listed, name.as_c_str(), AtFlags::AT_SYMLINK_NOFOLLOW))? else {
                continue;
            };
            match SFlag::from_bits_truncate(what.st_mode) & SFlag::S_IFMT {
                SFlag::S_IFDIR => {
                    to_do.extend(present(openat(listed.as_fd(), name.as_c_str(), DIRECTORY, Mode::empty()))?);
                }
                SFlag::S_IFREG => sum = sum.saturating_add(length(name.to_bytes(), &what)),
                _ => {}
            }
        }
    }
    Ok(sum)
}

fn length(name: &[u8], what: &FileStat) -> u64 {
    promised(name).unwrap_or(what.st_size.cast_unsigned())
}

/// `None` for what is gone, and for a directory that may not be read: nothing can arrive there either.
fn present<T>(found: nix::Result<T>) -> nix::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::EACCES | Errno::ELOOP | Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn all_files_count_once_and_those_that_arrive_with_what_they_will_be() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, length: usize| fs::write(folder.path().join(name), vec![1; length]).unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        write("one", 10);
        write("a/b/two", 200);
        write(".forkd-0123456789abcdef-3000.part", 7);
        symlink("/etc", folder.path().join("link")).unwrap();
        let open = || fs::File::open(folder.path()).unwrap().into();
        assert_eq!(used(open()), Ok(3210));
        fs::File::create(folder.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(used(open()), Ok((1 << 40) + 3210));
    }
}
