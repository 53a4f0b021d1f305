//! What other processes call themselves, made safe to print.

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
}
