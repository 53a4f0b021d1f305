//! A transfer that is cut: whatever dies on the way, the place holds the old file or the new one, and the next attempt
//! goes on where the last one ended.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Child,
};

use super::files::{MIB, copy, cp, noise, partials, server, text, url};
use crate::support::*;

/// What the wire lets through, of a file of twice as much.
const HALF: usize = 4 * MIB;

/// An old file at its place, and the new one that is to come there.
struct Replacement {
    content: Vec<u8>,
    new: PathBuf,
    old: PathBuf,
}

impl Replacement {
    fn new(new: &Path, old: &Path) -> Self {
        let content = noise(2 * HALF + 5);
        fs::write(new, &content).unwrap();
        fs::write(old, "old").unwrap();
        Self { content, new: new.to_owned(), old: old.to_owned() }
    }

    /// Waits until a good part of it has arrived beside its place.
    #[track_caller]
    fn wait_part(&self) {
        let folder = self.old.parent().unwrap();
        eventually("a part has arrived", || {
            let length = fs::metadata(partials(folder).pop()?).ok()?.len();
            (length > 2 * MIB as u64).then_some(())
        });
        assert_eq!(fs::read(&self.old).unwrap(), b"old", "never half of it");
    }

    /// Waits until nobody is at what has arrived of it any more.
    #[track_caller]
    fn wait_left(&self) {
        let partial = partials(self.old.parent().unwrap()).pop().unwrap();
        let partial = fs::File::open(partial).unwrap();
        eventually("nobody is at it", || partial.try_lock().ok());
    }

    /// Checks that it has arrived, and left nothing.
    #[track_caller]
    fn check_arrived(&self) {
        assert!(fs::read(&self.old).unwrap() == self.content, "the new file");
        assert!(partials(self.old.parent().unwrap()).is_empty());
    }
}

/// A server, and a client of it whose first half has arrived; the wire holds the other.
struct Halfway {
    server: Instance,
    here: PathBuf,
    wire: Wire,
    big: Replacement,
    client: Child,
}

/// One that fetches.
#[track_caller]
fn fetching() -> Halfway {
    let (server, here) = server();
    let wire = Wire::to(server.address(), HALF as u64);
    let big = Replacement::new(&server.launch.root().path().join("big"), &here.join("big"));
    let client = copy(&url(wire.address(), "big"), text(&big.old));
    big.wait_part();
    Halfway { server, here, wire, big, client }
}

/// One that sends.
#[track_caller]
fn sending() -> Halfway {
    let (server, here) = server();
    let wire = Wire::to(server.address(), HALF as u64);
    let big = Replacement::new(&here.join("big"), &server.launch.root().path().join("big"));
    let client = copy(text(&big.new), &url(wire.address(), "big"));
    big.wait_part();
    Halfway { server, here, wire, big, client }
}

fn kill(mut client: Child) {
    client.kill().unwrap();
    client.wait().unwrap();
}

/// How a client ended, and what it complained of.
#[track_caller]
fn end(client: &mut Child) -> (bool, String) {
    let status = eventually("the client ends", || client.try_wait().unwrap());
    let mut words = String::new();
    client.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    (status.success(), words)
}

#[test]
fn a_killed_client_that_fetched_leaves_the_old_file_and_the_next_goes_on() {
    let Halfway { server, wire: _wire, big, client, .. } = fetching();
    kill(client);
    assert_eq!(fs::read(&big.old).unwrap(), b"old");
    let line = cp(&url(server.address(), "big"), text(&big.old)).done().out;
    assert!(line.contains("of it were there"), "{line}");
    big.check_arrived();
}

#[test]
fn a_killed_client_that_sent_leaves_the_old_file_and_the_next_goes_on() {
    let Halfway { server, wire, big, client, .. } = sending();
    kill(client);
    wire.cut();
    big.wait_left();
    assert_eq!(fs::read(&big.old).unwrap(), b"old");
    let line = cp(text(&big.new), &url(server.address(), "big")).done().out;
    assert!(line.contains("of it were there"), "{line}");
    big.check_arrived();
}

#[test]
fn a_cut_network_is_told_and_the_next_attempt_goes_on() {
    let Halfway { server, wire, big, mut client, .. } = fetching();
    wire.cut();
    let (done, words) = end(&mut client);
    assert!(!done && words.contains("connection"), "{words}");
    assert_eq!(fs::read(&big.old).unwrap(), b"old");
    let line = cp(&url(server.address(), "big"), text(&big.old)).done().out;
    assert!(line.contains("of it were there"), "{line}");
    big.check_arrived();
}

#[test]
fn what_an_earlier_attempt_left_is_not_trusted() {
    let Halfway { server, here, wire: _wire, big, client } = fetching();
    kill(client);
    let partial = partials(&here).pop().unwrap();
    let mut left = fs::read(&partial).unwrap();
    left[MIB] ^= 1;
    fs::write(&partial, left).unwrap();
    let line = cp(&url(server.address(), "big"), text(&big.old)).done().out;
    assert!(line.contains("1.0 MiB of it were there"), "{line}");
    big.check_arrived();
}

#[test]
fn killed_workers_and_a_reload_are_not_noticed_by_who_sends() {
    let Halfway { server, wire, big, mut client, .. } = sending();
    server.allow("event=exited");
    for worker in server.workers() {
        send(worker, Signal::SIGKILL);
    }
    server.wait_workers(2);
    server.operate("reload", &[]).done();
    assert_eq!(fs::read(&big.old).unwrap(), b"old");
    wire.release();
    let (done, words) = end(&mut client);
    assert!(done, "{words}");
    big.check_arrived();
}

#[test]
fn a_reload_and_an_upgrade_are_not_noticed_by_who_fetches() {
    let Halfway { server, wire, big, mut client, .. } = fetching();
    // Each waits for the old workers' end, and these for the client: so it must go on meanwhile.
    wire.release();
    server.operate("reload", &[]).done();
    server.operate("upgrade", &[]).done();
    let (done, words) = end(&mut client);
    assert!(done, "{words}");
    big.check_arrived();
}

#[test]
fn a_connection_that_hangs_leaves_nothing_once_another_has_brought_the_file() {
    let Halfway { server, wire, big, client, .. } = sending();
    cp(text(&big.new), &url(server.address(), "big")).done();
    assert!(fs::read(&big.old).unwrap() == big.content, "the hanging one is in nobody's way");
    kill(client);
    wire.cut();
    let folder = big.old.parent().unwrap();
    eventually("what had arrived is gone", || partials(folder).is_empty().then_some(()));
    big.check_arrived();
}
