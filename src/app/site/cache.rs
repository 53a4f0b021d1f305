//! The files that were asked for before, kept open or in memory until they change.
//!
//! To open, look at and close a file costs as much as the rest of its answer. So what was learned of a file is kept
//! under its name: small ones with their content, larger ones with their descriptor. It is no copy that may be old: in
//! each round of the driver the first request for a name has the kernel look whether the same state of the same file
//! still stands there, and a file that was changed a moment ago is not kept at all, for another change might not show
//! in its times. How much is kept is bounded, and what nobody asks for makes room.
//!
//! ```ignore
//! match files.find(&root, path.join(), request.received())? {
//!     Asset::File(file) => file.answer(request),
//!     Asset::Directory(directory) => list(directory),
//! }
//! ```

use std::{
    cell::RefCell,
    collections::HashMap,
    mem,
    os::fd::OwnedFd,
    rc::Rc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::sys::resource::{Resource, getrlimit};

use super::{
    file::{Identity, SiteFile},
    root::{Absent, Found, Root},
};
use crate::worker::session::Time;

/// What stands under a name.
#[derive(Debug)]
pub enum Asset {
    /// A regular file.
    File(Rc<SiteFile>),
    /// A directory, open for reading.
    Directory(OwnedFd),
}

/// Files by their names below the root.
#[derive(Debug)]
pub struct Cache {
    shelves: RefCell<Shelves>,
}

/// Whoever is asked for stands on the young shelf. When that is full it becomes the old one, and who was not asked for
/// since then falls off: so nobody needs to be counted or sorted.
#[derive(Debug)]
struct Shelves {
    young: Shelf,
    old: Shelf,
    /// How many descriptors a shelf may hold.
    descriptors: usize,
}

#[derive(Debug, Default)]
struct Shelf {
    entries: HashMap<Box<[u8]>, Entry>,
    descriptors: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    file: Rc<SiteFile>,
    /// In which round it was last seen to be what stands there.
    seen: Time,
}

/// How many files a shelf holds, and how many bytes of small ones.
const FILES: usize = 1024;
const BYTES: usize = 2 << 20;

/// For how long a file must not have changed to be kept: clocks of file systems stand still for some milliseconds, and
/// of those that count whole seconds for one or two, and a second change in that time leaves no trace.
const SETTLED: Duration = Duration::from_millis(100);
const SETTLED_BY_SECONDS: Duration = Duration::from_secs(2);

impl Cache {
    /// An empty one, which will hold an eighth of the descriptors of this process at most.
    pub fn new() -> Self {
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let descriptors = usize::try_from(limit / 16).unwrap_or(FILES).min(FILES);
        let (young, old) = (Shelf::default(), Shelf::default());
        Self { shelves: RefCell::new(Shelves { young, old, descriptors }) }
    }

    /// The file of this name, if it is kept and stands there unchanged in the round that began at `now`.
    pub fn get(&self, root: &Root, name: &[u8], now: Time) -> Option<Rc<SiteFile>> {
        let mut shelves = self.shelves.borrow_mut();
        let entry = shelves.reach(name)?;
        if entry.seen != now {
            if root.identity(name) != Some(*entry.file.identity()) {
                shelves.young.remove(name);
                return None;
            }
            entry.seen = now;
        }
        Some(Rc::clone(&entry.file))
    }

    /// What stands under this name, opened if need be; an empty name is the root itself.
    pub fn find(&self, root: &Root, name: &[u8], now: Time) -> Result<Asset, Absent> {
        if let Some(file) = self.get(root, name, now) {
            return Ok(Asset::File(file));
        }
        let found = root.find(name).or_else(|absent| match absent {
            Absent::Exhausted => {
                // Perhaps what is kept here is what is missing.
                self.clear();
                root.find(name)
            }
            Absent::NoPath | Absent::NotFound | Absent::Forbidden | Absent::Broken => Err(absent),
        });
        match found? {
            Found::Directory(directory) => Ok(Asset::Directory(directory)),
            Found::File(opened) if is_settled(&opened.identity()) => {
                let file = Rc::new(SiteFile::kept(opened, name));
                self.shelves.borrow_mut().put(name, Entry { file: Rc::clone(&file), seen: now });
                Ok(Asset::File(file))
            }
            Found::File(opened) => Ok(Asset::File(Rc::new(SiteFile::new(opened, name)))),
        }
    }

    fn clear(&self) {
        let mut shelves = self.shelves.borrow_mut();
        (shelves.young, shelves.old) = (Shelf::default(), Shelf::default());
    }
}

impl Shelves {
    /// The entry of this name, on the young shelf from now on.
    fn reach(&mut self, name: &[u8]) -> Option<&mut Entry> {
        if !self.young.entries.contains_key(name) {
            let entry = self.old.remove(name)?;
            self.put(name, entry);
        }
        self.young.entries.get_mut(name)
    }

    fn put(&mut self, name: &[u8], entry: Entry) {
        self.young.remove(name);
        let shelf = &self.young;
        if shelf.entries.len() >= FILES
            || shelf.descriptors + entry.descriptors() > self.descriptors
            || shelf.bytes + entry.bytes() > BYTES
        {
            self.old = mem::take(&mut self.young);
        }
        // A shelf without room for a single descriptor keeps none.
        if entry.descriptors() <= self.descriptors {
            self.young.put(name, entry);
        }
    }
}

impl Shelf {
    fn put(&mut self, name: &[u8], entry: Entry) {
        self.descriptors += entry.descriptors();
        self.bytes += entry.bytes();
        self.entries.insert(name.into(), entry);
    }

    fn remove(&mut self, name: &[u8]) -> Option<Entry> {
        let entry = self.entries.remove(name)?;
        self.descriptors -= entry.descriptors();
        self.bytes -= entry.bytes();
        Some(entry)
    }
}

impl Entry {
    fn descriptors(&self) -> usize {
        usize::from(self.file.in_memory().is_none())
    }

    fn bytes(&self) -> usize {
        self.file.in_memory().map_or(0, <[u8]>::len)
    }
}

/// Whether a change from now on would show in the times of the file.
fn is_settled(identity: &Identity) -> bool {
    let Some(changed) = UNIX_EPOCH.checked_add(identity.changed) else { return false };
    let needed = if identity.changed.subsec_nanos() == 0 { SETTLED_BY_SECONDS } else { SETTLED };
    SystemTime::now().duration_since(changed).is_ok_and(|since| since >= needed)
}

#[cfg(test)]
mod tests;
