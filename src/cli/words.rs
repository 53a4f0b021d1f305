//! Values to words: sizes, ages and counts as people read them, and text that no terminal obeys.

use std::borrow::Cow;

/// The same text with everything made visible that a terminal would obey or hide: control characters, directions,
/// invisible marks. Letters of any script stay.
pub fn printable(text: &str) -> Cow<'_, str> {
    let shown = |c: char| matches!(c, ' '..='~') || c.escape_debug().len() == 1;
    if text.chars().all(shown) {
        return Cow::Borrowed(text);
    }
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if shown(c) {
            visible.push(c);
        } else {
            visible.extend(c.escape_debug());
        }
    }
    Cow::Owned(visible)
}

/// A number of bytes: `512 B`, `3.4 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    // 1023.95 would be shown as 1024.0 of a unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// An age: `8 ms`, `3.2 s`, `5m 12s`, `3h 4m`, `2d 5h`.
pub fn age(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86_400);
    if seconds < 0.9995 {
        format!("{:.0} ms", seconds.max(0.0) * 1000.0)
    } else if whole < 10 {
        format!("{seconds:.1} s")
    } else if minutes == 0 {
        format!("{whole} s")
    } else if hours == 0 {
        format!("{minutes}m {}s", whole % 60)
    } else if days == 0 {
        format!("{hours}h {}m", minutes % 60)
    } else {
        format!("{days}d {}h", hours % 24)
    }
}

/// A count with its noun: `1 worker`, `4 workers`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (3_565_158, "3.4 MiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ];
        for (bytes, words) in table {
            assert_eq!(size(bytes), words);
        }
    }

    #[test]
    fn ages() {
        let table = [
            (-1.0, "0 ms"),
            (0.0081, "8 ms"),
            (0.9999, "1.0 s"),
            (3.24, "3.2 s"),
            (59.9, "59 s"),
            (312.0, "5m 12s"),
            (11_040.0, "3h 4m"),
            (190_800.0, "2d 5h"),
        ];
        for (seconds, words) in table {
            assert_eq!(age(seconds), words);
        }
    }

    #[test]
    fn counts() {
        assert_eq!(count(1, "worker"), "1 worker");
        assert_eq!(count(0, "worker"), "0 workers");
    }

    #[test]
    fn letters_stay_and_orders_to_a_terminal_show() {
        assert_eq!(printable("GET /僵尸 \"q\" \\"), "GET /僵尸 \"q\" \\");
        assert_eq!(printable("a\u{1b}]0;x\u{7}\u{202e}b\u{85}"), "a\\u{1b}]0;x\\u{7}\\u{202e}b\\u{85}");
    }
}
