//! Fetching a file: runs are asked for ahead of their arrival, and finished by some threads side by side.

use std::{
    fs::File,
    io::{self, Read},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::FileExt},
    },
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use super::{Client, Failure, Progress, Told, unexpected};
use crate::{
    app::transfer::{arrival::Arrival, digest::digests},
    protocol::transfer::{Cause, Digest, Entry, Message, Part, Problem, RUN, WINDOW, runs},
};

/// How many threads there are beside the first, at most: so many outrun any network.
const MOST: usize = 3;

/// How many runs are asked for at once.
const BREATH: usize = WINDOW / 4;

/// The connection while runs come, and which ones.
struct Stream<'a, Runs> {
    client: &'a mut Client,
    /// Those to ask for.
    ahead: Runs,
    /// Those to come.
    awaited: Runs,
    /// How many have come since the last were asked for.
    came: usize,
}

/// The file while runs are written, and who hears of it.
struct Target<'a> {
    arrival: &'a Arrival,
    progress: Progress,
    told: Told<'a>,
}

impl Client {
    /// Fetches a file to a place on this side: the old file or the new one stands there, never a part. What an earlier
    /// attempt has left is used; `progress` hears of each run.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn fetch(&mut self, path: &str, to: &Path, progress: Told<'_>) -> Result<Entry, Failure> {
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

    fn fetch_into(&mut self, arrival: &Arrival, progress: Told<'_>) -> Result<(), Failure> {
        let size = arrival.size();
        let have = arrival.length().map_err(Failure::Local)?.min(size);
        let kept = self.same(arrival.file(), have)?;
        // First shorter, then longer: what follows is a hole.
        arrival.set_length(kept).map_err(Failure::Local)?;
        progress(Progress { kept, there: kept, size });
        self.read_runs(arrival, kept, progress)?;
        arrival.set_length(size).map_err(Failure::Local)
    }

    /// Each of some threads takes the next run off the connection, one after the other, holds it against its digests, all
    /// at once, and writes it, again one after the other: the kernel would have them spin for the file's lock. What a
    /// thread has received is in the cache of its own core then. (A client may have threads: it is no master, and
    /// forks nothing.)
    ///
    /// A later run may be written before an earlier one; if the client is killed then, the next one finds the gap,
    /// because it trusts no byte without its digest.
    fn read_runs(&mut self, arrival: &Arrival, kept: u64, progress: Told<'_>) -> Result<(), Failure> {
        let size = arrival.size();
        let mut ahead = runs(kept, size);
        self.say_all(ahead.by_ref().take(WINDOW).map(Message::Pull))?;
        let stream = Mutex::new(Some(Stream { client: self, ahead, awaited: runs(kept, size), came: 0 }));
        let target =
            Mutex::new(Target { arrival, progress: Progress { kept, there: kept, size }, told: progress });
        let work = || {
            let mut bytes = vec![0; RUN];
            while let Some((part, expected)) = next_run(&stream, &mut bytes)? {
                let bytes = &bytes[..part.length];
                let finished = check(bytes, &expected).and_then(|()| lock(&target).write(part, bytes));
                // Whoever comes for the next run finds none.
                finished.inspect_err(|_| *lock(&stream) = None)?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            // Besides this one as many as there are processors: now and then one waits for the network, or for its turn.
            let count = thread::available_parallelism().map_or(1, |count| count.get().min(MOST));
            let others: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
            let panicked = |_| Err(Failure::Local(io::Error::other("a thread of this client has panicked")));
            let ends = others.into_iter().map(|thread| thread.join().unwrap_or_else(panicked));
            // What this one does comes first, so that all are at work.
            let own = work();
            ends.fold(own, Result::and)
        })
    }

    /// How much of a file here is the same as the one that is open there, of its first `have` bytes.
    pub(super) fn same(&mut self, file: &File, have: u64) -> Result<u64, Failure> {
        let mut ahead = runs(0, have);
        self.say_all(ahead.by_ref().take(WINDOW).map(Message::Check))?;
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

impl<Runs: Iterator<Item = Part>> Stream<'_, Runs> {
    /// Receives the next run, and asks for further ones when some have come.
    fn receive(&mut self, bytes: &mut [u8]) -> Result<Option<(Part, Vec<Digest>)>, Failure> {
        let Some(part) = self.awaited.next() else { return Ok(None) };
        let Message::Run(came, expected) = self.client.hear()? else { return Err(unexpected()) };
        if came != part {
            return Err(unexpected());
        }
        self.client.stream.read_exact(&mut bytes[..part.length]).map_err(Failure::Connection)?;
        self.came += 1;
        if self.came == BREATH {
            self.client.say_all(self.ahead.by_ref().take(BREATH).map(Message::Pull))?;
            self.came = 0;
        }
        Ok(Some((part, expected)))
    }
}

impl Target<'_> {
    /// Writes a run that was found to be right.
    fn write(&mut self, part: Part, bytes: &[u8]) -> Result<(), Failure> {
        self.arrival.write(bytes, part.offset).map_err(Failure::Local)?;
        self.progress.there += part.length as u64;
        (self.told)(self.progress);
        Ok(())
    }
}

/// Receives the next run, if there is one and nobody has failed.
fn next_run<Runs: Iterator<Item = Part>>(
    stream: &Mutex<Option<Stream<'_, Runs>>>,
    bytes: &mut [u8],
) -> Result<Option<(Part, Vec<Digest>)>, Failure> {
    let mut stream = lock(stream);
    let Some(open) = stream.as_mut() else { return Ok(None) };
    let received = open.receive(bytes);
    if received.is_err() {
        *stream = None;
    }
    received
}

/// Holds a run against its digests.
fn check(bytes: &[u8], expected: &[Digest]) -> Result<(), Failure> {
    if digests(bytes) == expected { Ok(()) } else { Err(Failure::Refused(Problem::from(Cause::Corrupt))) }
}

/// What a thread that has panicked leaves is thrown away with all the rest.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
