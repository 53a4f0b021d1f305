//! One answer as a line of an access log: in the combined format that log readers know, or as a JSON object.
//!
//! What a client wrote is escaped, so that a line is one line and harms no terminal, whatever the client was.

use std::{
    fmt::{self, Display, Formatter, Write},
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{Version, date::within_dates};
use crate::protocol::json::Quoted;

/// One answer, and who got it for what.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Who asked; `None` for a client of a Unix-domain socket.
    pub client: Option<IpAddr>,
    /// Who that says to be, by the Basic scheme.
    pub user: Option<&'a str>,
    /// When it was answered, as the answer says, `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub date: &'a [u8; 29],
    /// The same, more precisely.
    pub time: SystemTime,
    /// What was asked; `None` when it was not understood.
    pub asked: Option<Asked<'a>>,
    /// The status of the answer.
    pub status: u16,
    /// How many bytes its body has; none for a stream.
    pub bytes: u64,
    /// From when the whole request was there until the answer was.
    pub took: Duration,
}

/// What was asked.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its target as it came.
    pub target: &'a str,
    /// Its version.
    pub version: Version,
    /// The Host field.
    pub host: Option<&'a [u8]>,
    /// The Referer field.
    pub referer: Option<&'a [u8]>,
    /// The User-Agent field.
    pub agent: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// The same with at most so many bytes of each thing that the client wrote.
    #[must_use]
    pub fn cut(self, most: usize) -> Self {
        let text = |text: &'_ str| text.floor_char_boundary(most);
        let asked = self.asked.map(|asked| Asked {
            method: &asked.method[..text(asked.method)],
            target: &asked.target[..text(asked.target)],
            host: asked.host.map(|host| &host[..host.len().min(most)]),
            referer: asked.referer.map(|referer| &referer[..referer.len().min(most)]),
            agent: asked.agent.map(|agent| &agent[..agent.len().min(most)]),
            ..asked
        });
        Self { user: self.user.map(|user| &user[..text(user)]), asked, ..self }
    }
}

impl Version {
    const fn word(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// An entry in the combined format: `127.0.0.1 - ann [20/Nov/2026:12:05:09 +0000] "GET / HTTP/1.1" 200 12 "-" "curl/8"`.
#[derive(Debug, Clone, Copy)]
pub struct Combined<'a>(pub &'a Entry<'a>);

/// An entry as a JSON object in one line.
#[derive(Debug, Clone, Copy)]
pub struct Json<'a>(pub &'a Entry<'a>);

impl Display for Combined<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let entry = self.0;
        match entry.client {
            Some(client) => client.fmt(f)?,
            None => f.write_str("unix:")?,
        }
        // Our own dates are ASCII: weekday, day, month, year, time.
        let date = str::from_utf8(entry.date).unwrap_or_default();
        let part = |range| date.get(range).unwrap_or("-");
        write!(
            f,
            " - {} [{}/{}/{}:{} +0000] \"",
            Plain(entry.user.map(str::as_bytes)),
            part(5..7),
            part(8..11),
            part(12..16),
            part(17..25)
        )?;
        match entry.asked {
            Some(Asked { method, target, version, .. }) => {
                write!(
                    f,
                    "{} {} {}",
                    Plain(Some(method.as_bytes())),
                    Plain(Some(target.as_bytes())),
                    version.word()
                )?;
            }
            None => f.write_char('-')?,
        }
        let referer = entry.asked.and_then(|asked| asked.referer);
        let agent = entry.asked.and_then(|asked| asked.agent);
        write!(f, "\" {} {} \"{}\" \"{}\"", entry.status, entry.bytes, Plain(referer), Plain(agent))
    }
}

impl Display for Json<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let entry = self.0;
        let millis = entry.time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
        let time = within_dates(entry.time) + Duration::from_millis(millis.into());
        let time = humantime::format_rfc3339_millis(time);
        write!(f, "{{\"time\":\"{time}\",\"client\":")?;
        match entry.client {
            Some(client) => write!(f, "\"{client}\"")?,
            None => f.write_str("null")?,
        }
        write!(f, ",\"user\":{}", Text(entry.user.map(str::as_bytes)))?;
        if let Some(asked) = &entry.asked {
            write!(
                f,
                ",\"method\":{},\"target\":{},\"protocol\":\"{}\",\"host\":{},\"referer\":{},\"user_agent\":{}",
                Quoted(asked.method),
                Quoted(asked.target),
                asked.version.word(),
                Text(asked.host),
                Text(asked.referer),
                Text(asked.agent)
            )?;
        }
        let took = entry.took.as_secs_f64();
        write!(f, ",\"status\":{},\"bytes\":{},\"duration_s\":{took:.6}}}", entry.status, entry.bytes)
    }
}

/// What a client wrote, in printable ASCII without quotes; `-` for nothing.
struct Plain<'a>(Option<&'a [u8]>);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for byte in self.0.filter(|text| !text.is_empty()).unwrap_or(b"-") {
            match byte {
                b'"' | b'\\' => write!(f, "\\x{byte:02X}")?,
                b' '..=b'~' => f.write_char(*byte as char)?,
                _ => write!(f, "\\x{byte:02X}")?,
            }
        }
        Ok(())
    }
}

/// What a client wrote as a JSON string, or null.
struct Text<'a>(Option<&'a [u8]>);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => Quoted(&String::from_utf8_lossy(text)).fmt(f),
            None => f.write_str("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry<'a>(target: &'a str, agent: &'a [u8]) -> Entry<'a> {
        let (referer, host) = (None, Some(&b"h"[..]));
        let asked =
            Asked { method: "GET", target, version: Version::Http11, host, referer, agent: Some(agent) };
        Entry {
            client: Some([127, 0, 0, 1].into()),
            user: Some("ann"),
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            time: UNIX_EPOCH + Duration::from_millis(784_111_777_123),
            asked: Some(asked),
            status: 200,
            bytes: 12,
            took: Duration::from_micros(150),
        }
    }

    #[test]
    fn a_line_is_what_log_readers_know() {
        let combined = Combined(&entry("/a?b", b"curl \"8\"\x1b[1m\xff")).to_string();
        assert_eq!(
            combined,
            "127.0.0.1 - ann [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 12 \"-\" \
             \"curl \\x228\\x22\\x1B[1m\\xFF\""
        );
        let unknown = Entry { client: None, user: None, asked: None, status: 400, ..entry("", b"") };
        assert_eq!(
            Combined(&unknown).to_string(),
            "unix: - - [06/Nov/1994:08:49:37 +0000] \"-\" 400 12 \"-\" \"-\""
        );
        let json: serde_json::Value =
            serde_json::from_str(&Json(&entry("/茶", b"x\ny")).to_string()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "time": "1994-11-06T08:49:37.123Z", "client": "127.0.0.1", "user": "ann", "method": "GET",
                "target": "/茶", "protocol": "HTTP/1.1", "host": "h", "referer": null, "user_agent": "x\ny",
                "status": 200, "bytes": 12, "duration_s": 0.00015
            })
        );
        let json: serde_json::Value = serde_json::from_str(&Json(&unknown).to_string()).unwrap();
        assert_eq!((&json["client"], &json["status"]), (&serde_json::Value::Null, &400.into()));
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_whatever_the_client_wrote(
            target in any::<String>(),
            agent in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let line = Combined(&entry(&target, &agent)).to_string();
            prop_assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            prop_assert_eq!(line.matches('"').count(), 6);
            let line = Json(&entry(&target, &agent)).to_string();
            prop_assert!(!line.chars().any(char::is_control));
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(json["target"].as_str(), Some(target.as_str()));
        }
    }
}
