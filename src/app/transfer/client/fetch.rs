//! Fetching a file: runs are asked for ahead of their arrival, held against their digests, and written by a second thread
//! meanwhile.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    path::Path,
    sync::mpsc::{self, Receiver, Sender, SyncSender},
    thread,
};

use super::{Client, Failure, Progress, unexpected};
use crate::{
    app::transfer::{arrival::Arrival, digest::digests},
    protocol::transfer::{Cause, Digest, Entry, Message, Part, Problem, RUN, WINDOW, runs},
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
        let (full, to_write) = mpsc::sync_channel::<(Part, Vec<u8>)>(WINDOW);
        let (written, empty) = mpsc::channel();
        thread::scope(|scope| {
            let writer = scope.spawn(move || write(arrival, &to_write, &written));
            let mut there = |end| progress(Progress { kept, there: end, size });
            let read = self.read_runs(kept, size, full, &empty, &mut there);
            let written = writer.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")));
            // What the writer says is the reason why the reader ended, if both failed.
            written.map_err(Failure::Local).and(read)
        })?;
        arrival.set_length(size).map_err(Failure::Local)
    }

    fn read_runs(
        &mut self,
        from: u64,
        size: u64,
        full: SyncSender<(Part, Vec<u8>)>,
        empty: &Receiver<Vec<u8>>,
        there: &mut dyn FnMut(u64),
    ) -> Result<(), Failure> {
        let mut ahead = runs(from, size);
        for part in ahead.by_ref().take(WINDOW) {
            self.say(&Message::Pull(part))?;
        }
        for part in runs(from, size) {
            let mut bytes = empty.try_recv().unwrap_or_default();
            bytes.resize(part.length, 0);
            let Message::Run(came, expected) = self.hear()? else { return Err(unexpected()) };
            if came != part {
                return Err(unexpected());
            }
            self.stream.read_exact(&mut bytes).map_err(Failure::Connection)?;
            if let Some(next) = ahead.next() {
                self.say(&Message::Pull(next))?;
            }
            if digests(&bytes) != expected {
                return Err(Failure::Refused(Problem::from(Cause::Corrupt)));
            }
            if full.send((part, bytes)).is_err() {
                // The writer has failed, and says why.
                return Ok(());
            }
            there(part.end());
        }
        Ok(())
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

/// Writes what comes, and gives the empty buffers back.
fn write(arrival: &Arrival, full: &Receiver<(Part, Vec<u8>)>, empty: &Sender<Vec<u8>>) -> io::Result<()> {
    while let Ok((part, bytes)) = full.recv() {
        arrival.set_length(part.end())?;
        arrival.write(&bytes, part.offset)?;
        // The reader may have ended: then nobody needs it.
        let _ = empty.send(bytes);
    }
    Ok(())
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
