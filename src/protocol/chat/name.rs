//! What somebody is called in a room.

use std::fmt;

use super::{Wrong, is_invisible};

/// The name of who holds the admin token, as in the course.
pub const ADMIN: &str = "管理员";

/// A name of 1 to 24 characters, each of which can be seen, and no blank among them: in a datagram a blank ends it.
///
/// It is compared by [`Name::key`], without regard to case, so that nobody passes for somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(String);

impl Name {
    /// The most characters of a name.
    pub const LONGEST: usize = 24;

    /// The name that this text is, without blanks at its ends.
    ///
    /// # Errors
    /// When it is empty, too long, not wholly visible, or reserved.
    pub fn new(text: &str) -> Result<Self, Wrong> {
        let name = Self::any(text)?;
        if name.is_reserved() { Err(Wrong::NameReserved) } else { Ok(name) }
    }

    /// The admin's.
    pub fn admin() -> Self {
        Self(ADMIN.to_owned())
    }

    /// A name that may be the admin's: for who speaks to somebody, not for who claims to be one.
    ///
    /// # Errors
    /// As for [`Name::new`], but for a reserved name.
    pub fn any(text: &str) -> Result<Self, Wrong> {
        let text = text.trim();
        if text.is_empty() {
            Err(Wrong::NameEmpty)
        } else if text.chars().count() > Self::LONGEST {
            Err(Wrong::NameLong)
        } else if text.chars().any(is_unfit) {
            Err(Wrong::NameCharacter)
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// By what names are the same.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// Whether a reader could take it for the admin's.
    fn is_reserved(&self) -> bool {
        self.0.contains(ADMIN) || self.key() == "admin"
    }
}

/// A `/` in front would be taken for a command, a `:` for the end of the name.
fn is_unfit(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || is_invisible(character)
        || matches!(character, '/' | ':' | '：' | '\u{fffd}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_can_be_seen_and_told_apart() {
        for name in ["张三", "bob", "O'Neil", "玉-2", "Ünal", "😀"] {
            assert_eq!(Name::new(&format!(" {name} ")).map(|name| name.to_string()), Ok(name.into()));
        }
        assert_eq!(Name::new("Bob").unwrap().key(), Name::new("bOB").unwrap().key());
        let longest = "张".repeat(Name::LONGEST);
        assert_eq!(Name::new(&longest).map(|name| name.0), Ok(longest.clone()));
        assert_eq!(Name::new(&(longest + "三")), Err(Wrong::NameLong));
    }

    #[test]
    fn nobody_gets_a_name_that_deceives() {
        for name in ["", " ", "\u{3000}"] {
            assert_eq!(Name::new(name), Err(Wrong::NameEmpty), "{name:?}");
        }
        for name in
            ["a b", "a\u{200b}b", "a\u{202e}b", "a\x1b[2J", "a\nb", "a:b", "/who", "\u{3164}", "a\u{fffd}"]
        {
            assert_eq!(Name::new(name), Err(Wrong::NameCharacter), "{name:?}");
        }
        for name in ["管理员", "管理员2", "真管理员", "ADMIN"] {
            assert_eq!(Name::new(name), Err(Wrong::NameReserved), "{name:?}");
        }
        assert_eq!(Name::new("管\u{200b}理员"), Err(Wrong::NameCharacter));
        assert_eq!(Name::any("管理员"), Ok(Name::admin()));
    }
}
