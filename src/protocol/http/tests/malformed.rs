//! What is not served: requests that two servers could read in two ways, beside the status of the answer. Each stands
//! for a class of attacks that worked on a server somewhere.

use super::parse;

/// A request line and a Host, for cases that go wrong later.
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";

/// Requests that are wrong from their first line on.
const LINES: &[(&[u8], u16)] = &[
    (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501),
    // Versions: 0.9 has none, others are another protocol.
    (b"GET /\r\n", 400),
    (b"GET /\r\n\r\n", 400),
    (b"GET / \r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    (b"GET / HTTP/11\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    (b"GET / http/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET / XTTP/1.1\r\nHost: a\r\n\r\n", 400),
    // Other protocols at the wrong door.
    (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
    (b"SSH-2.0-OpenSSH_9.2\r\n", 400),
    // Line ends.
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
    (b"GET / HTTP/1.1\rHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a", 400),
    // Host.
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET http://a/ HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
];

/// Fields that do not go into a lawful request.
const FIELDS: &[(&str, u16)] = &[
    (" X: b", 400),
    ("\tX: b", 400),
    ("X : b", 400),
    ("X\t: b", 400),
    (": b", 400),
    ("X", 400),
    ("X\0Y: b", 400),
    ("X(: b", 400),
    ("X\u{e9}: b", 400),
    ("X: a\0b", 400),
    ("X: a\x0bb", 400),
    ("X: a\x7fb", 400),
    ("X: a\r\n b", 400),
    ("X: a\r\n\tTransfer-Encoding: chunked", 400),
    ("Expect: 200-ok", 417),
    ("Expect: 100-continue, x", 417),
];

/// Two framings, or one that is not understood.
const FRAMINGS: &[(&str, u16)] = &[
    ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0", 400),
    ("Content-Length: 1\r\nContent-Length: 2", 400),
    ("Content-Length: 1\r\ncontent-length: 1", 400),
    ("Content-Length: 1, 1", 400),
    ("Content-Length: 1 1", 400),
    ("Content-Length:", 400),
    ("Content-Length: ", 400),
    ("Content-Length: +1", 400),
    ("Content-Length: -1", 400),
    ("Content-Length: 0x1", 400),
    ("Content-Length: 1.0", 400),
    ("Content-Length: 1;", 400),
    ("Content-Length: \u{ff11}", 400),
    ("Content-Length: 18446744073709551616", 400),
    ("Content-Length : 1", 400),
    ("Content_Length: 1\r\nContent-Length: 1\r\nTransfer-Encoding: x", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
    ("Transfer-Encoding: chunked, chunked", 400),
    ("Transfer-Encoding: chunked, gzip", 400),
    ("Transfer-Encoding: chunked,", 400),
    ("Transfer-Encoding: ,chunked", 400),
    ("Transfer-Encoding: identity", 400),
    ("Transfer-Encoding: gzip", 400),
    ("Transfer-Encoding:", 400),
    ("Transfer-Encoding: xchunked", 400),
    ("Transfer-Encoding: chunkedx", 400),
    ("Transfer-Encoding: \"chunked\"", 400),
    ("Transfer-Encoding: chunked;a=b", 400),
    ("Transfer-Encoding: chunked\r\n x", 400),
    ("Transfer-Encoding: \x0bchunked", 400),
    ("Transfer-Encoding: chunk\u{eb}d", 400),
    ("Transfer-Encoding : chunked", 400),
    ("Transfer-Encoding: gzip, chunked", 501),
];

fn status(bytes: &[u8]) -> u16 {
    parse(bytes).map_or_else(|status| status, |_| 200)
}

#[test]
fn requests_that_are_not_served() {
    for (bytes, expected) in LINES {
        assert_eq!(status(bytes), *expected, "{}", bytes.escape_ascii());
    }
    for (start, fields) in [(GET, FIELDS), (POST, FRAMINGS)] {
        for (field, expected) in fields {
            let bytes = format!("{start}{field}\r\n\r\n");
            assert_eq!(status(bytes.as_bytes()), *expected, "{field:?}");
            let bytes = format!("{start}A: b\r\n{field}\r\nC: d\r\n\r\n");
            assert_eq!(status(bytes.as_bytes()), *expected, "{field:?} between others");
        }
    }
}
