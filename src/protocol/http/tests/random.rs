//! Properties, on bytes that are nearly right.

use proptest::prelude::*;

use crate::protocol::http::{BodyDecoder, BodyPart, HeadEncoder, Persistence, Status, chunked, fuzzing};

/// Pieces of requests, lawful and not, to be strung together in any order.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"GET "[..],
        b"POST ",
        b"/",
        b"/a?b",
        b"*",
        b"http://h",
        b" HTTP/1.1",
        b" HTTP/1.0",
        b" HTTP/2.0",
        b"\r\n",
        b"\r\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"Host: a\r\n",
        b"Host: a\r\n",
        b"Host:",
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"A: b\r\n",
        b"\0",
        b"\xff",
        b"#",
        b"%2e",
        b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        b"GET / HTTP/1.1\r\n",
    ]);
    prop::collection::vec(pieces, 0..16).prop_map(|pieces| pieces.concat())
}

/// Pieces of chunked bodies.
fn nearly_chunked() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        &b"3\r\nabc\r\n"[..],
        b"0\r\n",
        b"\r\n",
        b"\r\n",
        b"a",
        b"1",
        b";x=y",
        b" ",
        b"\n",
        b"\r",
        b"T: u\r\n",
        b"ff",
        b"0\r\n\r\n",
        b"5\r\n12345\r\n",
        b"ffffffffffffffff\r\n",
        b"GET",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn heads_mean_the_same_however_they_are_cut(bytes in nearly_a_head()) {
        fuzzing::head(&bytes);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), length in any::<u64>()) {
        fuzzing::head(&bytes);
        fuzzing::chunked(&bytes);
        fuzzing::byte_range(&bytes, length);
        fuzzing::path(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn chunked_bodies_mean_the_same_however_they_are_cut(bytes in nearly_chunked()) {
        fuzzing::chunked(&bytes);
    }

    #[test]
    fn ranges_stay_within(field in "bytes=[0-9]{0,20}-[0-9]{0,20}", length in any::<u64>()) {
        fuzzing::byte_range(field.as_bytes(), length);
    }

    #[test]
    fn several_ranges_are_never_more_than_the_whole(
        field in "bytes=([0-9]{0,3}-[0-9]{0,3}[, ]{0,2}){0,8}",
        length in 0..500_u64,
    ) {
        fuzzing::byte_range(field.as_bytes(), length);
    }

    #[test]
    fn paths_stay_below(path in "(/(\\.{0,3}|a|%2e|%2E%2f|%00|茶|%|\\\\)){0,8}/?") {
        fuzzing::path(&path);
    }

    #[test]
    fn what_is_sent_in_chunks_arrives(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..8),
        at_a_time in 1..40_usize,
    ) {
        let mut body = Vec::new();
        parts.iter().for_each(|part| chunked::encode_chunk(part, &mut body));
        chunked::encode_end(&mut body);
        let mut decoder = BodyDecoder::new(crate::protocol::http::Body::Chunked, 1000).unwrap();
        let (mut data, mut ended) = (Vec::new(), false);
        for mut piece in body.chunks(at_a_time) {
            while let part @ (BodyPart::Data(_) | BodyPart::End) = decoder.decode(&mut piece).unwrap() {
                match part {
                    BodyPart::Data(bytes) => data.extend_from_slice(bytes),
                    BodyPart::End | BodyPart::More => { ended = true; break }
                }
            }
        }
        prop_assert!(ended);
        prop_assert_eq!(data, parts.concat());
    }

    #[test]
    fn no_field_of_a_handler_splits_an_answer(name in any::<String>(), value in any::<String>(), code in any::<u16>()) {
        let mut out = Vec::new();
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        if let Ok(mut head) = HeadEncoder::begin(&mut out, Status::from(code), date) {
            let written = head.field(&name, &value).is_ok();
            head.end(Some(3), Persistence::Keep);
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut parsed = httparse::Response::new(&mut headers);
            let length = parsed.parse(&out).unwrap().unwrap();
            prop_assert_eq!(length, out.len());
            prop_assert_eq!(parsed.headers.len(), 2 + usize::from(written));
        }
    }
}
