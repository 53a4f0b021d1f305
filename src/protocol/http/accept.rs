//! What a client likes to get (RFC 9110, section 12): lists of words, each with a weight.

use super::{Fields, fields::list};

/// How much a client likes something, in thousandths; 0 is not at all.
pub type Weight = u16;

/// A content coding of which a site may have files beside the plain ones (RFC 9110, section 8.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Brotli (RFC 7932).
    Brotli,
    /// Zstandard (RFC 8878).
    Zstd,
    /// The format of gzip (RFC 1952).
    Gzip,
}

impl Coding {
    /// All of them; the ones in front are mostly smaller.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// Its word in Accept-Encoding and Content-Encoding.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What stands behind the name of a file that has it.
    pub const fn suffix(self) -> &'static [u8] {
        match self {
            Self::Brotli => b".br",
            Self::Zstd => b".zst",
            Self::Gzip => b".gz",
        }
    }

    fn is_called(self, word: &[u8]) -> bool {
        word.eq_ignore_ascii_case(self.word().as_bytes())
            || self == Self::Gzip && word.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// The codings that a client takes at least as gladly as the plain file, the dearest first. Without an
/// Accept-Encoding field it could take any, but nobody counts on that.
///
/// ```
/// use forkd::protocol::http::accept::{Coding, codings};
///
/// assert_eq!(codings([&b"gzip, br;q=0.5"[..]].into_iter()), [Coding::Gzip, Coding::Brotli]);
/// assert_eq!(codings([&b"gzip;q=0"[..]].into_iter()), []);
/// ```
pub fn codings<'a>(values: impl Iterator<Item = &'a [u8]> + Clone) -> Vec<Coding> {
    let named = |is: &dyn Fn(&[u8]) -> bool| {
        values.clone().flat_map(weighted).find(|(word, _)| is(word)).map(|(_, weight)| weight)
    };
    let others = named(&|word| word == b"*");
    let plain = named(&|word| word.eq_ignore_ascii_case(b"identity")).or(others).unwrap_or(0);
    let weight = |coding: Coding| named(&|word| coding.is_called(word)).or(others).unwrap_or(0);
    let mut liked: Vec<_> = Coding::ALL.into_iter().map(|coding| (coding, weight(coding))).collect();
    liked.retain(|(_, weight)| *weight > 0 && *weight >= plain);
    liked.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    liked.into_iter().map(|(coding, _)| coding).collect()
}

/// Which of the media types on offer the client likes best; of those that it likes alike, the first. The first one,
/// too, if it likes none: a page in another form is more than none (RFC 9110, section 12.4.1).
///
/// ```
/// use forkd::protocol::http::{Fields, accept::preferred};
///
/// assert_eq!(preferred(&Fields::default(), &["text/html", "application/json"]), 0);
/// ```
pub fn preferred(fields: &Fields<'_>, offers: &[&str]) -> usize {
    let weight = |offer: &&str| {
        let ranges = fields.all("accept").flat_map(weighted);
        let fitting = ranges.filter_map(|(range, weight)| Some((precision(range, offer)?, weight)));
        // The most precise range that fits says how much.
        fitting.max_by_key(|(precision, _)| *precision).map_or(0, |(_, weight)| weight)
    };
    let weights = offers.iter().map(weight).enumerate();
    // The last of the greatest is taken: the first in the opposite order.
    weights.rev().max_by_key(|(_, weight)| *weight).map_or(0, |(index, _)| index)
}

/// How precisely a range such as `text/*` means this media type; `None` if it does not.
fn precision(range: &[u8], media_type: &str) -> Option<u8> {
    let (kind, _) = media_type.split_once('/')?;
    if range.eq_ignore_ascii_case(media_type.as_bytes()) {
        Some(2)
    } else if range.strip_suffix(b"/*").is_some_and(|range| range.eq_ignore_ascii_case(kind.as_bytes())) {
        Some(1)
    } else {
        (range == b"*/*").then_some(0)
    }
}

/// The words of a list with their weights. One whose weight is none is left out.
fn weighted(value: &[u8]) -> impl Iterator<Item = (&[u8], Weight)> {
    list(value).filter_map(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let word = parts.next().filter(|word| !word.is_empty())?;
        let value = parts.find_map(|part| part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q=")));
        Some((word, value.map_or(Some(1000), thousandths)?))
    })
}

