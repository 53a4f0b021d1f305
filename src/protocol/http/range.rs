//! A part of a file (RFC 9110, section 14): one range of bytes.
//!
//! Several ranges in one request are answered with the whole, which that section allows and which no client can turn
//! into work for nothing.

use std::ops::Range;

/// What a Range field asks for, of a body of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// The whole: the field is none that is understood here, and is to be ignored.
    Whole,
    /// These bytes, one at least, all within the length.
    Part(Range<u64>),
    /// Nothing that there is: 416.
    Unsatisfiable,
}

/// Reads a Range field against a body of `length` bytes.
///
/// ```
/// use forkd::protocol::http::range::{Requested, parse};
///
/// assert_eq!(parse(b"bytes=0-4", 13), Requested::Part(0..5));
/// assert_eq!(parse(b"bytes=-3", 13), Requested::Part(10..13));
/// assert_eq!(parse(b"bytes=13-", 13), Requested::Unsatisfiable);
/// ```
pub fn parse(field: &[u8], length: u64) -> Requested {
    let Some((first, last)) = positions(field) else { return Requested::Whole };
    let part = match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => return Requested::Whole,
        (Some(first), Some(last)) => first..last.saturating_add(1).min(length),
        (Some(first), None) if last.is_empty() => first..length,
        (None, Some(count)) if first.is_empty() => length.saturating_sub(count)..length,
        _ => return Requested::Whole,
    };
    if part.is_empty() { Requested::Unsatisfiable } else { Requested::Part(part) }
}

/// What stands on either side of the dash of the only range.
fn positions(field: &[u8]) -> Option<(&str, &str)> {
    let (unit, set) = str::from_utf8(field).ok()?.split_once('=')?;
    let range = unit.eq_ignore_ascii_case("bytes").then(|| set.trim_matches([' ', '\t']))?;
    if range.contains(',') {
        return None;
    }
    range.split_once('-')
}

/// Digits and nothing else. A number beyond all files counts as the largest.
fn number(digits: &str) -> Option<u64> {
    let lawful = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    lawful.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::{Requested::*, *};

    #[test]
    fn one_range_of_a_hundred_bytes() {
        for (field, requested) in [
            ("bytes=0-0", Part(0..1)),
            ("bytes=0-", Part(0..100)),
            ("bytes=99-", Part(99..100)),
            ("bytes=50-1000", Part(50..100)),
            ("BYTES= 0-1 ", Part(0..2)),
            ("bytes=-1", Part(99..100)),
            ("bytes=-1000", Part(0..100)),
            ("bytes=0-99999999999999999999999", Part(0..100)),
            ("bytes=18446744073709551615-", Unsatisfiable),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=5-4", Whole),
            ("bytes=0-1,2-3", Whole),
            ("bytes=", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes", Whole),
            ("lines=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(parse(field.as_bytes(), 100), requested, "{field}");
        }
    }

    #[test]
    fn of_nothing_every_range_is_unsatisfiable() {
        for field in ["bytes=0-", "bytes=0-0", "bytes=-1"] {
            assert_eq!(parse(field.as_bytes(), 0), Unsatisfiable, "{field}");
        }
    }
}
