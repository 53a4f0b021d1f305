//! Entry functions for fuzzing: each takes any bytes, and panics when a promise of a parser is broken.
//!
//! The property tests call them with bytes that are nearly right; a fuzzer may call them with whatever it finds.

use super::{
    BodyDecoder, BodyPart, FieldStorage, Head, HeadLimits, HeadParser, Parsed, Refusal, RelativePath, range,
};

/// Small enough for a short input to reach them.
const LIMITS: HeadLimits = HeadLimits { line: 64, head: 256 };

/// A head that comes byte by byte means what it means when it comes at once; what is refused at once is not
/// served byte by byte.
pub fn head(bytes: &[u8]) {
    let mut storage = FieldStorage::new();
    let whole = HeadParser::new().parse(bytes, &mut storage, &LIMITS);
    let mut parser = HeadParser::new();
    for end in 1..=bytes.len() {
        let mut storage = FieldStorage::new();
        match (parser.parse(&bytes[..end], &mut storage, &LIMITS), &whole) {
            (Ok(Parsed::Incomplete), _) => {}
            (Ok(Parsed::Head(head)), Ok(Parsed::Head(same))) => {
                assert_eq!(&head, same);
                assert_eq!(head.length, end, "a head ends with its last byte");
                return check(&head, bytes);
            }
            (Err(_), Err(_)) => return,
            (Ok(Parsed::Head(_)) | Err(_), _) => panic!("in pieces another result at {end} than {whole:?}"),
        }
    }
    assert!(!matches!(whole, Ok(Parsed::Head(_))), "in pieces no end to a whole head");
}

/// What holds for every head that was let through.
fn check(head: &Head<'_>, bytes: &[u8]) {
    assert!(bytes[..head.length].ends_with(b"\r\n\r\n"), "a head ends with an empty line");
    assert!(super::bytes::TOKEN.has_all(head.method.as_bytes()) && !head.method.is_empty());
    assert!(head.target.path.starts_with('/') || head.target.path == "*");
    assert!(head.target.whole.bytes().all(|byte| byte > b' ' && byte != 0x7f && byte != b'#'));
    let count = |name| head.fields.all(name).count();
    assert!(count("host") <= 1 && count("content-length") + count("transfer-encoding") <= 1);
    if let Some(path) = RelativePath::parse(head.target.path) {
        assert!(path.url().starts_with('/') && !path.url().starts_with("//"));
    }
}

/// A chunked body that comes byte by byte has the data that it has when it comes at once.
pub fn chunked(bytes: &[u8]) {
    let whole = body(bytes, bytes.len().max(1));
    assert_eq!(body(bytes, 1), whole, "byte by byte");
    assert_eq!(body(bytes, 3), whole, "in threes");
    if let Ok((data, _)) = whole {
        assert!(data.len() <= 100, "more than the limit");
    }
}

/// The data of a chunked body of which so many bytes come at a time, and where it ended, if it did.
fn body(bytes: &[u8], at_a_time: usize) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let mut decoder = BodyDecoder::new(super::Body::Chunked, 100)?;
    let (mut data, mut taken) = (Vec::new(), 0);
    for piece in bytes.chunks(at_a_time) {
        let mut input = piece;
        loop {
            match decoder.decode(&mut input)? {
                BodyPart::Data(part) => data.extend_from_slice(part),
                BodyPart::More => break,
                BodyPart::End => return Ok((data, Some(taken + piece.len() - input.len()))),
            }
        }
        assert!(input.is_empty(), "who wants more has taken all");
        taken += piece.len();
    }
    Ok((data, None))
}

/// Each range lies within the body and is not empty; several do not overlap, so that together they are no more than it.
pub fn byte_range(field: &[u8], length: u64) {
    let mut parts = match range::parse(field, length) {
        range::Requested::Whole | range::Requested::Unsatisfiable => return,
        range::Requested::Part(part) => vec![part],
        range::Requested::Parts(parts) => {
            assert!((2..=range::MOST).contains(&parts.len()));
            parts
        }
    };
    parts.sort_by_key(|part| part.start);
    assert!(parts.iter().all(|part| part.start < part.end && part.end <= length));
    assert!(parts.windows(2).all(|two| two[0].end <= two[1].start));
}

/// The names of a path stay below the top, and its URL names the same.
pub fn path(text: &str) {
    let Some(path) = RelativePath::parse(text) else { return };
    for name in path.segments() {
        assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0));
    }
    assert_eq!(RelativePath::parse(&path.url()).map(|again| again.join()), Some(path.join()));
}
