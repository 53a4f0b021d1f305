//! The `host[:port]` of a Host field and of an absolute target (RFC 3986, section 3.2).

use core::net::Ipv6Addr;

use super::bytes::{ZONE, all, is_host_text};

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
            Some(end) => is_literal(&rest[..end]) && is_port_part(&rest[end + 1..]),
            None => false,
        },
        // No host of this kind has a colon in it.
        _ => {
            let digits = bytes.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
            let host = bytes[..bytes.len() - digits].strip_suffix(b":").filter(|_| digits <= 5);
            let host = host.unwrap_or(bytes);
            all(host, is_host_text) || is_escaped(host)
        }
    }
}

/// Whether `host` is made of host text and escapes of two digits: hardly ever is there one.
#[cold]
fn is_escaped(host: &[u8]) -> bool {
    let mut parts = host.split(|byte| *byte == b'%');
    let is_plain = parts.next().is_some_and(|first| all(first, is_host_text));
    is_plain
        && parts.all(|part| {
            all(part, is_host_text)
                && part.first_chunk().is_some_and(|digits: &[u8; 2]| digits.iter().all(u8::is_ascii_hexdigit))
        })
}

/// Whether `bytes` are an IPv6 address, with its zone if it has one, or an address of a kind to come (RFC 3986, section
/// 3.2.2; RFC 6874).
fn is_literal(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    if let Some((kind, address)) = text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.')) {
        let is_number = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_number
            && !address.is_empty()
            && all(address.as_bytes(), |byte| is_host_text(byte) | (byte == b':'));
    }
    let (address, zone) = text.split_once('%').unwrap_or((text, "one"));
    !zone.is_empty() && ZONE.has_all(zone.as_bytes()) && address.parse::<Ipv6Addr>().is_ok()
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
        for good in [
            "",
            "a",
            "a.b-c_d",
            "127.0.0.1:80",
            "[::1]",
            "[fe80::1%25eth0]:8080",
            "[v1.x:y]",
            "a:",
            "a%2Db%7e:1",
            "0.0.0.0=5000",
            "xn--fsq.cn:65535",
        ] {
            assert!(is_authority(good.as_bytes()), "{good:?}");
        }
        for bad in [
            "a b",
            "a\t",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "u@h",
            "a:b",
            "a:80x",
            "a:123456",
            "a:1:2",
            "[::1",
            "[::1]x",
            "[a b]",
            "a\0",
            "é",
            "<a>",
            "\"a\"",
            "[]",
            "[a]",
            "[1:2]",
            "[::1%]",
            "[v.]",
            "[vg.a]",
            "[v1.a/]",
            "[::1%a/b]",
            "a%",
            "a%2",
            "a%zz",
            "%4g:1",
            "a%é0",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad:?}");
        }
    }
}
