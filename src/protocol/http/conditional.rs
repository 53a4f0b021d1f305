//! Conditional requests (RFC 9110, section 13): is what the client has still what we have?

use std::time::SystemTime;

use super::{Fields, date, fields::list};

/// What tells one state of a resource from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// Its entity tag with its quotes, `"5f3a-1c"` or `W/"5f3a-1c"`.
    pub etag: String,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// What the conditions of a request come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The request is to be served.
    Holds,
    /// The client has the current state: 304.
    NotModified,
    /// The client means another state: 412.
    Failed,
}

/// Whether the conditions of a request that changes or removes a resource hold, in the order of RFC 9110, section 13.2.2.
/// `state` is what it would change; `None` if there is nothing.
pub fn permits_change(state: Option<&Validators>, fields: &Fields<'_>) -> bool {
    let any = |name, matches: fn(&Validators, &[u8]) -> bool| {
        let asked = fields.get(name).is_some();
        asked.then(|| state.is_some_and(|state| state.any_tag(fields, name, matches) == Some(true)))
    };
    let since = only_date(fields, "if-unmodified-since");
    let unmodified = || match (state, since) {
        (Some(state), Some(since)) => !state.changed_after(since),
        (None, _) | (_, None) => true,
    };
    any("if-match", Validators::is_strong_match).unwrap_or_else(unmodified)
        && !any("if-none-match", Validators::is_weak_match).unwrap_or(false)
}

/// The date in the field of this name. What is no date, or more than one, is to be ignored (RFC 9110, sections 13.1.3 and
/// 13.1.4).
fn only_date(fields: &Fields<'_>, name: &str) -> Option<SystemTime> {
    let mut values = fields.all(name);
    let date = date::parse(values.next()?);
    date.filter(|_| values.next().is_none())
}

impl Validators {
    /// Weighs the conditions of a GET or HEAD request, in the order of RFC 9110, section 13.2.2.
    pub fn weigh(&self, fields: &Fields<'_>) -> Precondition {
        let if_match = self.any_tag(fields, "if-match", Self::is_strong_match);
        let if_none_match = self.any_tag(fields, "if-none-match", Self::is_weak_match);
        let changed_since = |name| only_date(fields, name).map(|date| self.changed_after(date));
        let unmodified = || changed_since("if-unmodified-since").is_none_or(|changed| !changed);
        if !if_match.unwrap_or_else(unmodified) {
            return Precondition::Failed;
        }
        let modified = || changed_since("if-modified-since").unwrap_or(true);
        if if_none_match.map_or_else(modified, |matches| !matches) {
            Precondition::Holds
        } else {
            Precondition::NotModified
        }
    }

    /// Whether a Range may be served as one: there is no If-Range, or it names this very state.
    pub fn permits_range(&self, fields: &Fields<'_>) -> bool {
        match fields.get("if-range") {
            None => true,
            Some(value) if value.ends_with(b"\"") => self.is_strong_match(value),
            Some(value) => date::parse(value) == Some(date::within_dates(self.modified)),
        }
    }

    /// Whether one of the tags of all fields of this name matches; `None` where there is no such field.
    fn any_tag(
        &self,
        fields: &Fields<'_>,
        name: &str,
        matches: impl Fn(&Self, &[u8]) -> bool,
    ) -> Option<bool> {
        let mut values = fields.all(name).peekable();
        values.peek()?;
        Some(values.any(|value| value == b"*" || list(value).any(|tag| matches(self, tag))))
    }

    /// The comparison that takes weak tags for tags.
    fn is_weak_match(&self, tag: &[u8]) -> bool {
        fn opaque(tag: &[u8]) -> &[u8] {
            tag.strip_prefix(b"W/").unwrap_or(tag)
        }
        opaque(tag) == opaque(self.etag.as_bytes())
    }

    /// The comparison for byte-for-byte equality, which weak tags do not promise.
    fn is_strong_match(&self, tag: &[u8]) -> bool {
        !tag.starts_with(b"W/") && tag == self.etag.as_bytes()
    }

    fn changed_after(&self, date: SystemTime) -> bool {
        date::within_dates(self.modified) > date
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Precondition::*, *};

