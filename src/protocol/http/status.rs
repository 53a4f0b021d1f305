//! Status codes (RFC 9110, section 15) and their lines.

use std::fmt;

/// The three digits of an answer.
///
/// ```
/// use forkd::http::Status;
///
/// assert_eq!(Status::NOT_FOUND.to_string(), "404 Not Found");
/// assert_eq!(Status::from(404), Status::NOT_FOUND);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(u16);

/// One row for each status that has a name: its constant and its words.
macro_rules! statuses {
    ($($code:literal $name:ident $words:literal)*) => {
        impl Status {
            $(#[doc = concat!(stringify!($code), " ", $words, ".")] pub const $name: Self = Self($code);)*

            /// The words that go with the number; empty for a number without a name.
            pub const fn words(self) -> &'static str {
                match self.0 { $($code => $words,)* _ => "" }
            }

            /// How an answer with a named status begins: its line, and the name of the first field.
            pub(super) const fn opening(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(concat!("HTTP/1.1 ", stringify!($code), " ", $words, "\r\nDate: ")),)*
                    _ => None,
                }
            }
        }

        #[cfg(test)]
        const NAMED: &[Status] = &[$(Status::$name),*];
    };
}

statuses! {
    100 CONTINUE "Continue"
    101 SWITCHING_PROTOCOLS "Switching Protocols"
    200 OK "OK"
    201 CREATED "Created"
    202 ACCEPTED "Accepted"
    204 NO_CONTENT "No Content"
    206 PARTIAL_CONTENT "Partial Content"
    301 MOVED_PERMANENTLY "Moved Permanently"
    302 FOUND "Found"
    303 SEE_OTHER "See Other"
    304 NOT_MODIFIED "Not Modified"
    307 TEMPORARY_REDIRECT "Temporary Redirect"
    308 PERMANENT_REDIRECT "Permanent Redirect"
    400 BAD_REQUEST "Bad Request"
    401 UNAUTHORIZED "Unauthorized"
    403 FORBIDDEN "Forbidden"
    404 NOT_FOUND "Not Found"
    405 METHOD_NOT_ALLOWED "Method Not Allowed"
    406 NOT_ACCEPTABLE "Not Acceptable"
    408 REQUEST_TIMEOUT "Request Timeout"
    409 CONFLICT "Conflict"
    410 GONE "Gone"
    411 LENGTH_REQUIRED "Length Required"
    412 PRECONDITION_FAILED "Precondition Failed"
    413 CONTENT_TOO_LARGE "Content Too Large"
    414 URI_TOO_LONG "URI Too Long"
    415 UNSUPPORTED_MEDIA_TYPE "Unsupported Media Type"
    416 RANGE_NOT_SATISFIABLE "Range Not Satisfiable"
    417 EXPECTATION_FAILED "Expectation Failed"
    418 TEAPOT "I'm a teapot"
    422 UNPROCESSABLE_CONTENT "Unprocessable Content"
    426 UPGRADE_REQUIRED "Upgrade Required"
    429 TOO_MANY_REQUESTS "Too Many Requests"
    431 FIELDS_TOO_LARGE "Request Header Fields Too Large"
    500 INTERNAL_SERVER_ERROR "Internal Server Error"
    501 NOT_IMPLEMENTED "Not Implemented"
    502 BAD_GATEWAY "Bad Gateway"
    503 SERVICE_UNAVAILABLE "Service Unavailable"
    504 GATEWAY_TIMEOUT "Gateway Timeout"
    505 VERSION_NOT_SUPPORTED "HTTP Version Not Supported"
    507 INSUFFICIENT_STORAGE "Insufficient Storage"
}

impl Status {
    /// Its number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether it is the status of a final answer, 200 to 599. A number outside is not sent.
    pub const fn is_final(self) -> bool {
        matches!(self.0, 200..=599)
    }

    /// Whether an answer with it has a body, if only an empty one (RFC 9112, section 6.3): all but 1xx, 204, 304.
    pub const fn has_body(self) -> bool {
        !matches!(self.0, 100..=199 | 204 | 304)
    }
}

impl From<u16> for Status {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl fmt::Display for Status {
    /// The number and its words, `404 Not Found`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.words() {
            "" => self.0.fmt(f),
            words => write!(f, "{} {words}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_status_has_a_line_with_its_number_and_words() {
        for status in NAMED {
            assert_eq!(status.opening(), Some(format!("HTTP/1.1 {status}\r\nDate: ").as_str()));
        }
    }

    #[test]
    fn a_number_without_a_name_has_no_line_and_shows_as_itself() {
        assert_eq!(Status::from(299).opening(), None);
        assert_eq!(Status::from(299).to_string(), "299");
    }

    #[test]
    fn only_informational_no_content_and_not_modified_have_no_body() {
        let bodiless: Vec<_> = NAMED.iter().filter(|status| !status.has_body()).map(|s| s.code()).collect();
        assert_eq!(bodiless, [100, 101, 204, 304]);
    }
}
