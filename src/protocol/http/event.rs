//! Server-sent events, as a browser's `EventSource` reads them
//! ([WHATWG HTML, section 9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).

/// One event of a stream of media type `text/event-stream`.
///
/// ```
/// use forkd::protocol::http::Event;
///
/// let mut out = Vec::new();
/// Event::new("tea is\nready").name("kitchen").id("7").encode(&mut out);
/// assert_eq!(out, b"event: kitchen\nid: 7\ndata: tea is\ndata: ready\n\n");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    data: &'a str,
    name: Option<&'a str>,
    id: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// An event with this text, of any number of lines. A page hears it as `message`.
    pub fn new(data: &'a str) -> Self {
        Self { data, name: None, id: None }
    }

    /// The same event under another name than `message`.
    #[must_use]
    pub fn name(self, name: &'a str) -> Self {
        Self { name: Some(name), ..self }
    }

    /// The same event with an id: a client that connects anew says by `Last-Event-ID` which one it saw last.
    #[must_use]
    pub fn id(self, id: &'a str) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Appends it to `out`. A line end within the text begins another line of it; within a name or an id, where it would
    /// begin another field, it is left out.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (field, value) in [("event: ", self.name), ("id: ", self.id)] {
            if let Some(value) = value {
                out.extend_from_slice(field.as_bytes());
                // An id with a NUL would be ignored as a whole.
                out.extend(value.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)));
                out.push(b'\n');
            }
        }
        for line in lines(self.data) {
            out.extend_from_slice(b"data: ");
            out.extend_from_slice(line);
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

impl<'a> From<&'a str> for Event<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl<'a> From<&'a String> for Event<'a> {
    fn from(text: &'a String) -> Self {
        Self::new(text)
    }
}

/// Appends a comment: nobody is told of it, but it shows that the connection lives.
pub fn encode_comment(text: &str, out: &mut Vec<u8>) {
    for line in lines(text) {
        out.extend_from_slice(b": ");
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out.push(b'\n');
}

/// The lines of a text, however they end: CR LF, LF or CR, as the reader of a stream of events sees them.
fn lines(text: &str) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text.as_bytes());
    std::iter::from_fn(move || {
        let bytes = rest?;
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        rest = end.map(|end| {
            bytes[end + 1..].strip_prefix(b"\n").filter(|_| bytes[end] == b'\r').unwrap_or(&bytes[end + 1..])
        });
        Some(&bytes[..end.unwrap_or(bytes.len())])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(event: Event<'_>) -> String {
        let mut out = Vec::new();
        event.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_line_end_of_the_text_is_one_for_the_reader() {
        assert_eq!(encode(Event::new("a\r\nb\rc\nd")), "data: a\ndata: b\ndata: c\ndata: d\n\n");
        assert_eq!(encode(Event::new("")), "data: \n\n");
        assert_eq!(encode(Event::new("a\n\n")), "data: a\ndata: \ndata: \n\n");
    }

    #[test]
    fn nothing_in_it_begins_another_field_or_another_event() {
        let event = Event::new("x\n\ndata: y\r\revent: z").name("a\ndata: b").id("1\r\n\r\nid: 2\0");
        let text = encode(event);
        assert_eq!(text.matches("\n\n").count(), 1, "{text:?}");
        assert_eq!(text.lines().filter(|line| line.starts_with("event: ")).count(), 1, "{text:?}");
        assert!(text.starts_with("event: adata: b\nid: 1id: 2\n"), "{text:?}");
        let mut out = Vec::new();
        encode_comment("still\nhere", &mut out);
        assert_eq!(out, b": still\n: here\n\n");
    }
}
