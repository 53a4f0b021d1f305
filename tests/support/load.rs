//! Clients that ask without pause while something happens to the server, and count every way to be let down.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

use super::{
    client::{Answer, Client, fetch},
    wait::eventually,
};

/// Load that runs until it is ended.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    address: SocketAddr,
    path: String,
    body: Vec<u8>,
    served: AtomicU64,
    ended: AtomicBool,
    failures: Mutex<BTreeMap<String, u64>>,
}

/// What became of the requests.
#[derive(Debug)]
pub struct Tally {
    pub served: u64,
    /// How many failed, by what the client saw.
    pub failures: BTreeMap<String, u64>,
}

impl Load {
    /// Two clients that keep their connection and two that make one for each request.
    pub fn start(address: SocketAddr, path: &str, body: &[u8]) -> Self {
        let shared = Arc::new(Shared {
            address,
            path: path.to_owned(),
            body: body.to_owned(),
            served: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            failures: Mutex::default(),
        });
        let roads: [fn(&Shared); 4] =
            [Shared::keep_alive, Shared::one_shot, Shared::keep_alive, Shared::one_shot];
        let start = |road: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || road(&shared))
        };
        let load = Self { threads: roads.map(start).into(), shared };
        load.wait_served(50);
        load
    }

    /// Waits until so many more requests have been answered.
    #[track_caller]
    pub fn wait_served(&self, more: u64) {
        let goal = self.shared.served.load(Ordering::Relaxed) + more;
        eventually(&format!("{more} more answers; failures: {:?}", self.failures()), || {
            (self.shared.served.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Ends the load and tells what became of it.
    pub fn end(mut self) -> Tally {
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a client does not panic");
        }
        Tally { served: self.shared.served.load(Ordering::Relaxed), failures: self.failures() }
    }

    fn failures(&self) -> BTreeMap<String, u64> {
        self.shared.failures.lock().expect("no client panics").clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

impl Tally {
    /// Nothing was lost, cut or answered wrongly.
    #[track_caller]
    pub fn assert_whole(&self) {
        assert!(self.served > 0, "nothing was served");
        assert!(self.failures.is_empty(), "{} served, failed: {:#?}", self.served, self.failures);
    }
}

impl Shared {
    fn keep_alive(&self) {
        let mut kept: Option<Client> = None;
        while !self.ended.load(Ordering::Relaxed) {
            let result =
                kept.take().map_or_else(|| Client::connect(self.address), Ok).and_then(|mut client| {
                    let answer = client.get(&self.path)?;
                    // A server that says "close" has kept its promise: the next request goes elsewhere.
                    kept = (!answer.is_last()).then_some(client);
                    Ok(answer)
                });
            self.count("kept connection", result);
        }
    }

    fn one_shot(&self) {
        while !self.ended.load(Ordering::Relaxed) {
            self.count("new connection", fetch(self.address, &self.path));
        }
    }

    fn count(&self, road: &str, result: io::Result<Answer>) {
        let failure = match result {
            Ok(answer) if answer.status == 200 && answer.body == self.body => {
                self.served.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(answer) => format!("{road}: status {} with {} bytes", answer.status, answer.body.len()),
            Err(error) => format!("{road}: {error} ({:?})", error.kind()),
        };
        *self.failures.lock().expect("no client panics").entry(failure).or_default() += 1;
    }
}
