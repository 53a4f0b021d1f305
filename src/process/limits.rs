//! How many descriptors this process may hold.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The limit on open descriptors: what holds now, and how far this process may raise it. getrlimit(2).
///
/// # Errors
/// None that is known.
pub fn descriptors() -> io::Result<(u64, u64)> {
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?)
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
    }
}
