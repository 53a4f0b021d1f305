//! What each part of a head may be made of. Every byte of a request's host and of an answer's fields is asked for, so
//! the answer is looked up and not compared: a tenth of what a pipelined request costs, measured.

/// A set of bytes.
pub(crate) struct ByteSet([bool; 256]);

/// What a token is made of: a method, a field name (RFC 9110, section 5.6.2).
pub(crate) static TOKEN: ByteSet = ByteSet::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// What a registered name or an IPv4 address is made of (RFC 3986, section 3.2.2).
pub(super) static HOST: ByteSet = ByteSet::alphanumeric_and(b"-._~%!$&'()*+,;=");

/// What an IPv6 address between brackets is made of, its zone included.
pub(super) static LITERAL: ByteSet = ByteSet::alphanumeric_and(b":.%-_~");

impl ByteSet {
    /// The letters and digits of ASCII, and these.
    const fn alphanumeric_and(others: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut byte = 0;
        while byte < set.len() {
            set[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut at = 0;
        while at < others.len() {
            set[others[at] as usize] = true;
            at += 1;
        }
        Self(set)
    }

    /// Whether `byte` is in it.
    pub fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// Whether each of `bytes` is in it.
    pub fn has_all(&self, bytes: &[u8]) -> bool {
        // Without a branch for each.
        bytes.iter().fold(true, |all, byte| all & self.has(*byte))
    }
}

/// Whether `byte` may stand in a field value: tab, space, visible ASCII and bytes above it (RFC 9110, section 5.5).
pub(crate) const fn is_field_text(byte: u8) -> bool {
    // Without a branch, so that a walk over many of them vectorizes.
    (byte >= b' ') & (byte != 0x7f) | (byte == b'\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All bytes that `holds` holds for.
    fn all(holds: impl Fn(u8) -> bool) -> Vec<u8> {
        (0..=255).filter(|byte| holds(*byte)).collect()
    }

    #[test]
    fn the_sets_are_those_of_the_grammar() {
        let token = all(|byte| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'['..=b']' | b'{' | b'}')
        });
        assert_eq!(all(|byte| TOKEN.has(byte)), token);
        let host = all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte));
        assert_eq!(all(|byte| HOST.has(byte)), host);
        let literal = all(|byte| byte.is_ascii_alphanumeric() || b"-._~%:".contains(&byte));
        assert_eq!(all(|byte| LITERAL.has(byte)), literal);
        assert_eq!(all(is_field_text), all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)));
    }

    #[test]
    fn one_stranger_is_enough() {
        assert!(TOKEN.has_all(b"") && TOKEN.has_all(b"Content-Type"));
        assert!(!TOKEN.has_all(b"Content-Type "));
    }
}
