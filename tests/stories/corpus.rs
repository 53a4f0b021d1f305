//! What fuzzing has found: for each way in which a parser can answer, the shortest input that leads there, as a file of
//! `tests/corpus/http`, with the answer beside it in a file that ends in `.expected`.
//!
//! A new finding becomes a new pair of files. The fuzz targets are in `fuzz/`.

use std::{fs, path::Path};

use forkd::protocol::http::{
    Body, BodyDecoder, BodyPart, FieldStorage, HeadLimits, HeadParser, Parsed, Refusal, RelativePath, range,
};

#[test]
fn heads_mean_what_they_meant() {
    compare("head", head);
}

#[test]
fn chunked_bodies_mean_what_they_meant() {
    compare("chunked", chunked);
}

#[test]
fn ranges_mean_what_they_meant() {
    compare("range", |field| format!("{:?}", range::parse(field, 1000)));
}

#[test]
fn paths_mean_what_they_meant() {
    compare("path", path);
}

/// Reads every input of one kind, and holds what comes of it against its expectation.
fn compare(kind: &str, parse: impl Fn(&[u8]) -> String) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/http").join(kind);
    let mut seen = 0;
    for entry in fs::read_dir(&directory).unwrap() {
        let input = entry.unwrap().path();
        if input.extension().is_some_and(|ending| ending == "expected") {
            continue;
        }
        let expected = fs::read_to_string(format!("{}.expected", input.display()));
        let expected =
            expected.unwrap_or_else(|error| panic!("no expectation of {}: {error}", input.display()));
        assert_eq!(parse(&fs::read(&input).unwrap()), expected.trim_end(), "{}", input.display());
        seen += 1;
    }
    assert!(seen > 0, "no inputs in {}", directory.display());
}

fn head(bytes: &[u8]) -> String {
    let mut storage = FieldStorage::new();
    match HeadParser::new().parse(bytes, &mut storage, &HeadLimits { line: 64, head: 256 }) {
        Ok(Parsed::Incomplete) => "incomplete".to_owned(),
        Ok(Parsed::Head(head)) => format!(
            "{:?} path {:?} query {:?} authority {:?}, {:?}, body {:?}, {:?}, {} fields, continue: {}, {} of {} bytes",
            head.method,
            head.target.path,
            head.target.query,
            head.target.authority,
            head.version,
            head.body,
            head.persistence,
            head.fields.len(),
            head.expects_continue,
            head.length,
            bytes.len(),
        ),
        Err(refusal) => refused(refusal),
    }
}

fn chunked(bytes: &[u8]) -> String {
    let (mut input, mut data) = (bytes, Vec::new());
    let mut decoder = match BodyDecoder::new(Body::Chunked, 100) {
        Ok(decoder) => decoder,
        Err(refusal) => return refused(refusal),
    };
    let end = loop {
        match decoder.decode(&mut input) {
            Ok(BodyPart::Data(part)) => data.extend_from_slice(part),
            Ok(BodyPart::More) => break "goes on",
            Ok(BodyPart::End) => break "ends",
            Err(refusal) => return refused(refusal),
        }
    };
    format!("{end} after {:?}, {} bytes left", String::from_utf8_lossy(&data), input.len())
}

fn path(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match RelativePath::parse(&text) {
        None => "no path".to_owned(),
        Some(path) => format!("{:?}, hidden: {}", path.url(), path.is_hidden()),
    }
}

fn refused(refusal: Refusal) -> String {
    format!("{}: {}", refusal.status, refusal.why)
}
