//! Names, sizes and times of a listing, as people read them.

use std::{
    fmt::{self, Display, Formatter},
    time::SystemTime,
};

use crate::protocol::http::date;

/// A name as one line of text: what is no UTF-8 is replaced, and so is what would turn the direction of the text; control
/// characters show as their pictures.
pub fn visible(name: &[u8]) -> String {
    let picture = |character: char| match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        _ if character.is_control() => '\u{fffd}',
        _ => character,
    };
    String::from_utf8_lossy(name).chars().map(picture).collect()
}

/// A number of bytes in three digits or so.
pub struct Size(pub u64);

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
pub struct When(pub Option<SystemTime>);

impl Display for When {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(time) = self.0 else { return Ok(()) };
        f.write_str(&timestamp(time)[..16].replace('T', " "))
    }
}

/// A time to the second, `2026-11-20T12:05:09Z`.
pub fn timestamp(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(date::within_dates(time)).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

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
    fn a_name_is_one_line_whatever_it_is() {
        assert_eq!(visible("茶 🍵.txt".as_bytes()), "茶 🍵.txt");
        assert_eq!(visible("evil\u{202e}txt.exe".as_bytes()), "evil\u{fffd}txt.exe");
        assert_eq!(visible(b"a\nb\x1b[1m\x7f\xff\xc2\x85"), "a␊b␛[1m␡\u{fffd}\u{fffd}");
    }
}
