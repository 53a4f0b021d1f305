//! How many descriptors the master needs, and whether the limit allows it: better said at start than found out at a
//! reload.

use super::{choices::Balance, settings::Settings};
use crate::{
    error::{Error, Result},
    listener::Address,
    process::limits,
};

/// Those of the master itself: standard streams, signals, lifeline, scoreboard, control socket and its clients, log.
const MASTER: u64 = 64;

/// Those of one worker: its channel and its pidfd.
const PER_CHILD: u64 = 2;

/// Those of one program: its notify socket, and the pipes of its output and error.
const PER_PROGRAM: u64 = 3;

/// During a reload a slot has two children.
const CHILDREN_PER_SLOT: u64 = 2;

/// How many descriptors the master of these settings needs at its busiest moment.
pub fn needed(settings: &Settings) -> u64 {
    let workers = u64::from(settings.workers.range().most);
    let per_child = if settings.program.is_some() { PER_PROGRAM } else { PER_CHILD };
    // At worst each slot has its own socket at each address.
    let sockets = settings.listen.iter().map(|address| if has_many(settings, address) { workers } else { 1 });
    MASTER + sockets.sum::<u64>() + workers * per_child * CHILDREN_PER_SLOT
}

/// Whether each slot may have its own socket there.
fn has_many(settings: &Settings, address: &Address) -> bool {
    let datagrams = matches!(address, Address::Udp(_) | Address::AnyUdp(_));
    let many = match settings.balance {
        Some(Balance::Shared) => false,
        Some(Balance::Reuseport) => true,
        None => datagrams,
    };
    many && address.can_have_many_queues()
}

/// Says whether the hard limit of this process allows them; the soft one can be raised.
///
/// # Errors
/// A failure that names both numbers.
pub fn check(settings: &Settings) -> Result<()> {
    let (_, hard) =
        limits::descriptors().map_err(|cause| Error::system("read the limit on descriptors", cause))?;
    suffices(settings, hard)
}

/// Says whether this limit suffices.
fn suffices(settings: &Settings, limit: u64) -> Result<()> {
    let needed = needed(settings);
    if needed <= limit {
        return Ok(());
    }
    let workers = settings.workers.range().most;
    let text = format!(
        "cannot run {workers} workers: their master needs {needed} descriptors, the limit is {limit}"
    );
    Err(Error::failed(text).remedy(format!("raise it with ulimit -n {needed}, or take fewer workers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Workers;

    #[test]
    fn the_limit_grows_with_the_workers() {
        let mut settings = Settings::new("http");
        settings.workers = Workers::Fixed(4);
        suffices(&settings, 256).expect("enough for four");
        settings.workers = Workers::Fixed(1000);
        let error = suffices(&settings, 256).expect_err("too few").to_string();
        assert!(
            error.contains("needs 4064 descriptors, the limit is 256 (raise it with ulimit -n 4064"),
            "{error}"
        );
    }
}
