//! One record of the log as one line, in text or JSON.
//!
//! ```text
//! 2026-11-20T12:00:00.123Z INFO  worker ready event=ready slot=1 gen=1 pid=4711
//! {"time":"2026-11-20T12:00:00.123Z","level":"INFO","message":"worker ready","event":"ready","slot":1,"gen":1,"pid":4711}
//! ```
//!
//! A message may quote what a client sent, so nothing that a terminal obeys, and no line break, gets through.
//! A line is never longer than what a pipe takes in one piece, so that two processes cannot write into each other's.

use std::{
    borrow::Cow,
    io::{self, Write},
    time::SystemTime,
};

use log::{
    Record,
    kv::{Key, Value, VisitSource},
};

use super::words::printable;
use crate::{config::LogFormat, logging::outlet::PIECE};

/// Writes one record with its line break, at the present time.
pub fn write(line: &mut impl Write, format: LogFormat, record: &Record<'_>) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    line.write_all(finished(&time, format, record).as_bytes())
}

/// The line; of one that would be too long each text is cut, as little as need be.
fn finished(time: &str, format: LogFormat, record: &Record<'_>) -> String {
    let mut line = String::new();
    for most in [PIECE, 3072, 2048, 1024, 256, 64] {
        line = match format {
            LogFormat::Text => text(time, record, most),
            LogFormat::Json => json(time, record, most),
        };
        if line.len() <= PIECE {
            break;
        }
    }
    line
}

/// A text of at most so many bytes and, if that is not all, a mark.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        text.into()
    } else {
        format!("{}…", &text[..text.floor_char_boundary(most)]).into()
    }
}

fn text(time: &str, record: &Record<'_>, most: usize) -> String {
    let message = record.args().to_string();
    let line = format!("{time} {:5} {}", record.level(), printable(&cut(&message, most)));
    let mut facts = TextFacts { line, most };
    let _ = record.key_values().visit(&mut facts);
    facts.line + "\n"
}

/// Appends ` key=value`, quoted where the value would not read as one word.
struct TextFacts {
    line: String,
    most: usize,
}

impl<'kvs> VisitSource<'kvs> for TextFacts {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let value = value.to_string();
        let value = cut(&value, self.most);
        let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
        let line = &mut self.line;
        line.push(' ');
        line.push_str(&printable(key.as_str()));
        line.push('=');
        if plain {
            line.push_str(&printable(&value));
        } else {
            line.push('"');
            line.push_str(&printable(&value).replace('"', "\\\""));
            line.push('"');
        }
        Ok(())
    }
}

fn json(time: &str, record: &Record<'_>, most: usize) -> String {
    let mut facts = JsonFacts { line: format!("{{\"time\":{}", quoted(time)), most };
    facts.add("level", &quoted(record.level().as_str()));
    facts.add("message", &quoted(&cut(&record.args().to_string(), most)));
    let _ = record.key_values().visit(&mut facts);
    facts.line + "}\n"
}

/// Appends `,"key":value`; numbers and truth values stay what they are.
struct JsonFacts {
    line: String,
    most: usize,
}

impl JsonFacts {
    fn add(&mut self, key: &str, value: &str) {
        self.line.push(',');
        self.line.push_str(&quoted(key));
        self.line.push(':');
        self.line.push_str(value);
    }
}

impl<'kvs> VisitSource<'kvs> for JsonFacts {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let finite = value.to_f64().is_some_and(f64::is_finite);
        let bare =
            value.to_u64().is_some() || value.to_i64().is_some() || value.to_bool().is_some() || finite;
        let text = value.to_string();
        self.add(key.as_str(), &if bare { text } else { quoted(&cut(&text, self.most)) });
        Ok(())
    }
}

/// A JSON string. What JSON would let through but a terminal obeys is made visible before.
fn quoted(text: &str) -> String {
    serde_json::Value::from(printable(text).into_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use log::Level;
    use proptest::prelude::*;

    use super::*;

    const TIME: &str = "2026-11-20T12:00:00.123Z";

    fn line(format: LogFormat, message: &str, during: &str) -> String {
        let facts: &[(&str, Value<'_>)] =
            &[("event", "killed".into()), ("slot", 1_u32.into()), ("during", during.into())];
        let args = format_args!("{message}");
        let record = Record::builder().level(Level::Warn).key_values(&facts).args(args).build();
        finished(TIME, format, &record)
    }

    #[test]
    fn a_line_is_one_piece_for_a_pipe_whatever_it_says() {
        for long in ["x".repeat(9000), "\u{1b}".repeat(3000), "\"\\".repeat(3000), "僵".repeat(3000)] {
            for format in [LogFormat::Text, LogFormat::Json] {
                let line = line(format, &long, &long);
                assert!(line.len() <= PIECE && line.ends_with('\n') && line.contains('…'), "{line}");
            }
            serde_json::from_str::<serde_json::Value>(&line(LogFormat::Json, &long, &long))
                .expect("a document");
        }
    }

    #[test]
    fn text_has_the_facts_after_the_words() {
        let expected = "2026-11-20T12:00:00.123Z WARN  worker killed event=killed slot=1 during=\"GET /x\"\n";
        assert_eq!(line(LogFormat::Text, "worker killed", "GET /x"), expected);
    }

    #[test]
    fn json_has_the_same_keys_and_numbers_are_numbers() {
        let expected = concat!(
            r#"{"time":"2026-11-20T12:00:00.123Z","level":"WARN","message":"worker killed","#,
            r#""event":"killed","slot":1,"during":"GET /x"}"#,
            "\n"
        );
        assert_eq!(line(LogFormat::Json, "worker killed", "GET /x"), expected);
    }

    #[test]
    fn what_a_client_sent_cannot_forge_a_line_or_move_a_cursor() {
        let text = line(LogFormat::Text, "bad\nrequest", "GET /\u{1b}[2J\r\n\" event=ready");
        let expected = r#"bad\nrequest event=killed slot=1 during="GET /\u{1b}[2J\r\n\" event=ready""#;
        assert!(text.trim_end().ends_with(expected), "{text}");
    }

    proptest! {
        #[test]
        fn a_record_is_one_line_whatever_it_says(message in ".*", during in "(?s).*") {
            for format in [LogFormat::Text, LogFormat::Json] {
                let line = line(format, &message, &during);
                prop_assert_eq!(line.chars().filter(|c| c.is_control()).count(), 1);
                prop_assert!(line.ends_with('\n'));
            }
            let json = line(LogFormat::Json, &message, &during);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
        }
    }
}
