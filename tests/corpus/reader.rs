//! Reads `http.txt`: requests as bytes, and the statuses of all that is answered.

/// One line of the corpus.
pub struct Case {
    /// What it is about.
    pub name: &'static str,
    /// What is sent, with the probe behind it unless it is cut off.
    pub stream: Vec<u8>,
    /// The statuses of the answers, without interim ones.
    pub expected: Vec<u16>,
}

const CORPUS: &str = include_str!("http.txt");
const PROBE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Every case of the corpus.
pub fn cases() -> impl Iterator<Item = Case> {
    CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(|line| {
        let [expected, name, text] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("three columns: {line}")
        };
        let mut stream = bytes(text);
        if expected != "-" {
            stream.extend_from_slice(PROBE);
        }
        Case { name, stream, expected: expected.split(' ').filter_map(final_status).collect() }
    })
}

/// The statuses of all answers in a stream that servers sent: final ones, for an interim one depends on how the request
/// came.
pub fn statuses(answers: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answers);
    text.split("HTTP/1.1 ").skip(1).filter_map(final_status).collect()
}

/// The status at the start of a text, if it is a final one.
fn final_status(text: &str) -> Option<u16> {
    text.get(..3)?.parse().ok().filter(|status| *status >= 200)
}

/// The bytes that a column stands for.
fn bytes(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first == b'\\' { rest = unescape(rest, &mut bytes) } else { bytes.push(*first) }
    }
    bytes
}

/// Appends what stands behind a backslash, and gives what stands behind that.
fn unescape<'a>(rest: &'a [u8], bytes: &mut Vec<u8>) -> &'a [u8] {
    let number = |digits: &[u8], radix| {
        usize::from_str_radix(str::from_utf8(digits).expect("digits"), radix).expect("a number")
    };
    let (escape, rest) = rest.split_first().expect("something behind a backslash");
    match escape {
        b'r' => bytes.push(b'\r'),
        b'n' => bytes.push(b'\n'),
        b't' => bytes.push(b'\t'),
        b'0' => bytes.push(0),
        b'\\' => bytes.push(b'\\'),
        b'x' => {
            bytes.push(number(&rest[..2], 16) as u8);
            return &rest[2..];
        }
        b'*' => {
            let end = rest.iter().position(|byte| !byte.is_ascii_digit()).expect("a byte to repeat");
            bytes.resize(bytes.len() + number(&rest[..end], 10), rest[end]);
            return &rest[end + 1..];
        }
        other => panic!("an escape that is none: {}", *other as char),
    }
    rest
}