/// `1`, `0.5`, `0.125`: at most three digits behind the point, and nothing above one (RFC 9110, section 12.4.2).
fn thousandths(value: &[u8]) -> Option<Weight> {
    let (whole, rest) = value.split_first()?;
    let digits = match rest {
        [] => rest,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut weight: Weight = match whole {
        b'0' => 0,
        b'1' => 1,
        _ => return None,
    };
    for place in 0..3 {
        let digit = digits.get(place).copied().unwrap_or(b'0');
        weight = weight * 10 + Weight::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (weight <= 1000).then_some(weight)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(value: &str) -> Vec<&'static str> {
        codings([value.as_bytes()].into_iter()).into_iter().map(Coding::word).collect()
    }

    #[test]
    fn codings_by_weight_and_then_by_size() {
        for (value, expected) in [
            ("gzip", &["gzip"][..]),
            ("x-gzip", &["gzip"]),
            ("GZIP, Br", &["br", "gzip"]),
            ("gzip, deflate, br, zstd", &["br", "zstd", "gzip"]),
            ("br;q=0.1, gzip;q=0.9", &["gzip", "br"]),
            ("br;q=0, gzip", &["gzip"]),
            ("*", &["br", "zstd", "gzip"]),
            ("*;q=0.5, gzip", &["gzip", "br", "zstd"]),
            ("*;q=0, br", &["br"]),
            ("identity, gzip;q=0.5", &[]),
            ("identity;q=0.5, gzip;q=0.5", &["gzip"]),
            ("identity;q=0, *", &["br", "zstd", "gzip"]),
            ("gzip;q=1.001", &[]),
            ("gzip;q=2", &[]),
            ("gzip;q=", &[]),
            ("gzip;q=0.0001", &[]),
            ("gzip;q=0.001", &["gzip"]),
            ("gzip ; Q=1.000", &["gzip"]),
            ("", &[]),
            (",,;q=1", &[]),
            ("gzipped, brr", &[]),
        ] {
            assert_eq!(words(value), expected, "{value}");
        }
        assert_eq!(codings([&b"gzip"[..], b"br"].into_iter()), [Coding::Brotli, Coding::Gzip]);
        assert_eq!(codings(std::iter::empty()), []);
    }

    #[test]
    fn media_types_by_weight_and_then_by_offer() {
        const OFFERS: [&str; 3] = ["text/html", "application/json", "text/plain"];
        for (accept, expected) in [
            ("*/*", 0),
            ("application/json", 1),
            ("text/plain", 2),
            ("text/*", 0),
            ("application/*, text/html;q=0.9", 1),
            ("text/html, application/json", 0),
            ("text/html;q=0, */*", 1),
            ("text/*;q=0.3, text/plain;q=0.7, application/json;q=0.5", 2),
            ("image/png", 0),
            ("", 0),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", 0),
            ("Application/JSON; charset=utf-8", 1),
        ] {
            let header = [httparse::Header { name: "Accept", value: accept.as_bytes() }];
            assert_eq!(preferred(&Fields(&header), &OFFERS), expected, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(value in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(codings([value.as_slice()].into_iter()).len() <= Coding::ALL.len());
            let header = [httparse::Header { name: "Accept", value: &value }];
            prop_assert!(preferred(&Fields(&header), &["text/html", "text/plain"]) < 2);
        }

        #[test]
        fn what_is_listed_with_a_weight_is_taken_in_that_order(weights in prop::array::uniform3(1_u16..=1000)) {
            let value = Coding::ALL.iter().zip(weights);
            let value: Vec<_> =
                value.map(|(coding, weight)| format!("{};q={}.{:03}", coding.word(), weight / 1000, weight % 1000)).collect();
            let mut expected: Vec<_> = Coding::ALL.into_iter().zip(weights).collect();
            expected.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
            let expected: Vec<_> = expected.into_iter().map(|(coding, _)| coding.word()).collect();
            prop_assert_eq!(words(&value.join(", ")), expected);
        }
    }
}
