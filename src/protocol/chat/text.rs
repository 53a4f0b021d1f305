//! One line that somebody says.

use std::fmt;

use super::{Wrong, is_invisible};

/// A line of text: some bytes, no line end, and nothing that a terminal would obey. Characters that do something
/// instead of being seen are shown as `�`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// The most bytes of a text: more than a thousand Chinese characters.
    pub const LONGEST: usize = 4000;

    /// The text without blanks at its ends. A line end within it becomes a blank: one who speaks, one line.
    ///
    /// # Errors
    /// When nothing is left, or it is too long.
    pub fn new(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        if text.is_empty() {
            Err(Wrong::TextEmpty)
        } else if text.len() > Self::LONGEST {
            Err(Wrong::TextLong)
        } else {
            Ok(Self(text.chars().map(visible).collect()))
        }
    }

    /// The text of these bytes.
    ///
    /// # Errors
    /// Also when they are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Wrong> {
        Self::new(str::from_utf8(bytes).map_err(|_| Wrong::Utf8)?)
    }

    /// The text as it may stand anywhere.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn visible(character: char) -> char {
    match character {
        '\n' | '\r' | '\t' => ' ',
        // These join emojis and letters of some scripts, and hide nothing.
        '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' => character,
        other if other.is_control() || is_invisible(other) => '\u{fffd}',
        other => other,
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_would_do_something_is_seen_instead() {
        let text = |given| Text::new(given).map(|text| text.0);
        assert_eq!(text(" 大家好 \r\n"), Ok("大家好".into()));
        assert_eq!(text("a\x1b[2Jb\u{202e}c\u{9b}d"), Ok("a�[2Jb�c�d".into()));
        assert_eq!(text("two\nlines"), Ok("two lines".into()));
        assert_eq!(text("<b>&amp;</b>"), Ok("<b>&amp;</b>".into()));
        assert_eq!(text("👩\u{200d}💻"), Ok("👩\u{200d}💻".into()));
        assert_eq!(text("\r\n"), Err(Wrong::TextEmpty));
        assert_eq!(text(&"x".repeat(Text::LONGEST + 1)), Err(Wrong::TextLong));
        assert_eq!(Text::from_bytes(&"好".as_bytes()[..2]), Err(Wrong::Utf8));
    }

    proptest! {
        #[test]
        fn no_text_holds_what_a_terminal_obeys(given in any::<String>()) {
            if let Ok(text) = Text::new(&given) {
                prop_assert!(!text.as_str().chars().any(char::is_control));
                prop_assert_eq!(Text::new(text.as_str()), Ok(text.clone()));
            }
        }
    }
}
