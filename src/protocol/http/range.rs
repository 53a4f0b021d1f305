//! Parts of a file (RFC 9110, section 14): one range of bytes, or several.
//!
//! Several ranges never become more work or more bytes than the file itself: those that overlap are sent as one, and a
//! set that no honest client asks for is refused, as section 14.2 of that RFC allows.

use std::ops::Range;

/// The most ranges that are served at once.
pub const MOST: usize = 64;

/// How many ranges may stand in any order; more than these are expected in ascending order.
const MOST_UNORDERED: usize = 16;

/// What a Range field asks for, of a body of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// The whole: the field is none that is understood here, and is to be ignored.
    Whole,
    /// These bytes, one at least, all within the length.
    Part(Range<u64>),
    /// These parts, two at least, none of which overlaps another, in the order in which they were asked for.
    Parts(Vec<Range<u64>>),
    /// Nothing that there is, or a set that is absurd: 416.
    Unsatisfiable,
}

/// Reads a Range field against a body of `length` bytes.
///
/// ```
/// use forkd::protocol::http::range::{Requested, parse};
///
/// assert_eq!(parse(b"bytes=0-4", 13), Requested::Part(0..5));
/// assert_eq!(parse(b"bytes=-3", 13), Requested::Part(10..13));
/// assert_eq!(parse(b"bytes=0-1,4-", 13), Requested::Parts(vec![0..2, 4..13]));
/// assert_eq!(parse(b"bytes=13-", 13), Requested::Unsatisfiable);
/// ```
pub fn parse(field: &[u8], length: u64) -> Requested {
    let Some(set) = set(field) else { return Requested::Whole };
    let mut parts = Vec::new();
    let mut count = 0;
    for range in set.split(',').map(|range| range.trim_matches([' ', '\t'])).filter(|range| !range.is_empty())
    {
        let Some(part) = part(range, length) else { return Requested::Whole };
        count += 1;
        if !part.is_empty() && parts.len() <= MOST {
            parts.push(part);
        }
    }
    if count == 0 {
        return Requested::Whole;
    }
    if count > MOST || is_absurd(&parts) {
        return Requested::Unsatisfiable;
    }
    let mut parts = merged(parts);
    match parts.len() {
        0 => Requested::Unsatisfiable,
        1 => Requested::Part(parts.swap_remove(0)),
        _ => Requested::Parts(parts),
    }
}

/// What stands behind `bytes=`.
fn set(field: &[u8]) -> Option<&str> {
    let (unit, set) = str::from_utf8(field).ok()?.split_once('=')?;
    unit.eq_ignore_ascii_case("bytes").then_some(set)
}

/// One range, empty if there are no such bytes; `None` if it is none.
fn part(range: &str, length: u64) -> Option<Range<u64>> {
    let (first, last) = range.split_once('-')?;
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first > last => None,
        (Some(first), Some(last)) => Some(first..last.saturating_add(1).min(length)),
        (Some(first), None) if last.is_empty() => Some(first..length),
        (None, Some(count)) if first.is_empty() => Some(length.saturating_sub(count)..length),
        _ => None,
    }
}

/// Digits and nothing else. A number beyond all files counts as the largest.
fn number(digits: &str) -> Option<u64> {
    let lawful = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    lawful.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Whether more than two of the ranges overlap, or many stand in disorder.
fn is_absurd(parts: &[Range<u64>]) -> bool {
    if parts.len() > MOST_UNORDERED && !parts.is_sorted_by_key(|part| part.start) {
        return true;
    }
    let mut sorted: Vec<_> = parts.iter().collect();
    sorted.sort_by_key(|part| part.start);
    let (mut overlaps, mut end) = (0, 0);
    for part in sorted {
        overlaps += usize::from(part.start < end);
        end = end.max(part.end);
    }
    overlaps > 1
}

/// The same parts, two that overlap as one.
fn merged(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut merged: Vec<Range<u64>> = Vec::with_capacity(parts.len());
    for part in parts {
        match merged.iter_mut().find(|other| other.start < part.end && part.start < other.end) {
            Some(other) => *other = other.start.min(part.start)..other.end.max(part.end),
            None => merged.push(part),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::{Requested::*, *};

    #[test]
    fn ranges_of_a_hundred_bytes() {
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
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes=-", Whole),
            ("bytes=a-b", Whole),
            ("bytes=+1-2", Whole),
            ("bytes=1-2-3", Whole),
            ("bytes", Whole),
            ("lines=0-1", Whole),
            ("", Whole),
            ("bytes=0-1,2-3", Parts(vec![0..2, 2..4])),
            ("bytes=90-, ,0-1\t", Parts(vec![90..100, 0..2])),
            ("bytes=0-1,200-300,-2", Parts(vec![0..2, 98..100])),
            ("bytes=0-1,200-", Part(0..2)),
            ("bytes=100-,200-", Unsatisfiable),
            ("bytes=0-1,5-4", Whole),
            ("bytes=0-1,x", Whole),
            // The head and the tail of a file that is shorter than they are.
            ("bytes=0-79,-80", Part(0..100)),
            ("bytes=40-59,0-9,50-69", Parts(vec![40..70, 0..10])),
            ("bytes=0-,0-,0-", Unsatisfiable),
            ("bytes=0-9,5-14,50-59,55-64", Unsatisfiable),
        ] {
            assert_eq!(parse(field.as_bytes(), 100), requested, "{field}");
        }
    }

    #[test]
    fn of_nothing_every_range_is_unsatisfiable() {
        for field in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=0-,-1"] {
            assert_eq!(parse(field.as_bytes(), 0), Unsatisfiable, "{field}");
        }
    }

    #[test]
    fn many_ranges_are_served_in_order_and_refused_in_disorder() {
        let set = |numbers: &mut dyn Iterator<Item = usize>| {
            let ranges: Vec<_> = numbers.map(|number| format!("{0}-{0}", number * 2)).collect();
            parse(format!("bytes={}", ranges.join(",")).as_bytes(), 1000)
        };
        assert!(matches!(set(&mut (0..MOST)), Parts(parts) if parts.len() == MOST));
        assert!(matches!(set(&mut (0..MOST_UNORDERED).rev()), Parts(parts) if parts.len() == MOST_UNORDERED));
        assert_eq!(set(&mut (0..=MOST)), Unsatisfiable);
        assert_eq!(set(&mut (0..=MOST_UNORDERED).rev()), Unsatisfiable);
        assert_eq!(set(&mut (600..1000)), Unsatisfiable);
    }
}
