//! Sending a file: as many runs under way as may be, each acknowledged once its bytes were held against their digests.

use std::{fs::File, io::Write, os::unix::fs::FileExt, path::Path};

use nix::{errno::Errno, sys::sendfile::sendfile};

use super::{Client, Failure, Progress, Told, unexpected};
use crate::{
    app::transfer::{digest::digests, place},
    protocol::transfer::{Cause, Entry, Kind, Message, Part, Problem, RUN, WINDOW, runs},
};

impl Client {
    /// Sends a file to a path of the server: the old file or the new one stands there, never a part. What an earlier
    /// attempt has left there is used; `progress` hears of each run.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn store(&mut self, from: &Path, path: &str, progress: Told<'_>) -> Result<Entry, Failure> {
        let file = File::open(from).map_err(Failure::Local)?;
        let entry = describe(&file, path)?;
        let Message::Have(have) = self.ask(&Message::Put(path.into(), entry.clone()))? else {
            return Err(unexpected());
        };
        let kept = self.same(&file, have.min(entry.size))?;
        let size = entry.size;
        progress(Progress { kept, there: kept, size });
        let mut there = |there| progress(Progress { kept, there, size });
        self.send_runs(&file, kept, size, &mut there)?;
        if describe(&file, path)? != entry {
            return Err(Failure::Refused(Problem::from(Cause::Changed)));
        }
        if let Message::Done = self.ask(&Message::Commit)? { Ok(entry) } else { Err(unexpected()) }
    }

    fn send_runs(
        &mut self,
        file: &File,
        from: u64,
        size: u64,
        there: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut buffer = vec![0; RUN];
        let mut answers = runs(from, size);
        for (number, part) in runs(from, size).enumerate() {
            self.send_run(file, part, &mut buffer)?;
            if number + 1 >= WINDOW {
                self.acknowledged(&mut answers, there)?;
            }
        }
        while self.acknowledged(&mut answers, there)? {}
        Ok(())
    }

    fn send_run(&mut self, file: &File, part: Part, buffer: &mut [u8]) -> Result<(), Failure> {
        let bytes = &mut buffer[..part.length];
        file.read_exact_at(bytes, part.offset).map_err(|error| {
            // It was longer when it was looked at.
            let cut = error.kind() == std::io::ErrorKind::UnexpectedEof;
            if cut { Failure::Refused(Problem::from(Cause::Changed)) } else { Failure::Local(error) }
        })?;
        self.say(&Message::Run(part, digests(bytes)))?;
        let (mut offset, end) = (part.offset.cast_signed(), part.end());
        while offset.cast_unsigned() < end {
            let left = (end - offset.cast_unsigned()) as usize;
            // Not the bytes that were hashed, but the file's own: that spares a copy. If they are others by now, the
            // other side will find it.
            match sendfile(self.stream.get_ref(), file, Some(&mut offset), left) {
                Ok(0) => return Err(Failure::Refused(Problem::from(Cause::Changed))),
                Ok(_) | Err(Errno::EINTR) => {}
                // Not every file system has it.
                Err(Errno::EINVAL | Errno::ENOSYS) => {
                    let rest = &bytes[part.length - left..];
                    return self.stream.get_mut().write_all(rest).map_err(|error| self.broken(error));
                }
                Err(error) => return Err(self.broken(error.into())),
            }
        }
        Ok(())
    }

    /// Hears that the next run has arrived; whether there was one to wait for.
    fn acknowledged(
        &mut self,
        answers: &mut impl Iterator<Item = Part>,
        there: &mut dyn FnMut(u64),
    ) -> Result<bool, Failure> {
        let Some(part) = answers.next() else { return Ok(false) };
        if self.hear()? != Message::Have(part.end()) {
            return Err(unexpected());
        }
        there(part.end());
        Ok(true)
    }
}

fn describe(file: &File, path: &str) -> Result<Entry, Failure> {
    let metadata = file.metadata().map_err(Failure::Local)?;
    let entry = place::entry(path.as_bytes(), &metadata).map_err(Failure::Refused)?;
    match entry.kind {
        Kind::Directory => Err(Failure::Refused(Problem::from(Cause::IsDirectory))),
        Kind::File | Kind::Program => Ok(entry),
    }
}
