//! A listing as a page of HTML: one table, no script, light or dark as the reader's screen is.

use std::{
    fmt::{self, Display, Formatter},
    time::SystemTime,
};

use super::listing::{Entry, Kind, Listing};
use crate::protocol::http::{RelativePath, date, percent};

const STYLE: &str = include_str!("page.css");

/// The page of this directory.
pub fn render(path: &RelativePath, listing: &Listing) -> String {
    let names: Vec<_> = path.segments().map(String::from_utf8_lossy).collect();
    let title = format!("/{}", names.join("/"));
    let mut rows = String::new();
    if !names.is_empty() {
        rows += "<tr><td class=dir><a href=\"../\">..</a><td><td>\n";
    }
    rows.extend(listing.entries.iter().map(ToString::to_string));
    let note = match (listing.entries.is_empty(), listing.cut) {
        (true, _) => "<p>This directory is empty.\n",
        (false, true) => "<p>There is more than is listed here.\n",
        (false, false) => "",
    };
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\n\
         <meta name=color-scheme content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n<h1>{crumbs}</h1>\n\
         <table>\n<thead><tr><th>Name<th>Size<th>Changed (UTC)\n<tbody>\n{rows}</table>\n{note}",
        title = Escaped(&title),
        crumbs = crumbs(path),
    )
}

/// The way from the top, each directory on it a link.
fn crumbs(path: &RelativePath) -> String {
    let mut html = String::from("<a href=\"/\">/</a>");
    let mut url = String::from("/");
    for name in path.segments() {
        url += &percent::encode(name);
        url.push('/');
        html += &format!("<a href=\"{url}\">{}</a>/", Escaped(&String::from_utf8_lossy(name)));
    }
    html
}

impl Display for Entry {
    /// One row of the table.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = String::from_utf8_lossy(&self.name);
        let (class, slash, size) = match self.kind {
            Kind::Directory => (" class=dir", "/", String::new()),
            Kind::File(bytes) => ("", "", Size(bytes).to_string()),
        };
        // Escaped to the last colon, a name is a name, and never `javascript:` or `//host`.
        let link = percent::encode(&self.name);
        writeln!(
            f,
            "<tr><td{class}><a href=\"{link}{slash}\">{}{slash}</a><td>{size}<td>{}",
            Escaped(&name),
            When(self.modified)
        )
    }
}

/// Text as it stands in HTML, between tags or within quotes.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for part in self.0.split_inclusive(['&', '<', '>', '"', '\'']) {
            let cut = part.char_indices().next_back().filter(|(_, last)| "&<>\"'".contains(*last));
            let Some((end, special)) = cut else {
                f.write_str(part)?;
                continue;
            };
            write!(f, "{}&#{};", &part[..end], special as u32)?;
        }
        Ok(())
    }
}

/// A number of bytes in three digits or so.
struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut size = self.0 as f64;
        let mut unit = 0;
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        while size >= 1000.0 && unit + 1 < units.len() {
            size /= 1024.0;
            unit += 1;
        }
        let decimals = usize::from(unit > 0 && size < 10.0);
        write!(f, "{size:.decimals$} {}", units[unit])
    }
}

/// A time to the minute, `2026-11-20 12:05`; nothing for none.
struct When(Option<SystemTime>);

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(time) = self.0 else { return Ok(()) };
        let text = humantime::format_rfc3339_seconds(date::within_dates(time)).to_string();
        f.write_str(&text[..16].replace('T', " "))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn names_stand_as_text_and_as_nothing_else() {
        let name = "<b>\"'&javascript:茶".as_bytes().to_vec();
        let entry = Entry { name, kind: Kind::File(1500), modified: Some(UNIX_EPOCH) };
        assert_eq!(
            entry.to_string(),
            "<tr><td><a href=\"%3Cb%3E%22%27%26javascript%3A%E8%8C%B6\">\
             &#60;b&#62;&#34;&#39;&#38;javascript:茶</a><td>1.5 KiB<td>1970-01-01 00:00\n"
        );
    }

    #[test]
    fn sizes_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 KiB"),
            (15 << 10, "15 KiB"),
            (5_368_709_120, "5.0 GiB"),
            (u64::MAX, "16 EiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }

    #[test]
    fn times_far_away_do_not_panic() {
        assert_eq!(When(Some(UNIX_EPOCH + Duration::from_secs(1 << 40))).to_string(), "9999-12-31 23:59");
        assert_eq!(When(None).to_string(), "");
    }

    #[test]
    fn a_page_shows_where_it_is() {
        let path = RelativePath::parse("/a%3Cb/c/").unwrap();
        let page = render(&path, &Listing { entries: vec![], cut: false });
        assert!(page.contains("<title>/a&#60;b/c</title>"));
        assert!(page.contains("<a href=\"/a%3Cb/c/\">c</a>/"));
        assert!(page.contains("empty"));
    }
}
