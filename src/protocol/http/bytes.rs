//! What each part of a head may be made of. Every byte of a request's host and of an answer's fields is asked for, so
//! the answer is looked up and not compared: a tenth of what a pipelined request costs, measured.

/// A set of bytes.
pub(crate) struct ByteSet([bool; 256]);

/// What a token is made of: a method, a field name (RFC 9110, section 5.6.2).
pub(crate) static TOKEN: ByteSet = ByteSet::alphanumeric_and(b"!#$%&'*+-.^_`|~");

/// What the zone of an IPv6 address is made of.
pub(super) static ZONE: ByteSet = ByteSet::alphanumeric_and(b".%-_~");

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

/// Whether `holds` for each of `bytes`. It is asked without a branch for each, sixteen at a time, so that it vectorizes;
/// some may be looked at twice.
pub(super) fn all(bytes: &[u8], holds: impl Fn(u8) -> bool + Copy) -> bool {
    if let Some(last) = bytes.last_chunk() {
        bytes.as_chunks().0.iter().fold(each(last, holds), |all, block| all & each(block, holds))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        let mut block = [0; 16];
        block[..8].copy_from_slice(first);
        block[8..].copy_from_slice(last);
        each(&block, holds)
    } else {
        bytes.iter().all(|byte| holds(*byte))
    }
}

fn each(block: &[u8; 16], holds: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |all, byte| all & holds(*byte))
}

/// Whether a registered name or an IPv4 address may have `byte` in it, but for escapes (RFC 3986, section 3.2.2).
pub(super) const fn is_host_text(byte: u8) -> bool {
    // The letters and digits, and in order: ! $ &'()*+,-. ; = _ ~
    ((byte | 0x20).wrapping_sub(b'a') < 26)
        | (byte.wrapping_sub(b'0') < 10)
        | (byte.wrapping_sub(b'&') <= b'.' - b'&')
        | (byte == b'!')
        | (byte == b'$')
        | (byte == b';')
        | (byte == b'=')
        | (byte == b'_')
        | (byte == b'~')
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
    fn those(holds: impl Fn(u8) -> bool) -> Vec<u8> {
        (0..=255).filter(|byte| holds(*byte)).collect()
    }

    #[test]
    fn the_sets_are_those_of_the_grammar() {
        let token = those(|byte| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'"' | b'(' | b')' | b',' | b'/' | b':'..=b'@' | b'['..=b']' | b'{' | b'}')
        });
        assert_eq!(those(|byte| TOKEN.has(byte)), token);
        let host = those(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte));
        assert_eq!(those(is_host_text), host);
        let zone = those(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte));
        assert_eq!(those(|byte| ZONE.has(byte)), zone);
        assert_eq!(those(is_field_text), those(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..)));
    }

    #[test]
    fn all_looks_at_each_byte() {
        for length in 0..70 {
            let mut bytes = vec![b'x'; length];
            assert!(all(&bytes, is_host_text), "{length}");
            for at in 0..length {
                bytes[at] = b'/';
                assert!(!all(&bytes, is_host_text), "{at} of {length}");
                bytes[at] = b'x';
            }
        }
    }

    #[test]
    fn one_stranger_is_enough() {
        assert!(TOKEN.has_all(b"") && TOKEN.has_all(b"Content-Type"));
        assert!(!TOKEN.has_all(b"Content-Type "));
    }
}
