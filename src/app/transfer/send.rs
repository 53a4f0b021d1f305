//! A file on its way out.

use std::{
    fs::{File, Metadata},
    os::unix::fs::FileExt,
    sync::Arc,
};

use super::{
    digest::digests,
    known::{Known, Stamp},
    place::from_io,
};
use crate::protocol::transfer::{Cause, Digest, Part, Problem};

/// A file that a client fetches.
#[derive(Debug)]
pub struct Departure {
    pub file: Arc<File>,
    size: u64,
    stamp: Stamp,
}

impl Departure {
    /// A file that was opened just now.
    pub fn new(file: File, metadata: &Metadata) -> Self {
        Self { file: Arc::new(file), size: metadata.len(), stamp: Stamp::new(metadata) }
    }

    /// The digests of a part; `scratch` has room for it. What is known of the same file need not be read again.
    pub fn digests(&self, part: Part, known: &mut Known, scratch: &mut [u8]) -> Result<Vec<Digest>, Problem> {
        if part.end() > self.size {
            return Err(Cause::Malformed.into());
        }
        let metadata = self.file.metadata().map_err(|error| from_io(&error, b"the file"))?;
        if Stamp::new(&metadata) != self.stamp {
            return Err(Cause::Changed.into());
        }
        if let Some(digests) = known.find(self.stamp, part) {
            return Ok(digests);
        }
        let scratch = &mut scratch[..part.length];
        self.file.read_exact_at(scratch, part.offset).map_err(|error| from_io(&error, b"the file"))?;
        let digests = digests(scratch);
        known.learn(self.stamp, part, &digests);
        Ok(digests)
    }
}
