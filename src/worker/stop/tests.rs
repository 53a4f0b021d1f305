//! What is heard, and that the descriptor is quiet again afterwards.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;
use crate::worker::{
    link::Porch,
    testing::{limits, link},
};

fn has_news(stop: &Stop) -> bool {
    let mut fds = [PollFd::new(stop.fd().unwrap(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
}

#[test]
fn a_drain_is_news_once_and_the_masters_death_is_news_after_it() {
    let (_link, mut bench) = link(limits(), Porch::default());
    let stop = &bench.stop;
    assert!(!has_news(stop) && !stop.look().unwrap() && !stop.requested());
    bench.worker = None;
    assert!(has_news(stop) && !stop.requested());
    assert!(stop.look().unwrap() && stop.requested() && !stop.orphaned());
    assert!(!has_news(stop));
    bench.master = None;
    assert!(has_news(stop) && stop.look().unwrap() && stop.orphaned());
    assert!(!has_news(stop));
}

#[test]
fn the_masters_death_alone_is_a_stop() {
    let (_link, mut bench) = link(limits(), Porch::default());
    bench.master = None;
    assert!(bench.stop.look().unwrap() && bench.stop.orphaned());
}
