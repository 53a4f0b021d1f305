//! Names, sizes and times as a terminal can show them.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A name or a command line as it can stand in a terminal: control characters and escape sequences become visible,
/// so that no process can move the cursor, forge a line or turn the reading direction of another one's row.
///
/// ```ignore
/// assert_eq!(printable("a\n\x1b[31mb"), "a\\n\\x1b[31mb");
/// ```
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Each character that changes the direction, joins or hides what stands beside it.
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
            }
            control if control.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(control))),
            plain => out.push(plain),
        }
    }
    out
}

/// How many columns of a terminal a printable text takes: most Chinese characters take two, accents none.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The text in exactly so many columns: filled with blanks, or cut with `mark` at its end.
pub fn fit(text: &str, width: usize, mark: &str) -> String {
    let cut = cut(text, width, mark);
    let blanks = width.saturating_sub(columns(&cut));
    cut + &" ".repeat(blanks)
}

/// The text in at most so many columns, cut between characters and with `mark` at its end if it is longer.
pub fn cut(text: &str, width: usize, mark: &str) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(columns(mark));
    let mut taken = 0;
    let fits = |character: &char| {
        taken += character.width().unwrap_or(0);
        taken <= room
    };
    let mut out: String = text.chars().take_while(fits).collect();
    out.push_str(mark);
    out
}

/// The text in lines of at most so many columns, broken at blanks, and in Chinese between any two characters where no
/// closing mark would begin a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for piece in pieces(text) {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && columns(line) + columns(piece.trim_end()) > width {
            let end = line.trim_end().len();
            line.truncate(end);
            lines.push(piece.to_owned());
        } else {
            line.push_str(piece);
        }
    }
    lines
}

/// The parts between which a line may break, each with the blanks behind it.
fn pieces(text: &str) -> Vec<&str> {
    let wide = |character: char| character.width() == Some(2);
    let closes = |character: char| "，。：；、？！）》”".contains(character);
    let opens = |character: char| "（《“".contains(character);
    let mut pieces = Vec::new();
    let (mut start, mut before) = (0, None);
    for (at, character) in text.char_indices() {
        let may_break = before.is_some_and(|before: char| {
            let beside_wide = (wide(before) || wide(character)) && !closes(character) && !opens(before);
            character != ' ' && (before == ' ' || beside_wide)
        });
        if may_break {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(character);
    }
    pieces.push(&text[start..]);
    pieces
}

/// A time in at most four columns, rounded down: `0s`, `59s`, `12m`, `3h`, `41d`.
pub fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        86_400.. => format!("{}d", seconds / 86_400),
    }
}

/// A time in a sentence: `3 s`, `2 min 5 s`, `3 h 4 min`, `2 d 3 h`.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    let two = |large: u64, unit: &str, small: u64, part: &str| {
        if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {part}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        86_400.. => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// A number of bytes in at most five columns, by steps of 1024: `0`, `812K`, `4.1M`, `12G`.
pub fn size(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes, 0);
    let units = ["", "K", "M", "G", "T", "P"];
    let mut tenths = 0;
    while value >= 1024 && unit + 1 < units.len() {
        tenths = value % 1024 * 10 / 1024;
        value /= 1024;
        unit += 1;
    }
    if unit > 0 && value < 10 {
        format!("{value}.{tenths}{}", units[unit])
    } else {
        format!("{value}{}", units[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_process_calls_itself_reaches_the_terminal_as_a_command() {
        for (given, shown) in [
            ("forkd-worker-1", "forkd-worker-1"),
            ("工作进程", "工作进程"),
            ("a b) R 0", "a b) R 0"),
            ("two\nlines", "two\\nlines"),
            ("\x1b[2Jgone", "\\x1b[2Jgone"),
            ("\u{9b}31m", "\\x9b31m"),
            ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
            ("\u{7f}", "\\x7f"),
        ] {
            assert_eq!(printable(given), shown);
            assert!(!shown.chars().any(char::is_control));
        }
    }

    #[test]
    fn a_cell_has_its_width_whatever_is_written_in_it() {
        for (given, width, cell) in [
            ("abc", 5, "abc  "),
            ("abcdef", 5, "abcd…"),
            ("工作进程", 8, "工作进程"),
            ("工作进程", 7, "工作进…"),
            ("工作进程", 6, "工作… "),
            ("", 2, "  "),
            ("ab", 1, "…"),
        ] {
            assert_eq!(fit(given, width, "…"), cell);
            assert_eq!(columns(cell), width);
        }
    }

    #[test]
    fn lines_break_at_blanks_and_between_chinese_characters() {
        assert_eq!(wrap("who must act now", 8), ["who must", "act now"]);
        assert_eq!(wrap("toolongaword is", 5), ["toolongaword", "is"]);
        assert_eq!(wrap("它已经结束，内存", 10), ["它已经结", "束，内存"]);
        assert_eq!(wrap("调用 wait(2) 或", 9), ["调用", "wait(2)", "或"]);
        assert_eq!(wrap("", 9), [""]);
    }

    #[test]
    fn times_and_sizes_are_short() {
        let seconds = Duration::from_secs;
        assert_eq!([0, 59, 60, 7199, 90_000].map(|s| age(seconds(s))), ["0s", "59s", "1m", "1h", "1d"]);
        assert_eq!([3, 125, 3600, 97_200].map(|s| time(seconds(s))), ["3 s", "2 min 5 s", "1 h", "1 d 3 h"]);
        let sizes = [0, 1023, 1024, 4_300_000, 12 << 30, u64::MAX].map(size);
        assert_eq!(sizes, ["0", "1023", "1.0K", "4.1M", "12G", "16383P"]);
    }
}
