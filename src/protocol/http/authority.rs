//! The `host[:port]` of a Host field and of an absolute target (RFC 3986, section 3.2).

use super::bytes::{LITERAL, all, is_host_text};

/// Whether `bytes` are a host with or without a port, and nothing besides: no user, no space, no path.
///
/// Two servers that read `a@b`, `a b` or `a/b` differently would serve each other's pages.
///
/// ```
/// use forkd::protocol::http::authority::is_authority;
///
/// assert!(is_authority(b"localhost:8080") && is_authority(b"[::1]:8080") && is_authority(b"example.org"));
/// assert!(!is_authority(b"user@host") && !is_authority(b"host:http") && !is_authority(b"a b"));
/// ```
pub fn is_authority(bytes: &[u8]) -> bool {
    match bytes {
        [b'[', rest @ ..] => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => LITERAL.has_all(&rest[..end]) && is_port_part(&rest[end + 1..]),
            None => false,
        },
        // No host of this kind has a colon in it.
        _ => {
            let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let host = bytes[..bytes.len() - digits].strip_suffix(b":").filter(|_| digits <= 5);
            all(host.unwrap_or(bytes), is_host_text)
        }
    }
}

/// Whether `bytes` are nothing, or a colon and at most five digits.
fn is_port_part(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_authority;

    #[test]
    fn hosts_with_and_without_ports() {
        for good in
            ["", "a", "a.b-c_d", "127.0.0.1:80", "[::1]", "[fe80::1%25eth0]:8080", "a:", "xn--fsq.cn:65535"]
        {
            assert!(is_authority(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b", "a\t", "a/b", "a?b", "a#b", "a\\b", "u@h", "a:b", "a:80x", "a:123456", "a:1:2", "[::1",
            "[::1]x", "[a b]", "a\0", "é", "<a>", "\"a\"",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad:?}");
        }
    }
}
