//! What there is to copy: from the words of the command line to one file each.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    copy::Copier,
    failed::failed,
    url::{End, Url},
};
use crate::{
    Error, Result,
    cli::{out, words},
    protocol::transfer::{Entry, Kind},
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    /// Fetch a file.
    Fetch(Url, PathBuf),
    /// Send a file.
    Store(PathBuf, Url),
    /// Make a directory on the server.
    MakeRemote(Url),
    /// Make a directory here.
    MakeLocal(PathBuf),
    /// It cannot be done: why was said.
    Impossible,
}

impl Job {
    /// Whether it is a file to be moved.
    pub fn is_file(&self) -> bool {
        match self {
            Self::Fetch(..) | Self::Store(..) => true,
            Self::MakeRemote(_) | Self::MakeLocal(_) | Self::Impossible => false,
        }
    }
}

/// What these words mean: all but the last are copied to the last.
///
/// # Errors
/// A usage error when no end or both ends are on a server, or a directory is to be copied without `-r`.
pub fn plan(copier: &mut Copier, ends: &[End], recursive: bool) -> Result<Vec<Job>> {
    let refuse = |words: &str| {
        Error::usage(format!("cannot copy: {words}")).remedy("forkd cp tcp://127.0.0.1:7008/file .")
    };
    let Some((to, from)) = ends.split_last().filter(|(_, from)| !from.is_empty()) else {
        return Err(refuse("it needs a source and a destination"));
    };
    let into = is_directory(copier, to)?;
    if from.len() > 1 && !into {
        return Err(refuse("several files need a directory to go to").remedy("end it with a slash"));
    }
    let mut walk = Walk { copier, recursive, jobs: Vec::new() };
    for end in from {
        match (end, to) {
            (End::Remote(url), End::Local(path)) => {
                let name = safe_name(url.name().as_bytes());
                let to = if into && let Some(name) = name { path.join(name) } else { path.clone() };
                let entry = walk.copier.ask(url, |client| client.look(&url.path));
                let entry = entry.map_err(|failure| failed(&format!("copy {url}"), &failure))?;
                walk.fetch(url.clone(), to, &entry)?;
            }
            (End::Local(path), End::Remote(url)) => {
                let name = path.file_name().and_then(|name| name.to_str());
                let to = if into && let Some(name) = name { url.child(name) } else { url.clone() };
                walk.store(path.clone(), to)?;
            }
            (End::Remote(_), End::Remote(_)) => return Err(refuse("both ends are on a server")),
            (End::Local(_), End::Local(_)) => return Err(refuse("both ends are on this machine")),
        }
    }
    Ok(walk.jobs)
}

fn is_directory(copier: &mut Copier, end: &End) -> Result<bool> {
    match end {
        End::Local(path) => Ok(path.is_dir() || path.to_string_lossy().ends_with('/')),
        End::Remote(url) if url.directory => Ok(true),
        End::Remote(url) => {
            let is = copier.ask(url, |client| match client.look(&url.path) {
                Ok(entry) => Ok(entry.kind == Kind::Directory),
                Err(failure) if failure.is_not_found() => Ok(false),
                Err(failure) => Err(failure),
            });
            is.map_err(|failure| failed(&format!("copy to {url}"), &failure))
        }
    }
}

struct Walk<'a> {
    copier: &'a mut Copier,
    recursive: bool,
    jobs: Vec<Job>,
}

impl Walk<'_> {
    fn fetch(&mut self, url: Url, to: PathBuf, entry: &Entry) -> Result<()> {
        match entry.kind {
            Kind::File | Kind::Program => {
                let same = self.recursive && fs::metadata(&to).is_ok_and(|there| is_same(entry, &there));
                if !same {
                    self.jobs.push(Job::Fetch(url, to));
                }
            }
            Kind::Directory => {
                self.may_descend(&url)?;
                let inside = self.copier.ask(&url, |client| client.list(&url.path));
                let inside = inside.map_err(|failure| failed(&format!("list {url}"), &failure))?;
                self.jobs.push(Job::MakeLocal(to.clone()));
                for entry in inside {
                    match safe_name(&entry.name) {
                        Some(name) => self.fetch(url.child(name), to.join(name), &entry)?,
                        None => self.skip(&url, &String::from_utf8_lossy(&entry.name)),
                    }
                }
            }
        }
        Ok(())
    }

    fn store(&mut self, path: PathBuf, to: Url) -> Result<()> {
        let cannot = |cause| Error::system(format!("copy {}", shown(&path)), cause);
        let metadata = fs::metadata(&path).map_err(cannot)?;
        if !metadata.is_dir() {
            let same = self.recursive
                && self
                    .copier
                    .ask(&to, |client| client.look(&to.path))
                    .is_ok_and(|there| is_same(&there, &metadata));
            if !same {
                self.jobs.push(Job::Store(path, to));
            }
            return Ok(());
        }
        self.may_descend(&path.display())?;
        self.jobs.push(Job::MakeRemote(to.clone()));
        let mut inside: Vec<_> =
            fs::read_dir(&path).map_err(cannot)?.collect::<std::io::Result<_>>().map_err(cannot)?;
        inside.sort_by_key(fs::DirEntry::file_name);
        for item in inside {
            let linked_directory = item.path().is_symlink() && item.path().is_dir();
            match item.file_name().to_str().and_then(|name| safe_name(name.as_bytes())) {
                // A link to a directory may lead back up, for ever.
                Some(name) if !linked_directory => self.store(item.path(), to.child(name))?,
                Some(_) | None => self.skip(&path.display(), &item.file_name().to_string_lossy()),
            }
        }
        Ok(())
    }

    fn may_descend(&self, what: &dyn std::fmt::Display) -> Result<()> {
        if self.recursive {
            return Ok(());
        }
        Err(Error::usage(format!("cannot copy {what}: it is a directory")).remedy("use -r"))
    }

    fn skip(&mut self, directory: &dyn std::fmt::Display, name: &str) {
        out::complain(&format!(
            "cannot copy {directory}/{}: it has no name that can be used",
            words::printable(name)
        ));
        self.jobs.push(Job::Impossible);
    }
}

/// The name, if it is one: what a server calls a name must not lead elsewhere on this machine.
fn safe_name(name: &[u8]) -> Option<&str> {
    let partial = name.starts_with(b".forkd-") && name.ends_with(b".part");
    let wrong =
        partial || matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, b'/' | 0));
    if wrong { None } else { std::str::from_utf8(name).ok() }
}

fn is_same(entry: &Entry, metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let modified = (metadata.mtime(), metadata.mtime_nsec() as u32);
    metadata.is_file()
        && entry.kind != Kind::Directory
        && (entry.size, entry.modified) == (metadata.len(), modified)
}

fn shown(path: &Path) -> String {
    words::printable(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_name_does_not_lead_elsewhere() {
        for name in [&b""[..], b".", b"..", b"a/b", b"/etc/passwd", b"a\0b", b"\xff", b".forkd-1.part"] {
            assert_eq!(safe_name(name), None, "{name:?}");
        }
        assert_eq!(safe_name("..三体 ".as_bytes()), Some("..三体 "));
    }
}
