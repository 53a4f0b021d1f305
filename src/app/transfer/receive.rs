//! A file on its way in, run by run.

use std::{io, os::unix::fs::FileExt};

use super::{arrival::Arrival, digest::digests, place::from_io};
use crate::protocol::transfer::{Cause, Digest, Part, Problem};

/// A file that a client sends.
#[derive(Debug)]
pub struct Incoming {
    arrival: Arrival,
    /// How much of it is there, and right as far as anybody has looked.
    have: u64,
    run: Option<Run>,
}

/// A run of which not all bytes have come.
#[derive(Debug)]
struct Run {
    part: Part,
    digests: Vec<Digest>,
    came: usize,
}

impl Incoming {
    /// Begins, or goes on with what is left of an earlier attempt.
    pub fn new(arrival: Arrival) -> io::Result<Self> {
        let have = arrival.length()?.min(arrival.size());
        Ok(Self { arrival, have, run: None })
    }

    /// How much of it is there.
    pub fn have(&self) -> u64 {
        self.have
    }

    /// The digests of a part that is there; `scratch` has room for it.
    pub fn digests(&self, part: Part, scratch: &mut [u8]) -> Result<Vec<Digest>, Problem> {
        if part.end() > self.have {
            return Err(Cause::Malformed.into());
        }
        self.read(part, scratch)
    }

    /// The bytes of this run come next. It may begin anywhere in what is there: the rest is forgotten then.
    pub fn begin(&mut self, part: Part, digests: Vec<Digest>) -> Result<(), Problem> {
        if part.offset > self.have || part.end() > self.arrival.size() {
            return Err(Cause::Malformed.into());
        }
        // First shorter, then longer: what follows is a hole into which nothing but this run is written.
        let lengths = [part.offset, part.end()];
        lengths.iter().try_for_each(|length| self.arrival.set_length(*length)).map_err(failed)?;
        self.have = part.offset;
        self.run = Some(Run { part, digests, came: 0 });
        Ok(())
    }

    /// How many bytes of a run are still to come.
    pub fn awaits(&self) -> usize {
        self.run.as_ref().map_or(0, |run| run.part.length - run.came)
    }

    /// Takes bytes of the run; they are as many as it awaits, or fewer. Whether it is complete.
    pub fn take(&mut self, bytes: &[u8], scratch: &mut [u8]) -> Result<bool, Problem> {
        let Some(run) = &mut self.run else { return Ok(false) };
        let offset = run.part.offset + run.came as u64;
        self.arrival.write(bytes, offset).map_err(failed)?;
        run.came += bytes.len();
        if run.came < run.part.length {
            return Ok(false);
        }
        let (part, expected) = (run.part, std::mem::take(&mut run.digests));
        self.run = None;
        // Read back from the file: what stands there is what is held against the digests.
        if self.read(part, scratch)? != expected {
            let _ = self.arrival.set_length(part.offset);
            return Err(Cause::Corrupt.into());
        }
        self.have = part.end();
        Ok(true)
    }

    /// Puts the file into its place.
    pub fn commit(&self) -> Result<(), Problem> {
        if self.have != self.arrival.size() || self.run.is_some() {
            return Err(Cause::Malformed.into());
        }
        self.arrival.commit().map_err(failed)
    }

    /// Ends an attempt that has failed.
    pub fn leave(self, cause: Cause) {
        // Half a run has not been held against anything.
        if self.run.is_some() {
            let _ = self.arrival.set_length(self.have);
        }
        self.arrival.leave(cause);
    }

    fn read(&self, part: Part, scratch: &mut [u8]) -> Result<Vec<Digest>, Problem> {
        let scratch = &mut scratch[..part.length];
        self.arrival.file().read_exact_at(scratch, part.offset).map_err(failed)?;
        Ok(digests(scratch))
    }
}

fn failed(error: io::Error) -> Problem {
    let problem = from_io(&error, b"");
    Problem { detail: String::new(), ..problem }
}
