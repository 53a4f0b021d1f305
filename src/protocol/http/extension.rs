//! What may stand behind the size of a chunk (RFC 9112, section 7.1.1): `;name`, `;name=token`, `;name="quoted"`.
//!
//! Nobody here asks what extensions say. They are held against their grammar nevertheless: a line that two parsers take
//! apart in different ways, such as `3;` or `3;a="b`, is a chunk that ends in two places.

use super::bytes::{TOKEN, is_field_text};

/// Where among the extensions of one size line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// Behind a size or a value, in blanks that a semicolon must end.
    Blank,
    /// Behind a semicolon, before the name.
    NameStart,
    /// In a name.
    Name,
    /// Behind a name, in blanks.
    NameBlank,
    /// Behind an equals sign, before the value.
    ValueStart,
    /// In a value that is a token.
    Value,
    /// In a value in quotes.
    Quoted,
    /// Behind a backslash within quotes.
    Escaped,
    /// Behind the closing quote.
    QuotedEnd,
}

impl Extension {
    /// The first of them, if `byte` begins any behind a size.
    pub fn begin(byte: u8) -> Option<Self> {
        Self::Blank.step(byte)
    }

    /// The place behind `byte`; `None` if it may not stand there.
    pub fn step(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Quoted, b'"') => Some(Self::QuotedEnd),
            (Self::Quoted, b'\\') => Some(Self::Escaped),
            (Self::Quoted | Self::Escaped, _) => is_field_text(byte).then_some(Self::Quoted),
            (Self::Blank | Self::Value | Self::QuotedEnd, b' ' | b'\t') => Some(Self::Blank),
            (Self::Name | Self::NameBlank, b' ' | b'\t') => Some(Self::NameBlank),
            (Self::NameStart | Self::ValueStart, b' ' | b'\t') => Some(self),
            (Self::Blank | Self::Name | Self::NameBlank | Self::Value | Self::QuotedEnd, b';') => {
                Some(Self::NameStart)
            }
            (Self::Name | Self::NameBlank, b'=') => Some(Self::ValueStart),
            (Self::ValueStart, b'"') => Some(Self::Quoted),
            (Self::NameStart | Self::Name, _) => TOKEN.has(byte).then_some(Self::Name),
            (Self::ValueStart | Self::Value, _) => TOKEN.has(byte).then_some(Self::Value),
            (Self::Blank | Self::NameBlank | Self::QuotedEnd, _) => None,
        }
    }

    /// Whether the line may end here.
    pub fn may_end(self) -> bool {
        match self {
            Self::Name | Self::Value | Self::QuotedEnd => true,
            Self::Blank
            | Self::NameStart
            | Self::NameBlank
            | Self::ValueStart
            | Self::Quoted
            | Self::Escaped => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_lawful(text: &[u8]) -> bool {
        let (first, rest) = text.split_first().unwrap();
        let end = rest.iter().try_fold(Extension::begin(*first), |place, byte| Some(place?.step(*byte)));
        end.flatten().is_some_and(Extension::may_end)
    }

    #[test]
    fn the_grammar_of_extensions() {
        for good in [
            ";a",
            ";a;b;c",
            ";a=b",
            ";a=\"b\"",
            ";a=\"\"",
            " ; a = b",
            "\t;\ta\t=\t\"b\" ; c",
            ";a=\"b;c,d=e\"",
            ";a=\"b\\\"c\\\\\"",
            ";a=\"é\t\"",
            ";!#$=%&'",
        ] {
            assert!(is_lawful(good.as_bytes()), "{good}");
        }
        for bad in [
            ";",
            " ",
            "; ",
            ";;a",
            ";a;",
            ";a ",
            ";a=b ",
            ";a=",
            ";a= ",
            ";=b",
            ";a=\"b",
            ";a=\"b\"c",
            ";a=\"b\\",
            ";a=b=c",
            ";a=b/c",
            ";a[=b",
            ";a b",
            ";a=b c",
            ";é",
            "a",
            "=b",
            ";a=\"\0\"",
            ";a=\"\\\u{1}\"",
            ";a\0",
        ] {
            assert!(!is_lawful(bad.as_bytes()), "{bad}");
        }
    }
}
