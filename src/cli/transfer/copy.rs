//! One file after the other, over one connection for each server, with patience for a server that restarts.

use std::{collections::HashMap, fs, path::Path, thread, time::Duration};

use super::{
    failed::{failed, failed_amid},
    plan::Job,
    progress::{Meter, Total},
    url::Url,
};
use crate::{
    Error,
    app::transfer::client::{Client, Failure, Told},
    cli::{out, words},
};

/// How often in a row an attempt may fail without a byte having moved.
const ATTEMPTS: u32 = 6;

/// How long to wait before the second attempt; each further one takes twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// Copies files.
pub struct Copier {
    clients: HashMap<String, Client>,
    total: Total,
}

impl Copier {
    /// A copier without connections.
    pub fn new() -> Self {
        Self { clients: HashMap::new(), total: Total::of(0) }
    }

    /// Asks something of a server, over the connection that there is or a new one.
    pub fn ask<T>(
        &mut self,
        url: &Url,
        mut ask: impl FnMut(&mut Client) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        self.patiently(url, |client, _| ask(client))
    }

    /// Does all that can be done, and says of what cannot why not; how much that is.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn copy_all(&mut self, jobs: &[Job]) -> crate::Result<usize> {
        let files = jobs.iter().filter(|job| job.is_file()).count();
        self.total = Total::of(files);
        let failures = jobs.iter().filter(|job| !self.copy(job)).count();
        if files > 1 {
            out::line(&self.total.summary())?;
        }
        Ok(failures)
    }

    /// Does it; whether it could be done. Why not is said.
    fn copy(&mut self, job: &Job) -> bool {
        let done = match job {
            Job::Fetch(url, to) => self.move_file(url, &to.to_string_lossy(), |client, told| {
                client.fetch(&url.path, to, told).map(drop)
            }),
            Job::Store(from, url) => self.move_file(url, &url.to_string(), |client, told| {
                client.store(from, &url.path, told).map(drop)
            }),
            Job::MakeRemote(url) => self
                .ask(url, |client| client.make_directory(&url.path))
                .map_err(|failure| failed(&format!("make {url}"), &failure)),
            Job::MakeLocal(path) => make_directory(path),
            Job::Impossible => return false,
        };
        done.inspect_err(|error| out::complain(&error.to_string())).is_ok()
    }

    fn move_file(
        &mut self,
        url: &Url,
        to: &str,
        mut copy: impl FnMut(&mut Client, Told<'_>) -> Result<(), Failure>,
    ) -> Result<(), Error> {
        let mut meter = Meter::new(&self.total.label(url.name()));
        let done = self.patiently(url, |client, moved| {
            copy(client, &mut |progress| {
                *moved |= progress.there > progress.kept;
                meter.show(progress);
            })
        });
        meter.clear();
        done.map_err(|failure| {
            failed_amid(&format!("copy to {}", words::printable(to)), &failure, meter.left())
        })?;
        self.total.add(&meter);
        out::line(&meter.summary(&words::printable(to)))
    }

    /// Tries again, over a new connection, what failed for a reason that passes.
    fn patiently<T>(
        &mut self,
        url: &Url,
        mut ask: impl FnMut(&mut Client, &mut bool) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut failures = 0;
        loop {
            let mut moved = false;
            let answer = self.client(url).and_then(|client| ask(client, &mut moved));
            let Err(failure) = answer else { return answer };
            // Nothing is known of where the conversation stands.
            let known = self.clients.remove(&url.server).is_some();
            failures = if moved { 1 } else { failures + 1 };
            // Nobody has ever answered there: that is an address, not a restart.
            let never = failures == 1 && !known && matches!(failure, Failure::Connection(_));
            if never || failures >= ATTEMPTS || !failure.is_passing() {
                return Err(failure);
            }
            thread::sleep(FIRST_WAIT * 2_u32.pow(failures - 1));
        }
    }

    fn client(&mut self, url: &Url) -> Result<&mut Client, Failure> {
        if !self.clients.contains_key(&url.server) {
            let client = Client::connect(&*url.server)?;
            self.clients.insert(url.server.clone(), client);
        }
        // It is there now.
        self.clients.get_mut(&url.server).ok_or_else(|| Failure::Local(std::io::ErrorKind::NotFound.into()))
    }
}

fn make_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(|cause| {
        Error::system(format!("make the directory {}", words::printable(&path.to_string_lossy())), cause)
    })
}
