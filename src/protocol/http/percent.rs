//! Percent-encoding of path segments (RFC 3986, section 2.1), both ways.

use std::borrow::Cow;

/// The bytes that `text` stands for. Each escape is decoded once; `+` is a plus.
///
/// `None` for a percent sign without two hexadecimal digits behind it.
///
/// ```
/// use forkd::protocol::http::percent::{decode, encode};
///
/// assert_eq!(decode("a%20b%2525").as_deref(), Some(&b"a b%25"[..]));
/// assert_eq!(encode("茶 a".as_bytes()), "%E8%8C%B6%20a");
/// ```
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        if *byte == b'%' {
            let [high, low, behind @ ..] = behind else { return None };
            bytes.push(digit(*high)? << 4 | digit(*low)?);
            rest = behind;
        } else {
            bytes.push(*byte);
            rest = behind;
        }
    }
    Some(bytes)
}

/// The value of the first field called `name` in a form's text, such as a query: `a=1&b=two+words`. There a plus is a
/// space ([WHATWG URL, section 5.1](https://url.spec.whatwg.org/#urlencoded-parsing)).
///
/// `None` for a value that is not UTF-8 or whose escapes are not lawful, too.
///
/// ```
/// use forkd::protocol::http::percent::form_value;
///
/// assert_eq!(form_value("a=1&b=two+w%C3%B6rds&c", "b").as_deref(), Some("two wörds"));
/// assert_eq!(form_value("a=1&b=2&c", "c").as_deref(), Some(""));
/// assert_eq!(form_value("a=1", "d"), None);
/// ```
pub fn form_value<'a>(form: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let fields = form.split('&').map(|field| field.split_once('=').unwrap_or((field, "")));
    let (_, value) =
        fields.into_iter().find(|(known, _)| form_text(known).is_some_and(|known| known == name))?;
    form_text(value)
}

fn form_text(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    String::from_utf8(decode(&text.replace('+', " "))?).ok().map(Cow::Owned)
}

/// One segment of a path, with everything escaped that could mean anything: what is left stands as it is in HTML,
/// in a header field and in a URL.
pub fn encode(segment: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = String::with_capacity(segment.len());
    for byte in segment {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(*byte as char),
            _ => {
                text.push('%');
                text.push(DIGITS[usize::from(byte >> 4)] as char);
                text.push(DIGITS[usize::from(byte & 15)] as char);
            }
        }
    }
    text
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)), Some(all));
    }

    #[test]
    fn half_an_escape_is_none() {
        for bad in ["%", "%1", "a%g0", "%-1", "%+1", "%é1"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
