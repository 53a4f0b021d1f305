//! A listing in the form that the client likes best: a page, a JSON document, or plain text (RFC 9110, section 12.5.1).
//!
//! ```text
//! [
//! {"name":"books","type":"directory","modified":"2026-11-20T12:05:09Z","url":"books/"},
//! {"name":"茶.txt","type":"file","size":3,"modified":"2026-11-20T12:05:09Z","url":"%E8%8C%B6.txt"}
//! ]
//! ```

use super::{
    listing::{Entry, Kind, Listing},
    order::Order,
    page,
    words::{When, timestamp, visible},
};
use crate::{
    app::http::{Request, Response},
    protocol::{
        http::{RelativePath, accept, percent},
        json::Quoted,
    },
};

/// The forms, the one in front for who likes all alike.
const FORMS: [&str; 3] = ["text/html", "application/json", "text/plain"];

/// The listing of this directory.
pub fn answer(request: &Request<'_>, path: &RelativePath, mut listing: Listing) -> Response {
    let order = Order::of_query(request.query());
    order.sort(&mut listing.entries);
    let response = match accept::preferred(&request.headers(), &FORMS) {
        1 => Response::json(json(&listing)),
        2 => Response::text(text(&listing)),
        _ => Response::html(page::render(path, &listing, order))
            .header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
    };
    let response = if listing.cut { response.header("X-Truncated", "true") } else { response };
    response.header("Vary", "Accept").header("Cache-Control", "no-cache")
}

/// One object for each entry. The name of a file that is no UTF-8 stands in `url` as it is.
fn json(listing: &Listing) -> String {
    let objects: Vec<_> = listing.entries.iter().map(object).collect();
    if objects.is_empty() { "[]\n".into() } else { format!("[\n{}\n]\n", objects.join(",\n")) }
}

fn object(entry: &Entry) -> String {
    let name = String::from_utf8_lossy(&entry.name);
    let (kind, size, slash) = match entry.kind {
        Kind::Directory => ("directory", String::new(), "/"),
        Kind::File(bytes) => ("file", format!("\"size\":{bytes},"), ""),
    };
    let modified = entry.modified.map_or("null".into(), |time| format!("\"{}\"", timestamp(time)));
    let url = percent::encode(&entry.name);
    format!(
        "{{\"name\":{},\"type\":\"{kind}\",{size}\"modified\":{modified},\"url\":\"{url}{slash}\"}}",
        Quoted(&name)
    )
}

/// One line for each entry: when it was changed, its size, its name, with a slash behind those of directories.
fn text(listing: &Listing) -> String {
    let line = |entry: &Entry| {
        let (size, slash) = match entry.kind {
            Kind::Directory => ("-".into(), "/"),
            Kind::File(bytes) => (bytes.to_string(), ""),
        };
        let modified = When(entry.modified).to_string();
        format!("{modified:16} {size:>15} {}{slash}\n", visible(&entry.name))
    };
    listing.entries.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn listing() -> Listing {
        let file = |name: &[u8]| Entry { name: name.into(), kind: Kind::File(3), modified: Some(UNIX_EPOCH) };
        let directory = Entry { name: b"d".into(), kind: Kind::Directory, modified: None };
        let entries = vec![directory, file("茶\n\"".as_bytes()), file(b"\xff")];
        Listing { entries, cut: false }
    }

    #[test]
    fn json_says_everything_of_every_name() {
        let document: serde_json::Value = serde_json::from_str(&json(&listing())).unwrap();
        assert_eq!(
            document,
            serde_json::json!([
                { "name": "d", "type": "directory", "modified": null, "url": "d/" },
                { "name": "茶\n\"", "type": "file", "size": 3, "modified": "1970-01-01T00:00:00Z", "url": "%E8%8C%B6%0A%22" },
                { "name": "\u{fffd}", "type": "file", "size": 3, "modified": "1970-01-01T00:00:00Z", "url": "%FF" },
            ])
        );
        assert_eq!(json(&Listing { entries: vec![], cut: false }), "[]\n");
    }

    #[test]
    fn text_has_a_line_for_each() {
        let text = text(&listing());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], format!("{:16} {:>15} d/", "", "-"));
        assert_eq!(lines[1], format!("1970-01-01 00:00 {:>15} 茶␊\"", 3));
    }
}
