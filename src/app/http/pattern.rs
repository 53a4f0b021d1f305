//! Patterns of paths: `/users/{id}`.

use std::{borrow::Cow, cmp::Ordering};

use crate::protocol::http::percent;

/// What a route's path looks like. Segments are compared decoded, so that `/t%65a` is `/tea`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Segment>);

/// What stands between two slashes. The order is that in which routes are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    /// This text.
    Literal(String),
    /// Anything but nothing.
    Value(String),
    /// All that is left of the path, slashes included.
    Rest(String),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Panics
    /// When it cannot be meant: see [`Router::route`](super::Router::route).
    pub fn parse(text: &str) -> Self {
        let path = text
            .strip_prefix('/')
            .unwrap_or_else(|| panic!("the route {text:?} does not begin with a slash"));
        let segments: Vec<_> = path.split('/').map(|segment| Segment::parse(segment, text)).collect();
        let rest = segments.iter().position(|segment| matches!(segment, Segment::Rest(_)));
        assert!(
            rest.is_none_or(|at| at + 1 == segments.len()),
            "something stands behind the rest in the route {text:?}"
        );
        Self(segments)
    }

    /// Whether a path looks like this.
    pub fn matches(&self, path: &str) -> bool {
        self.walk(path, |_, _| ())
    }

    /// What stands in a path in the place of this name, decoded.
    pub fn value<'p>(&self, name: &str, path: &'p str) -> Option<Cow<'p, str>> {
        let mut found = None;
        self.walk(path, |known, value| {
            if known == name {
                found = Some(value);
            }
        });
        found.and_then(decoded)
    }

    /// Which of two is tried first: where they differ, a text goes before a name and a name before the rest.
    pub fn order(&self, other: &Self) -> Ordering {
        self.0.iter().map(Segment::rank).cmp(other.0.iter().map(Segment::rank))
    }

    /// Goes through a path and shows each name with what stands in its place; answers whether the path is like this.
    fn walk<'p>(&self, path: &'p str, mut show: impl FnMut(&str, &'p str)) -> bool {
        let mut rest = path.strip_prefix('/');
        for segment in &self.0 {
            let Some(path) = rest else { return false };
            let (here, behind) = match path.split_once('/') {
                Some((here, behind)) => (here, Some(behind)),
                None => (path, None),
            };
            rest = behind;
            match segment {
                Segment::Literal(text) if decoded(here).is_some_and(|here| here == *text) => {}
                Segment::Value(name) if is_value(here) => show(name, here),
                Segment::Rest(name)
                    if !path.is_empty() && path.split('/').all(|part| part.is_empty() || is_value(part)) =>
                {
                    show(name, path);
                    return true;
                }
                Segment::Literal(_) | Segment::Value(_) | Segment::Rest(_) => return false,
            }
        }
        rest.is_none()
    }
}

impl Segment {
    fn parse(segment: &str, text: &str) -> Self {
        let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
            assert!(!segment.contains(['{', '}']), "a name does not fill its segment in the route {text:?}");
            return Self::Literal(segment.to_owned());
        };
        let (name, kind): (_, fn(String) -> Self) = match name.strip_prefix('*') {
            Some(name) => (name, Self::Rest),
            None => (name, Self::Value),
        };
        assert!(
            !name.is_empty() && !name.contains(['{', '}', '*']),
            "a name is missing in the route {text:?}"
        );
        kind(name.to_owned())
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Literal(_) => 0,
            Self::Value(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

/// Whether a handler may see this segment: it is text, and no step up or down in a tree of files.
fn is_value(segment: &str) -> bool {
    decoded(segment).is_some_and(|text| !matches!(&*text, "" | "." | ".."))
}

/// A part of a path as text; `None` if its escapes are not lawful or not UTF-8.
fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(percent::decode(text)?).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_paths() {
        for (pattern, path, like) in [
            ("/", "/", true),
            ("/", "/a", false),
            ("/a", "/a", true),
            ("/a", "/a/", false),
            ("/a", "/%61", true),
            ("/a b", "/a%20b", true),
            ("/a/", "/a/", true),
            ("/{x}", "/", false),
            ("/{x}", "/a", true),
            ("/{x}", "/a/b", false),
            ("/{x}/b", "/a/b", true),
            ("/{x}", "/..", false),
            ("/{x}", "/%2e%2E", false),
            ("/{x}", "/%zz", false),
            ("/{x}", "/%ff", false),
            ("/f/{*x}", "/f/a/b", true),
            ("/f/{*x}", "/f/", false),
            ("/f/{*x}", "/f/a/../b", false),
            ("/f/{*x}", "/f/a//b/", true),
            ("/a", "*", false),
        ] {
            assert_eq!(Pattern::parse(pattern).matches(path), like, "{pattern} {path}");
        }
    }

    #[test]
    fn names_and_values() {
        let pattern = Pattern::parse("/{a}/x/{*b}");
        let value = |name| pattern.value(name, "/t%C3%A9%2F/x/y/%7Ez").map(Cow::into_owned);
        assert_eq!(
            (value("a").as_deref(), value("b").as_deref(), value("c")),
            (Some("té/"), Some("y/~z"), None)
        );
    }

    #[test]
    fn what_says_more_is_tried_first() {
        let mut patterns = ["/{*r}", "/{a}/{b}", "/a/{b}", "/{a}/b", "/a/b"].map(Pattern::parse);
        patterns.sort_by(Pattern::order);
        assert_eq!(patterns, ["/a/b", "/a/{b}", "/{a}/b", "/{a}/{b}", "/{*r}"].map(Pattern::parse));
    }

    #[test]
    fn what_cannot_be_meant_is_said_when_it_is_written() {
        for bad in ["", "a", "/{}", "/{*}", "/a{b}", "/{a}b", "/{*a}/b", "/{a{b}}", "/}"] {
            assert!(std::panic::catch_unwind(|| Pattern::parse(bad)).is_err(), "{bad}");
        }
    }
}
