//! How many descriptors this process may hold.

use std::{io, sync::OnceLock};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The soft limit that this process was started with, once it was raised.
static AT_START: OnceLock<u64> = OnceLock::new();

/// The limit on open descriptors: what holds now, and how far this process may raise it. getrlimit(2).
///
/// # Errors
/// None that is known.
pub fn descriptors() -> io::Result<(u64, u64)> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?)
}

/// The soft limit that this process was started with, if it has raised it since: a program that it starts may use
/// select(2), and break beyond.
pub fn descriptors_at_start() -> Option<u64> {
    AT_START.get().copied()
}

/// This process goes on with what another program of the same pid began, and that one had raised the limit from `soft`.
pub fn went_on_from(soft: Option<u64>) {
    if let Some(soft) = soft {
        AT_START.get_or_init(|| soft);
    }
}

/// Raises the limit on open descriptors to `want` or as near as it may go, and returns what holds then.
///
/// Children inherit it. It is never lowered. setrlimit(2).
///
/// # Errors
/// `EPERM` where a sandbox forbids it.
pub fn raise_descriptors(want: u64) -> io::Result<u64> {
    let (soft, hard) = descriptors()?;
    let raised = want.min(hard).max(soft);
    if raised > soft {
        setrlimit(Resource::RLIMIT_NOFILE, raised, hard)?;
        AT_START.get_or_init(|| soft);
    }
    Ok(raised)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_only_rises_and_never_beyond_what_is_allowed() {
        let (soft, hard) = descriptors().unwrap();
        assert_eq!(raise_descriptors(1).unwrap(), soft);
        assert_eq!(raise_descriptors(u64::MAX).unwrap(), hard);
        assert_eq!(descriptors().unwrap(), (hard, hard));
        assert_eq!(descriptors_at_start(), (soft < hard).then_some(soft));
    }
}
