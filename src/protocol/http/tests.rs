//! The reading side against tables of what clients and attackers send, and against random bytes.

mod malformed;
mod random;

use super::*;

/// What a head that comes at once is: its method, path and body, or the status of its refusal; `Err(0)` when it is
/// not whole.
fn parse(bytes: &[u8]) -> Result<(String, String, Body), u16> {
    let mut storage = FieldStorage::new();
    match HeadParser::new().parse(bytes, &mut storage, &HeadLimits::default()) {
        Ok(Parsed::Head(head)) => Ok((head.method.into(), head.target.path.into(), head.body)),
        Ok(Parsed::Incomplete) => Err(0),
        Err(refusal) => Err(refusal.status.code()),
    }
}

#[test]
fn lawful_heads() {
    for (bytes, method, path, body) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", Body::Empty),
        ("\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", Body::Empty),
        ("GET / HTTP/1.0\r\n\r\n", "GET", "/", Body::Empty),
        ("GET http://b/c?d HTTP/1.1\r\nhOST: a\r\n\r\n", "GET", "/c", Body::Empty),
        ("OPTIONS * HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "OPTIONS", "*", Body::Empty),
        ("M-SEARCH /茶 HTTP/1.1\r\nHost: a\r\nX: \u{e9}\t\r\n\r\n", "M-SEARCH", "/茶", Body::Empty),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  0 \r\n\r\n", "POST", "/", Body::Empty),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 007\r\n\r\n", "POST", "/", Body::Length(7)),
        ("POST / HTTP/1.0\r\nContent-Length: 7\r\n\r\n", "POST", "/", Body::Length(7)),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n", "POST", "/", Body::Chunked),
    ] {
        assert_eq!(parse(bytes.as_bytes()), Ok((method.into(), path.into(), body)), "{bytes:?}");
    }
}

#[test]
fn the_host_of_a_url_outranks_the_field() {
    let mut storage = FieldStorage::new();
    let bytes = b"GET http://b:81/c HTTP/1.1\r\nHost: a\r\n\r\n";
    let parsed = HeadParser::new().parse(bytes, &mut storage, &HeadLimits::default());
    let Ok(Parsed::Head(head)) = parsed else { panic!("{parsed:?}") };
    assert_eq!(head.host(), Some("b:81"));
    assert_eq!(head.length, bytes.len());
}

#[test]
fn limits_have_their_own_answers_at_once_and_in_pieces() {
    let long = |count| "a".repeat(count);
    let line = HeadLimits::default().line - "GET / HTTP/1.1".len();
    let fields = |count: usize| "A: b\r\n".repeat(count);
    for (bytes, expected) in [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(line)), 200),
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", long(line + 1)), 414),
        (format!("GET /{}", long(9000)), 414),
        (long(9000), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", long(32 << 10)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", long(32 << 10)), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(MAX_FIELDS - 1)), 200),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", fields(MAX_FIELDS)), 431),
    ] {
        let whole = parse(bytes.as_bytes()).map_or_else(|status| status, |_| 200);
        assert_eq!(whole, expected, "{bytes:.40}");
        let mut parser = HeadParser::new();
        let last = (1..=bytes.len()).find_map(|end| {
            let mut storage = FieldStorage::new();
            match parser.parse(&bytes.as_bytes()[..end], &mut storage, &HeadLimits::default()) {
                Ok(Parsed::Incomplete) => None,
                Ok(Parsed::Head(_)) => Some(200),
                Err(refusal) => Some(refusal.status.code()),
            }
        });
        assert_eq!(last, Some(expected), "byte by byte {bytes:.40}");
    }
}

#[test]
fn a_parser_that_is_fed_byte_by_byte_does_not_begin_anew_each_time() {
    // 30,000 looks at up to 30,000 bytes: more than a minute if each began at the start, a moment if not.
    let bytes =
        format!("GET / HTTP/1.1\r\nHost: a\r\n{}", "Aaaaaaaaaaaaa: bbbbbbbbbbbbbbbbbb\r\n".repeat(90));
    let bytes = [bytes.as_bytes(), b"B: ", &[b'c'; 25_000]].concat();
    let (mut parser, start) = (HeadParser::new(), std::time::Instant::now());
    for end in 1..=bytes.len() {
        let mut storage = FieldStorage::new();
        let parsed = parser.parse(&bytes[..end], &mut storage, &HeadLimits::default());
        assert!(matches!(parsed, Ok(Parsed::Incomplete)));
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}
