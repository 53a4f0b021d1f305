//! What is known of files that were sent before, so that a file that many fetch is hashed once in each worker.

use std::{
    collections::HashMap,
    fs::Metadata,
    os::unix::fs::MetadataExt,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::protocol::transfer::{Digest, Part};

/// How many runs are known, at most: 4 GiB of files, in about ten megabytes of memory.
const MOST: usize = 16 * 1024;

/// In seconds; no file system keeps coarser times.
const SETTLED: i64 = 3;

/// What changes when a file's content does, and what no other file has: device, inode, length, and both times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp([i64; 7]);

impl Stamp {
    /// The stamp of the file that these metadata are of.
    pub fn new(metadata: &Metadata) -> Self {
        let [device, node, size] = [metadata.dev(), metadata.ino(), metadata.len()].map(u64::cast_signed);
        let modified = [metadata.mtime(), metadata.mtime_nsec()];
        let changed = [metadata.ctime(), metadata.ctime_nsec()];
        Self([device, node, size, modified[0], modified[1], changed[0], changed[1]])
    }

    /// Whether the file's last change is so long ago that another one would have another time.
    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_secs()).is_ok_and(|now| self.0[5] < now - SETTLED)
    }
}

/// The digests of runs of files.
#[derive(Debug, Default)]
pub struct Known {
    digests: HashMap<(Stamp, Part), Vec<Digest>>,
}

impl Known {
    /// The digests of a part of the file that has this stamp.
    pub fn find(&self, stamp: Stamp, part: Part) -> Option<Vec<Digest>> {
        self.digests.get(&(stamp, part)).cloned()
    }

    /// Remembers them, unless the file may change still without its stamp doing so.
    pub fn learn(&mut self, stamp: Stamp, part: Part, digests: &[Digest]) {
        if !stamp.is_settled() {
            return;
        }
        if self.digests.len() >= MOST {
            self.digests.clear();
        }
        self.digests.insert((stamp, part), digests.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_just_now_is_not_remembered() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        let part = Part { offset: 0, length: 1 };
        for (changed, remembered) in [(now, false), (now + 100, false), (now - 100, true)] {
            let (mut known, stamp) = (Known::default(), Stamp([1, 2, 1, 0, 0, changed, 0]));
            known.learn(stamp, part, &[[7; 32]]);
            assert_eq!(known.find(stamp, part).is_some(), remembered, "{changed}");
        }
    }

    #[test]
    fn what_is_known_has_a_bound() {
        let (mut known, stamp) = (Known::default(), Stamp([0; 7]));
        for offset in 0..=MOST as u64 {
            known.learn(stamp, Part { offset, length: 1 }, &[]);
        }
        assert!(known.digests.len() <= MOST);
        assert!(known.find(stamp, Part { offset: MOST as u64, length: 1 }).is_some());
    }
}
