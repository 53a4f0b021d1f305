//! Answers read from a stream of bytes: where each ends, and whether it is what was asked for.

/// More header lines than any server at hand sends.
const MOST_HEADERS: usize = 48;

/// A whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The status was 200 and the body had the length that was expected.
    pub right: bool,
    /// The server said that it closes after it.
    pub last: bool,
}

/// What has been read of the answer that is coming.
#[derive(Debug, Default)]
pub struct Reader {
    /// The head so far, when it came in pieces.
    head: Vec<u8>,
    /// The answer whose body is on its way, and how much of it is still to come.
    body: Option<(Answer, u64)>,
    /// How much of what was sent to an echo has come back.
    echoed: usize,
}

/// What cannot be read as an answer with a length.
#[derive(Debug)]
pub struct Unreadable;

impl Reader {
    /// Takes bytes off the front of `input` until one answer is whole; `None` when more are needed.
    pub fn next(&mut self, input: &mut &[u8], body: Option<u64>) -> Result<Option<Answer>, Unreadable> {
        if self.body.is_none() {
            self.body = self.head(input, body)?;
        }
        let Some((answer, left)) = &mut self.body else { return Ok(None) };
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        *input = &input[taken..];
        *left -= taken as u64;
        if *left > 0 {
            return Ok(None);
        }
        let answer = *answer;
        self.body = None;
        Ok(Some(answer))
    }

    /// The same of an echo: what comes must be what was sent.
    pub fn echo(&mut self, input: &mut &[u8], sent: &[u8]) -> Result<Option<Answer>, Unreadable> {
        let taken = input.len().min(sent.len() - self.echoed);
        let (echo, rest) = input.split_at(taken);
        if echo != &sent[self.echoed..][..taken] {
            return Err(Unreadable);
        }
        *input = rest;
        self.echoed = (self.echoed + taken) % sent.len();
        Ok((self.echoed == 0).then_some(Answer { right: true, last: false }))
    }

    /// Whether nothing of the next answer has come.
    pub fn is_empty(&self) -> bool {
        self.head.is_empty() && self.body.is_none() && self.echoed == 0
    }

    /// Reads a head, which mostly comes in one piece and is then not copied.
    fn head(
        &mut self,
        input: &mut &[u8],
        expected: Option<u64>,
    ) -> Result<Option<(Answer, u64)>, Unreadable> {
        let before = self.head.len();
        let found = if before == 0 {
            parse(input, expected)?
        } else {
            self.head.extend_from_slice(input);
            parse(&self.head, expected)?
        };
        let Some((length, answer, body)) = found else {
            if before == 0 {
                self.head.extend_from_slice(input);
            }
            *input = &[];
            return Ok(None);
        };
        *input = &input[length - before..];
        self.head.clear();
        Ok(Some((answer, body)))
    }
}

/// The length of the head at the front of `bytes`, what it promises, and the length of the body.
fn parse(bytes: &[u8], expected: Option<u64>) -> Result<Option<(usize, Answer, u64)>, Unreadable> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(bytes).map_err(|_| Unreadable)? else {
        return Ok(None);
    };
    let mut body = None;
    let mut last = head.version == Some(0);
    for header in head.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            body = std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
        } else if header.name.eq_ignore_ascii_case("connection") {
            last = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    let body = body.ok_or(Unreadable)?;
    let right = head.code == Some(200) && expected.is_none_or(|expected| expected == body);
    Ok(Some((length, Answer { right, last }, body)))
}
