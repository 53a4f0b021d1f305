//! One record of the log as one line, in text or JSON.
//!
//! ```text
//! 2026-11-20T12:00:00.123Z INFO  worker ready event=ready slot=1 gen=1 pid=4711
//! {"time":"2026-11-20T12:00:00.123Z","level":"INFO","message":"worker ready","event":"ready","slot":1,"gen":1,"pid":4711}
//! ```
//!
//! A message may quote what a client sent, so nothing that a terminal obeys, and no line break, gets through.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use log::{
    Record,
    kv::{Key, Value, VisitSource},
};

use super::words::printable;
use crate::config::LogFormat;

/// Writes one record with its line break, at the present time.
pub fn write(line: &mut impl Write, format: LogFormat, record: &Record<'_>) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let finished = match format {
        LogFormat::Text => text(&time, record),
        LogFormat::Json => json(&time, record),
    };
    line.write_all(finished.as_bytes())
}

fn text(time: &str, record: &Record<'_>) -> String {
    let message = record.args().to_string();
    let mut facts = TextFacts(format!("{time} {:5} {}", record.level(), printable(&message)));
    let _ = record.key_values().visit(&mut facts);
    facts.0 + "\n"
}

/// Appends ` key=value`, quoted where the value would not read as one word.
struct TextFacts(String);

impl<'kvs> VisitSource<'kvs> for TextFacts {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let value = value.to_string();
        let plain = !value.is_empty() && !value.contains([' ', '"', '=']);
        self.0.push(' ');
        self.0.push_str(&printable(key.as_str()));
        self.0.push('=');
        if plain {
            self.0.push_str(&printable(&value));
        } else {
            self.0.push('"');
            self.0.push_str(&printable(&value).replace('"', "\\\""));
            self.0.push('"');
        }
        Ok(())
    }
}

fn json(time: &str, record: &Record<'_>) -> String {
    let mut facts = JsonFacts(format!("{{\"time\":{}", quoted(time)));
    facts.add("level", &quoted(record.level().as_str()));
    facts.add("message", &quoted(&record.args().to_string()));
    let _ = record.key_values().visit(&mut facts);
    facts.0 + "}\n"
}

/// Appends `,"key":value`; numbers and truth values stay what they are.
struct JsonFacts(String);

impl JsonFacts {
    fn add(&mut self, key: &str, value: &str) {
        self.0.push(',');
        self.0.push_str(&quoted(key));
        self.0.push(':');
        self.0.push_str(value);
    }
}

impl<'kvs> VisitSource<'kvs> for JsonFacts {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let finite = value.to_f64().is_some_and(f64::is_finite);
        let bare =
            value.to_u64().is_some() || value.to_i64().is_some() || value.to_bool().is_some() || finite;
        let text = value.to_string();
        self.add(key.as_str(), &if bare { text } else { quoted(&text) });
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
        match format {
            LogFormat::Text => text(TIME, &record),
            LogFormat::Json => json(TIME, &record),
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
