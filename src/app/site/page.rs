//! A listing as a page of HTML: one table, no script, light or dark as the reader's screen is, for a phone or a desk.

use std::fmt::{self, Display, Formatter, Write};

use super::{
    listing::{Entry, Kind, Listing},
    order::{Direction, Key, Order},
    words::{Size, When, visible},
};
use crate::protocol::http::{RelativePath, percent};

const STYLE: &str = include_str!("page.css");

/// The two pictures, drawn once and used in each row.
const PICTURES: &str = "<svg hidden>\
    <symbol id=d viewBox=\"0 0 20 24\"><path d=\"M1.5 6.5h6l2 2.5h9v10.5h-17z\"/></symbol>\
    <symbol id=f viewBox=\"0 0 20 24\"><path d=\"M4 3.5h8l4.5 4.5v12.5h-12.5zM12 3.5v4.5h4.5\"/></symbol>\
    </svg>";

/// The page of this directory.
pub fn render(path: &RelativePath, listing: &Listing, order: Order) -> String {
    let names: Vec<_> = path.segments().map(visible).collect();
    let title = format!("/{}", names.join("/"));
    let mut rows = String::new();
    if !names.is_empty() {
        rows += "<tr class=dir><td><a href=\"../\"><svg><use href=\"#d\"/></svg>..</a><td><td>\n";
    }
    for entry in &listing.entries {
        // Writing into a string cannot fail.
        let _ = write!(rows, "{}", Row(entry));
    }
    format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width,initial-scale=1\">\n\
         <meta name=color-scheme content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n{PICTURES}\n<h1>{crumbs}</h1>\n\
         <table>\n<thead><tr>{heads}\n<tbody>\n{rows}</table>\n<p>{summary}\n",
        title = Escaped(&title),
        crumbs = crumbs(path),
        heads = Key::ALL.map(|key| head(key, order)).concat(),
        summary = summary(listing),
    )
}

/// The way from the top, each directory on it a link.
fn crumbs(path: &RelativePath) -> String {
    let mut html = String::from("<a href=\"/\">/</a>");
    let mut url = String::from("/");
    for name in path.segments() {
        url += &percent::encode(name);
        url.push('/');
        html += &format!("<a href=\"{url}\"><bdi>{}</bdi></a><i>/</i>", Escaped(&visible(name)));
    }
    html
}

/// The head of a column, a link that sorts by it.
fn head(key: Key, order: Order) -> String {
    let words = match key {
        Key::Name => "Name",
        Key::Size => "Size",
        Key::Changed => "Changed (UTC)",
    };
    let (sorted, arrow) = match (key == order.key, order.direction) {
        (false, _) => ("", ""),
        (true, Direction::Ascending) => (" aria-sort=ascending", " ▲"),
        (true, Direction::Descending) => (" aria-sort=descending", " ▼"),
    };
    format!("<th{sorted}><a href=\"{}\">{words}{arrow}</a>", Escaped(&order.link(key)))
}

/// How much there is.
fn summary(listing: &Listing) -> String {
    if listing.entries.is_empty() {
        return "This directory is empty.".into();
    }
    let sizes = listing.entries.iter().filter_map(|entry| match entry.kind {
        Kind::File(bytes) => Some(bytes),
        Kind::Directory => None,
    });
    let files = sizes.clone().count();
    let directories = listing.entries.len() - files;
    let count = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {many}")),
    };
    let total = (files > 0).then(|| Size(sizes.fold(0, u64::saturating_add)).to_string());
    let parts = [count(directories, "directory", "directories"), count(files, "file", "files"), total];
    let cut = if listing.cut { ". There is more than is listed here." } else { "" };
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ") + cut
}

/// One row of the table.
struct Row<'a>(&'a Entry);

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (class, picture, slash, size) = match self.0.kind {
            Kind::Directory => (" class=dir", 'd', "/", String::new()),
            Kind::File(bytes) => ("", 'f', "", Size(bytes).to_string()),
        };
        // Escaped to the last colon, a name is a name, and never `javascript:` or `//host`.
        let link = percent::encode(&self.0.name);
        let name = visible(&self.0.name);
        writeln!(
            f,
            "<tr{class}><td><a href=\"{link}{slash}\"><svg><use href=\"#{picture}\"/></svg>\
             <span><bdi>{}</bdi>{slash}</span></a><td>{size}<td>{}",
            Escaped(&name),
            When(self.0.modified)
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn names_stand_as_text_and_as_nothing_else() {
        let name = "<b>\"'&javascript:茶\n".as_bytes().to_vec();
        let entry = Entry { name, kind: Kind::File(1500), modified: Some(UNIX_EPOCH) };
        assert_eq!(
            Row(&entry).to_string(),
            "<tr><td><a href=\"%3Cb%3E%22%27%26javascript%3A%E8%8C%B6%0A\"><svg><use href=\"#f\"/></svg>\
             <span><bdi>&#60;b&#62;&#34;&#39;&#38;javascript:茶␊</bdi></span></a>\
             <td>1.5 KiB<td>1970-01-01 00:00\n"
        );
    }

    #[test]
    fn a_page_shows_where_it_is_and_how_it_is_sorted() {
        let path = RelativePath::parse("/a%3Cb/c/").unwrap();
        let order = Order::of_query(Some("sort=size"));
        let page = render(&path, &Listing { entries: vec![], cut: false }, order);
        assert!(page.contains("<title>/a&#60;b/c</title>"));
        assert!(page.contains("<a href=\"/a%3Cb/c/\"><bdi>c</bdi></a><i>/</i>"));
        assert!(page.contains("<th aria-sort=descending><a href=\"?sort=size&#38;order=asc\">Size ▼</a>"));
        assert!(page.contains("empty"));
    }
}
