//! A file on its way out.

use std::{
    fs::{File, Metadata},
    os::unix::fs::{FileExt, MetadataExt},
    sync::Arc,
};

use super::{digest::digests, place::from_io};
use crate::protocol::transfer::{Cause, Digest, Part, Problem};

/// A file that a client fetches.
#[derive(Debug)]
pub struct Departure {
    pub file: Arc<File>,
    size: u64,
    stamp: Stamp,
}

/// What changes when a file's content does.
type Stamp = (u64, i64, i64, i64, i64);

impl Departure {
    /// A file that was opened just now.
    pub fn new(file: File, metadata: &Metadata) -> Self {
        Self { file: Arc::new(file), size: metadata.len(), stamp: stamp(metadata) }
    }

    /// The digests of a part; `scratch` has room for it.
    pub fn digests(&self, part: Part, scratch: &mut [u8]) -> Result<Vec<Digest>, Problem> {
        if part.end() > self.size {
            return Err(Cause::Malformed.into());
        }
        let metadata = self.file.metadata().map_err(|error| from_io(&error, b"the file"))?;
        if stamp(&metadata) != self.stamp {
            return Err(Cause::Changed.into());
        }
        let scratch = &mut scratch[..part.length];
        self.file.read_exact_at(scratch, part.offset).map_err(|error| from_io(&error, b"the file"))?;
        Ok(digests(scratch))
    }
}

fn stamp(metadata: &Metadata) -> Stamp {
    let (modified, changed) = (metadata.mtime(), metadata.ctime());
    (metadata.len(), modified, metadata.mtime_nsec(), changed, metadata.ctime_nsec())
}
