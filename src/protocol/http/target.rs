//! What a request asks for: the second word of its first line (RFC 9112, section 3.2).

use super::{Refusal, Status, authority::is_authority};

/// A request's target, as it came: nothing is decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The whole word.
    pub whole: &'a str,
    /// Its path, `/` at least; `*` for `OPTIONS *`.
    pub path: &'a str,
    /// What stands behind the first `?`.
    pub query: Option<&'a str>,
    /// The `host[:port]` of an absolute target. It outranks the Host field (RFC 9112, section 3.2.2).
    pub authority: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes a target apart, for this method.
    ///
    /// # Errors
    /// 400 for a fragment or for a form that the method does not go with; 501 for CONNECT: this is no proxy.
    pub fn parse(method: &str, whole: &'a str) -> Result<Self, Refusal> {
        if method == "CONNECT" {
            return Err(Refusal::with(Status::NOT_IMPLEMENTED, "this server is no proxy"));
        }
        if whole.as_bytes().contains(&b'#') {
            return Err(Refusal::bad("a fragment in the request target"));
        }
        if whole.starts_with('/') {
            return Ok(Self::of(whole, None, whole));
        }
        if whole == "*" && method == "OPTIONS" {
            return Ok(Self { whole, path: whole, query: None, authority: None });
        }
        Self::absolute(whole).ok_or(Refusal::bad("the request target is neither a path nor a URL"))
    }

    /// The absolute form: a URL, as a client sends it to a proxy and may send it to anyone.
    fn absolute(whole: &'a str) -> Option<Self> {
        let (scheme, rest) = whole.split_once("://")?;
        if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let lawful = !authority.is_empty() && is_authority(authority.as_bytes());
        lawful.then(|| Self::of(whole, Some(authority), path))
    }

    /// Splits `rest` into path and query.
    fn of(whole: &'a str, authority: Option<&'a str>, rest: &'a str) -> Self {
        // By bytes: a search for a character sets up more than a short path costs.
        let (path, query) = match rest.bytes().position(|byte| byte == b'?') {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        Self { whole, path: if path.is_empty() { "/" } else { path }, query, authority }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Path, query and authority of a target.
    fn parts<'a>(method: &str, whole: &'a str) -> Result<(&'a str, Option<&'a str>, Option<&'a str>), u16> {
        let target = Target::parse(method, whole).map_err(|refusal| refusal.status.code())?;
        Ok((target.path, target.query, target.authority))
    }

    #[test]
    fn the_four_forms() {
        assert_eq!(parts("GET", "/a/b?c=d?e"), Ok(("/a/b", Some("c=d?e"), None)));
        assert_eq!(parts("GET", "//a"), Ok(("//a", None, None)));
        assert_eq!(parts("GET", "http://h:1/a?b"), Ok(("/a", Some("b"), Some("h:1"))));
        assert_eq!(parts("GET", "HTTPS://h"), Ok(("/", None, Some("h"))));
        assert_eq!(parts("GET", "http://h?q"), Ok(("/", Some("q"), Some("h"))));
        assert_eq!(parts("OPTIONS", "*"), Ok(("*", None, None)));
        assert_eq!(parts("CONNECT", "h:443"), Err(501));
    }

    #[test]
    fn what_is_none_of_them() {
        for bad in [
            "*",
            "a",
            "a/b",
            "h:80",
            "/a#b",
            "ftp://h/",
            "http://",
            "http:///a",
            "http://u@h/",
            "?a",
            "http:/a",
        ] {
            assert_eq!(parts("GET", bad), Err(400), "{bad}");
        }
    }
}