    const THEN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    /// A state changed at [`THEN`] and a half.
    fn state(etag: &str) -> Validators {
        let modified = date::parse(THEN.as_bytes()).unwrap() + Duration::from_millis(500);
        Validators { etag: etag.into(), modified }
    }

    fn weigh(etag: &str, fields: &[(&str, &str)]) -> Precondition {
        let headers: Vec<_> =
            fields.iter().map(|(name, value)| httparse::Header { name, value: value.as_bytes() }).collect();
        state(etag).weigh(&Fields(&headers))
    }

    #[test]
    fn conditions_one_by_one() {
        for (name, value, expected) in [
            ("If-None-Match", "\"a\"", NotModified),
            ("If-None-Match", "W/\"a\"", NotModified),
            ("If-None-Match", "\"x\", ,\"a\"", NotModified),
            ("If-None-Match", "*", NotModified),
            ("If-None-Match", "\"b\"", Holds),
            ("If-None-Match", "a", Holds),
            ("If-Match", "\"a\"", Holds),
            ("If-Match", "*", Holds),
            ("If-Match", "W/\"a\"", Failed),
            ("If-Match", "\"b\"", Failed),
            ("If-Modified-Since", THEN, NotModified),
            ("If-Modified-Since", LATER, NotModified),
            ("If-Modified-Since", EARLIER, Holds),
            ("If-Modified-Since", "yesterday", Holds),
            ("If-Unmodified-Since", THEN, Holds),
            ("If-Unmodified-Since", EARLIER, Failed),
            ("If-Unmodified-Since", "yesterday", Holds),
        ] {
            assert_eq!(weigh("\"a\"", &[(name, value)]), expected, "{name}: {value}");
        }
    }

    #[test]
    fn tags_outrank_dates() {
        assert_eq!(weigh("\"a\"", &[("If-None-Match", "\"b\""), ("If-Modified-Since", LATER)]), Holds);
        assert_eq!(weigh("\"a\"", &[("If-Match", "\"a\""), ("If-Unmodified-Since", EARLIER)]), Holds);
        assert_eq!(weigh("\"a\"", &[("If-Match", "\"b\""), ("If-None-Match", "\"a\"")]), Failed);
    }

    #[test]
    fn two_dates_are_none() {
        for name in ["If-Modified-Since", "If-Unmodified-Since"] {
            assert_eq!(weigh("\"a\"", &[(name, LATER), (name, EARLIER)]), Holds, "{name}");
            assert_eq!(weigh("\"a\"", &[(name, EARLIER), (name, LATER)]), Holds, "{name}");
        }
    }

    #[test]
    fn a_change_is_of_what_the_client_knows() {
        for (name, value, of_a, of_nothing) in [
            ("If-Match", "\"a\"", true, false),
            ("If-Match", "*", true, false),
            ("If-Match", "\"b\"", false, false),
            ("If-None-Match", "*", false, true),
            ("If-None-Match", "\"a\"", false, true),
            ("If-None-Match", "\"b\"", true, true),
            ("If-Unmodified-Since", THEN, true, true),
            ("If-Unmodified-Since", EARLIER, false, true),
            // This one is for those who read.
            ("If-Modified-Since", LATER, true, true),
        ] {
            let header = [httparse::Header { name, value: value.as_bytes() }];
            let fields = Fields(&header);
            assert_eq!(permits_change(Some(&state("\"a\"")), &fields), of_a, "{name}: {value}");
            assert_eq!(permits_change(None, &fields), of_nothing, "{name}: {value}");
        }
    }

    #[test]
    fn a_range_is_of_the_very_same_state() {
        let permits = |etag: &str, value: &str| {
            let header = [httparse::Header { name: "If-Range", value: value.as_bytes() }];
            state(etag).permits_range(&Fields(&header))
        };
        assert!(permits("\"a\"", "\"a\"") && permits("\"a\"", THEN));
        assert!(!permits("\"a\"", "\"b\"") && !permits("\"a\"", LATER) && !permits("\"a\"", EARLIER));
        assert!(!permits("W/\"a\"", "W/\"a\"") && !permits("\"a\"", "W/\"a\""));
        assert!(state("\"a\"").permits_range(&Fields::default()));
    }
}
