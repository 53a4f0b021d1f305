//! JSON text (RFC 8259), written: for documents that are made line by line, and lines that may hold anything.

use std::fmt::{self, Display, Formatter, Write};

/// A text as a JSON string, its quotes included. Control characters are escaped, and so is what a terminal, a browser or a
/// line-based tool could take for something else.
///
/// ```
/// use forkd::protocol::json::Quoted;
///
/// assert_eq!(Quoted("a\"b\n").to_string(), r#""a\"b\n""#);
/// assert_eq!(Quoted("茶\u{7f}\u{2028}").to_string(), r#""茶\u007f\u2028""#);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // Control characters lie in the first plane, and so do the two that end a line in JavaScript.
                _ if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') => {
                    write!(f, "\\u{:04x}", character as u32)?;
                }
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Quoted;

    proptest! {
        #[test]
        fn any_text_comes_back_from_a_reader_of_json(text in any::<String>()) {
            let quoted = Quoted(&text).to_string();
            prop_assert!(!quoted.chars().any(char::is_control));
            prop_assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
