//! From the path of a URL to names below a directory.
//!
//! A path is decoded once, segment by segment, *after* it was taken apart: what an escape hides never separates. Dot
//! segments are removed before anything is opened (RFC 3986, section 5.2.4), and a path that would climb above its
//! start is refused. What is left cannot name anything outside, unless a symbolic link does; whoever opens it has to
//! take care of those.

use super::percent;

/// Names below a directory, as the path of a URL gives them.
///
/// ```
/// use forkd::protocol::http::RelativePath;
///
/// let path = RelativePath::parse("/a//./b%20c/../d/").unwrap();
/// assert_eq!(path.join(), b"a/d");
/// assert!(path.has_trailing_slash());
/// assert_eq!(path.url(), "/a/d/");
/// assert_eq!(RelativePath::parse("/../etc/passwd"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelativePath {
    segments: Vec<Vec<u8>>,
    trailing_slash: bool,
}

impl RelativePath {
    /// Reads the path of a URL, without its query.
    ///
    /// `None` for one that is no path, climbs above its start, or has an escaped slash or NUL: no file has such a name.
    pub fn parse(path: &str) -> Option<Self> {
        let mut segments: Vec<Vec<u8>> = Vec::new();
        for raw in path.strip_prefix('/')?.split('/') {
            let segment = percent::decode(raw)?;
            match segment.as_slice() {
                b"" | b"." => {}
                b".." => {
                    segments.pop()?;
                }
                name if name.contains(&b'/') || name.contains(&0) => return None,
                _ => segments.push(segment),
            }
        }
        let last = path.rsplit('/').next().and_then(percent::decode);
        let trailing_slash = last.is_some_and(|last| matches!(last.as_slice(), b"" | b"." | b".."));
        Some(Self { segments, trailing_slash })
    }

    /// The name of a file that a path gives as it stands: nothing in it is to be decoded, removed or hidden.
    ///
    /// ```
    /// use forkd::protocol::http::RelativePath;
    ///
    /// assert_eq!(RelativePath::plain("/a/b.txt"), Some(&b"a/b.txt"[..]));
    /// assert_eq!(RelativePath::plain("/a/"), None);
    /// assert_eq!(RelativePath::plain("/.git"), None);
    /// ```
    pub fn plain(path: &str) -> Option<&[u8]> {
        let name = path.as_bytes().strip_prefix(b"/")?;
        // An empty name, one that begins with a dot, an escape, a NUL: each has a road of its own.
        let mut before = b'/';
        for &byte in name {
            if byte == b'%' || byte == 0 || before == b'/' && (byte == b'/' || byte == b'.') {
                return None;
            }
            before = byte;
        }
        (before != b'/').then_some(name)
    }

    /// The names, from the top down; none of them is empty, a dot or two, or has a slash or NUL.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.segments.iter().map(Vec::as_slice)
    }

    /// The last name; `None` for the top.
    pub fn name(&self) -> Option<&[u8]> {
        self.segments.last().map(Vec::as_slice)
    }

    /// Whether the path says that it names a directory.
    pub fn has_trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// Whether a name begins with a dot: by custom it is not to be seen.
    pub fn is_hidden(&self) -> bool {
        self.segments().any(|name| name.starts_with(b"."))
    }

    /// The path below this one with this name, as of a file in a directory.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        let mut segments = self.segments.clone();
        segments.push(name.to_vec());
        Self { segments, trailing_slash: false }
    }

    /// The path of the directory in which it is; that of the top is the top.
    #[must_use]
    pub fn parent(&self) -> Self {
        let above = self.segments.len().saturating_sub(1);
        Self { segments: self.segments[..above].to_vec(), trailing_slash: true }
    }

    /// The names with a slash between them, relative to the top; empty for the top itself.
    pub fn join(&self) -> Vec<u8> {
        self.segments.join(&b'/')
    }

    /// The path as a URL has it, from one slash on, never two: `//evil` would be another host.
    pub fn url(&self) -> String {
        let mut url = String::from("/");
        for (index, segment) in self.segments().enumerate() {
            url.push_str(if index > 0 { "/" } else { "" });
            url.push_str(&percent::encode(segment));
        }
        if self.trailing_slash && !self.segments.is_empty() {
            url.push('/');
        }
        url
    }

    /// The same path, said to name a directory.
    #[must_use]
    pub fn as_directory(mut self) -> Self {
        self.trailing_slash = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalized() {
        for (path, names, url) in [
            ("/", "", "/"),
            ("//", "", "/"),
            ("/a", "a", "/a"),
            ("/a/", "a", "/a/"),
            ("//evil.example/", "evil.example", "/evil.example/"),
            ("/a/..", "", "/"),
            ("/a/b/..", "a", "/a/"),
            ("/a/%2e%2E/b", "b", "/b"),
            ("/a/./b/.", "a/b", "/a/b/"),
            ("/%E8%8C%B6", "茶", "/%E8%8C%B6"),
            ("/茶", "茶", "/%E8%8C%B6"),
            ("/a%252e", "a%2e", "/a%252e"),
            ("/a\\b", "a\\b", "/a%5Cb"),
            ("/...", "...", "/..."),
        ] {
            let parsed = RelativePath::parse(path).unwrap_or_else(|| panic!("{path}"));
            assert_eq!(parsed.join(), names.as_bytes(), "{path}");
            assert_eq!(parsed.url(), url, "{path}");
        }
    }

    #[test]
    fn what_leads_out_or_names_no_file_is_none() {
        for path in
            ["", "a", "*", "/..", "/../a", "/a/../..", "/%2e%2e/a", "/a%2fb", "/a%00", "/%", "/..%2f", "/%zz"]
        {
            assert_eq!(RelativePath::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_dot_in_front_hides() {
        for (path, hidden) in
            [("/.git/x", true), ("/a/.b", true), ("/%2egit", true), ("/a.b", false), ("/..a", true)]
        {
            assert_eq!(RelativePath::parse(path).unwrap().is_hidden(), hidden, "{path}");
        }
    }
}
