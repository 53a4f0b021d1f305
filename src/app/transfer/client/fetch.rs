//! Fetching a file: runs are asked for ahead of their arrival, and finished by other threads meanwhile.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    path::Path,
    thread,
};

use super::{
    Client, Failure, Progress,
    finish::{Came, Finishers},
    unexpected,
};
use crate::{
    app::transfer::{arrival::Arrival, digest::digests},
    protocol::transfer::{Cause, Digest, Entry, Message, Part, RUN, WINDOW, runs},
};

impl Client {
    /// Fetches a file to a place on this side: the old file or the new one stands there, never a part. What an earlier
    /// attempt has left is used; `progress` hears of each run.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn fetch(
        &mut self,
        path: &str,
        to: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Entry, Failure> {
        let Message::Entry(entry) = self.ask(&Message::Open(path.into()))? else { return Err(unexpected()) };
        let (directory, name) = place(to).map_err(Failure::Local)?;
        let arrival = Arrival::begin(directory, name, entry.clone()).map_err(Failure::Local)?;
        let end = self.fetch_into(&arrival, progress);
        match end.and_then(|()| arrival.commit().map_err(Failure::Local)) {
            Ok(()) => Ok(entry),
            Err(failure) => {
                arrival.leave(cause(&failure));
                Err(failure)
            }
        }
    }

    fn fetch_into(&mut self, arrival: &Arrival, progress: &mut dyn FnMut(Progress)) -> Result<(), Failure> {
        let size = arrival.size();
        let have = arrival.length().map_err(Failure::Local)?.min(size);
        let kept = self.same(arrival.file(), have)?;
        // First shorter, then longer: what follows is a hole.
        arrival.set_length(kept).map_err(Failure::Local)?;
        progress(Progress { kept, there: kept, size });
        let mut there = |there| progress(Progress { kept, there, size });
        thread::scope(|scope| self.read_runs(kept, size, &mut Finishers::start(scope, arrival), &mut there))?;
        arrival.set_length(size).map_err(Failure::Local)
    }

    fn read_runs(
        &mut self,
        from: u64,
        size: u64,
        finishers: &mut Finishers,
        there: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut ahead = runs(from, size);
        for part in ahead.by_ref().take(WINDOW) {
            self.say(&Message::Pull(part))?;
        }
        for part in runs(from, size) {
            let mut bytes = Vec::new();
            if finishers.are_busy()
                && let Some(finished) = finishers.next()
            {
                let finished = finished?;
                there(finished.part.end());
                bytes = finished.bytes;
            }
            let expected = self.read_run(part, &mut bytes)?;
            if let Some(next) = ahead.next() {
                self.say(&Message::Pull(next))?;
            }
            finishers.give(Came { part, bytes, expected });
        }
        finishers.try_for_each(|finished| finished.map(|run| there(run.part.end())))
    }

    fn read_run(&mut self, part: Part, bytes: &mut Vec<u8>) -> Result<Vec<Digest>, Failure> {
        let Message::Run(came, expected) = self.hear()? else { return Err(unexpected()) };
        if came != part {
            return Err(unexpected());
        }
        bytes.resize(part.length, 0);
        self.stream.read_exact(bytes).map_err(Failure::Connection)?;
        Ok(expected)
    }

    /// How much of a file here is the same as the one that is open there, of its first `have` bytes.
    pub(super) fn same(&mut self, file: &File, have: u64) -> Result<u64, Failure> {
        let mut ahead = runs(0, have);
        for part in ahead.by_ref().take(WINDOW) {
            self.say(&Message::Check(part))?;
        }
        let (mut same, mut buffer) = (0, vec![0; RUN]);
        for part in runs(0, have) {
            let Message::Digests(digests) = self.hear()? else { return Err(unexpected()) };
            if same == part.offset && digests == read(file, part, &mut buffer)? {
                same = part.end();
            }
            if let Some(next) = ahead.next() {
                self.say(&Message::Check(next))?;
            }
        }
        // A run that is cut is compared as it is, so what is left of one may be kept; the next begins at a run's start.
        Ok(same - same % RUN as u64)
    }
}

fn read(file: &File, part: Part, buffer: &mut [u8]) -> Result<Vec<Digest>, Failure> {
    let buffer = &mut buffer[..part.length];
    file.read_exact_at(buffer, part.offset).map_err(Failure::Local)?;
    Ok(digests(buffer))
}

/// The directory of a place on this side, and the name there.
fn place(to: &Path) -> io::Result<(OwnedFd, &[u8])> {
    let name = to.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if to.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok((File::open(parent)?.into(), name.as_bytes()))
}

/// The cause by which an arrival is left.
fn cause(failure: &Failure) -> Cause {
    match failure {
        Failure::Connection(_) => Cause::Draining,
        Failure::Refused(problem) => problem.cause,
        Failure::Local(error) => crate::app::transfer::place::from_io(error, b"").cause,
    }
}
