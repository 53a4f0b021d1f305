//! Requests and answers on the control socket: one line of JSON each way, then the connection ends.
//!
//! ```text
//! > {"reload":{"timeout":null}}
//! < {"exit":0,"text":"generation 2: 4 workers ready","status":null}
//! ```

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Request, status::StatusDocument};

/// The longest line that a master reads, in bytes, its end included; what is longer is no request.
pub const REQUEST_LINE: usize = 4096;

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The exit code of the command that asked: 0 done, 1 failed, 2 cannot be meant, 4 degraded.
    pub exit: u8,
    /// What happened, for a person.
    pub text: String,
    /// The last lines of the child that failed, if one did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// How the server stands, for whoever asked that.
    pub status: Option<StatusDocument>,
}

/// Why a line is no request, or no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError(String);

impl Request {
    /// The request as the line that asks for it, with its end.
    pub fn to_line(&self) -> String {
        to_line(self)
    }

    /// The request that a line asks for, with or without its end.
    ///
    /// # Errors
    /// For anything else: too long, not JSON, an unknown word, more than one word.
    pub fn from_line(line: &[u8]) -> Result<Self, WireError> {
        if line.len() > REQUEST_LINE {
            return Err(WireError(format!("cannot read a request of more than {REQUEST_LINE} bytes")));
        }
        from_line("a request", line)
    }
}

impl Answer {
    /// It is done.
    pub fn done(text: impl Into<String>) -> Self {
        Self { exit: 0, text: text.into(), lines: Vec::new(), status: None }
    }

    /// It was tried and did not come about.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { exit: 1, ..Self::done(text) }
    }

    /// It cannot be meant.
    pub fn refused(text: impl Into<String>) -> Self {
        Self { exit: 2, ..Self::done(text) }
    }

    /// Whether what was asked for is so.
    pub fn ok(&self) -> bool {
        self.exit == 0
    }

    /// The answer as a line, with its end.
    pub fn to_line(&self) -> String {
        to_line(self)
    }

    /// The answer in a line, with or without its end.
    ///
    /// # Errors
    /// For anything else: not JSON, or the answer of another version of forkd.
    pub fn from_line(line: &[u8]) -> Result<Self, WireError> {
        from_line("an answer", line)
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for WireError {}

/// A value as one line. JSON escapes every control character within, so the line has no end but its own.
fn to_line(value: &impl Serialize) -> String {
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

fn from_line<T: DeserializeOwned>(what: &str, line: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(line).map_err(|cause| WireError(format!("cannot read {what}: {cause}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::ipc::control::{Pace, REQUESTS, Scale, status};

    #[test]
    fn every_request_of_the_table_comes_back_as_it_was_sent() {
        for entry in REQUESTS {
            assert_eq!(Request::from_line(entry.request.to_line().as_bytes()), Ok(entry.request.clone()));
        }
    }

    #[test]
    fn requests_look_as_the_page_says() {
        assert_eq!(Request::Status.to_line(), "\"status\"\n");
        assert_eq!(Request::Stop(Pace::Now).to_line(), "{\"stop\":\"now\"}\n");
        assert_eq!(Request::Scale(Scale::Up(2)).to_line(), "{\"scale\":{\"up\":2}}\n");
    }

    #[test]
    fn an_answer_is_one_line_whatever_it_says() {
        let status = Some(status::tests::document());
        let answer =
            Answer {
                exit: 4, text: "two\nlines, 僵尸 \u{1b}[2J".into(), lines: vec!["last".into()], status
            };
        let line = answer.to_line();
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!(Answer::from_line(line.as_bytes()), Ok(answer));
    }

    #[test]
    fn what_is_no_request_is_an_error_that_says_so() {
        let long = [b' '; REQUEST_LINE + 1];
        let nested = "[".repeat(REQUEST_LINE);
        let lines: [&[u8]; 9] = [
            b"",
            b"\n",
            b"\0",
            b"\"explode\"",
            b"\"status\" \"status\"",
            b"{\"scale\":{\"to\":-1}}",
            b"{\"reload\":{\"timeout\":null,\"binary\":\"/bin/sh\"}}",
            nested.as_bytes(),
            &long,
        ];
        for line in lines {
            let error = Request::from_line(line).unwrap_err().to_string();
            assert!(error.starts_with("cannot read a request"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Request::from_line(&line);
            let _ = Answer::from_line(&line);
        }

        #[test]
        fn any_timeout_and_any_number_cross(millis in any::<u64>(), workers in any::<u32>()) {
            let timeout = Some(Duration::from_millis(millis));
            for request in [Request::Reload { timeout }, Request::Scale(Scale::To(workers))] {
                prop_assert_eq!(Request::from_line(request.to_line().as_bytes()), Ok(request));
            }
        }
    }
}
