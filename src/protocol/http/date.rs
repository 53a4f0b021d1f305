//! Dates (RFC 9110, section 5.6.7), both ways.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second that has a date: 31 December 9999, 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;

/// The `Date` of an answer, made anew once a second by the caller's clock.
///
/// ```
/// use forkd::protocol::http::DateCache;
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let mut date = DateCache::new();
/// assert_eq!(date.at(UNIX_EPOCH + Duration::from_millis(784_111_777_900)), b"Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
#[derive(Debug, Clone)]
pub struct DateCache {
    second: u64,
    text: [u8; 29],
}

impl DateCache {
    /// A cache that stands at 1 January 1970.
    pub const fn new() -> Self {
        Self { second: 0, text: *b"Thu, 01 Jan 1970 00:00:00 GMT" }
    }

    /// The date at `now`; a time that has no date counts as the nearest that has one.
    pub fn at(&mut self, now: SystemTime) -> &[u8; 29] {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if second != self.second {
            self.second = second;
            let text = format(now);
            self.text.copy_from_slice(text.as_bytes());
        }
        &self.text
    }

    /// The date at the last look at the clock.
    pub const fn text(&self) -> &[u8; 29] {
        &self.text
    }
}

impl Default for DateCache {
    fn default() -> Self {
        Self::new()
    }
}

/// The date of `time`, always 29 bytes; a time that has no date counts as the nearest that has one.
pub fn format(time: SystemTime) -> String {
    httpdate::fmt_http_date(within_dates(time))
}

/// The nearest time that has a date, to the second: a file can claim to be from 1901 or from the year 60,000.
pub fn within_dates(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LAST_SECOND);
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// The time of a date in any of its three forms; `None` for anything else, which a recipient ignores.
pub fn parse(date: &[u8]) -> Option<SystemTime> {
    httpdate::parse_http_date(str::from_utf8(date).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_without_a_date_do_not_panic() {
        assert_eq!(format(UNIX_EPOCH - Duration::from_secs(1)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(
            format(UNIX_EPOCH + Duration::from_secs(LAST_SECOND + 9)),
            "Fri, 31 Dec 9999 23:59:59 GMT"
        );
    }

    #[test]
    fn the_cache_follows_the_clock_both_ways() {
        let mut cache = DateCache::new();
        for second in [0, 5, 5, 6, 4, LAST_SECOND] {
            let now = UNIX_EPOCH + Duration::from_secs(second);
            assert_eq!(cache.at(now), format(now).as_bytes());
        }
    }

    #[test]
    fn dates_are_read_in_three_forms() {
        let time = Some(UNIX_EPOCH + Duration::from_secs(784_111_777));
        for date in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(parse(date.as_bytes()), time);
        }
        assert_eq!(parse(b"yesterday"), None);
        assert_eq!(parse(b"\xff"), None);
    }
}
