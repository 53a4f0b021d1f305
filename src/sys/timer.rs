//! A deadline that holds even for a process that is stuck.

use std::{io, time::Duration};

use super::check;

/// Ends this process by SIGALRM after `delay`, whatever it is doing then; a second call sets a new delay.
///
/// It may be called from a signal handler. SIGALRM must have its default action. setitimer(2).
///
/// # Errors
/// None that a valid duration can cause.
pub fn arm_deadline(delay: Duration) -> io::Result<()> {
    let value = libc::timeval {
        tv_sec: libc::time_t::try_from(delay.as_secs()).unwrap_or(libc::time_t::MAX),
        // An all-zero value would disarm the timer, so "at once" is one microsecond.
        tv_usec: libc::suseconds_t::from(delay.subsec_micros().max(1)),
    };
    let once = libc::itimerval { it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 }, it_value: value };
    // SAFETY: the new value is a live, readable place; a null old value is allowed. The function is a bare system
    // call in the C libraries of Linux, so that a handler may call it.
    check(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const once, std::ptr::null_mut()) }).map(drop)
}
