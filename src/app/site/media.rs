//! The media type of a file, by its name.

use std::{borrow::Cow, ffi::OsStr, os::unix::ffi::OsStrExt};

/// The value of Content-Type for a file of this name. Text is said to be UTF-8, as nearly all text is today; a name
/// without a known ending is no type in particular, which a browser offers to save.
pub fn media_type(name: &[u8]) -> Cow<'static, str> {
    let guess = mime_guess::from_path(OsStr::from_bytes(name)).first_raw();
    match guess {
        // The commonest, without an allocation.
        Some("text/html") => "text/html; charset=utf-8".into(),
        Some("text/css") => "text/css; charset=utf-8".into(),
        Some("text/javascript") => "text/javascript; charset=utf-8".into(),
        Some("text/plain") => "text/plain; charset=utf-8".into(),
        Some(text) if text.starts_with("text/") => format!("{text}; charset=utf-8").into(),
        Some(other) => other.into(),
        None => "application/octet-stream".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn types_by_name() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("A.CSS", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("notes.md", "text/markdown; charset=utf-8"),
            ("茶.txt", "text/plain; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.png", "image/png"),
            ("a.svg", "image/svg+xml"),
            ("a.tar.gz", "application/gzip"),
            ("a.wasm", "application/wasm"),
            ("README", "application/octet-stream"),
            ("a.", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(media_type(b"\xff.txt"), "text/plain; charset=utf-8");
    }
}
