//! How a site behaves: what its user chose, and what that adds to its answers.

use std::{str::FromStr, time::Duration};

#[cfg(feature = "auth")]
use super::auth::Credential;
use crate::{
    app::http::{Request, Response, Status},
    protocol::http::{HeadEncoder, Unsendable},
};

/// How a site behaves. The default shows index pages and listings to everybody, and takes nothing.
///
/// ```
/// use forkd::app::site::Options;
///
/// let options = Options { spa: true, headers: vec!["X-Frame-Options: DENY".parse()?], ..Options::default() };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The files that stand for their directory, the first that is there.
    pub index: Vec<String>,
    /// Whether a directory without such a file is listed.
    pub listing: bool,
    /// Whether a path that leads to nothing is one of an application in the top directory's index page.
    pub spa: bool,
    /// Whether pages of any other site may read what is here, and be told so (the Fetch standard's CORS).
    pub cors: bool,
    /// How long clients may keep a file without asking again.
    pub cache: Option<Duration>,
    /// Fields that every answer has.
    pub headers: Vec<Header>,
    /// Whether names with a dot in front are served like others.
    pub hidden: bool,
    /// Who may come in; everybody if there is none.
    #[cfg(feature = "auth")]
    pub auth: Vec<Credential>,
    /// Whether `NAME.br`, `NAME.zst` and `NAME.gz` stand for NAME where a client can decode them.
    pub precompressed: bool,
    /// Whether files may be put and deleted.
    pub upload: bool,
}

/// What says which state of a file an answer is about: nobody else can know.
const OF_FILES: [&str; 4] = ["accept-ranges", "content-range", "etag", "last-modified"];

/// A field of an answer, `NAME: VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            index: vec!["index.html".into()],
            listing: true,
            spa: false,
            cors: false,
            cache: None,
            headers: Vec::new(),
            hidden: false,
            #[cfg(feature = "auth")]
            auth: Vec::new(),
            precompressed: false,
            upload: false,
        }
    }
}

impl FromStr for Header {
    type Err = HeaderError;

    fn from_str(text: &str) -> Result<Self, HeaderError> {
        let (name, value) = text.split_once(':').ok_or(HeaderError::NoColon)?;
        let (name, value) = (name.trim(), value.trim());
        if OF_FILES.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(HeaderError::OfFiles);
        }
        let mut page = Vec::new();
        HeadEncoder::begin(&mut page, Status::OK, &[b' '; 29])
            .and_then(|mut head| head.field(name, value))
            .map_err(HeaderError::Unsendable)?;
        Ok(Self { name: name.into(), value: value.into() })
    }
}

/// Why a text is no field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Nothing tells the name from the value.
    NoColon,
    /// It is about the file that is sent.
    OfFiles,
    /// It cannot be sent.
    Unsendable(Unsendable),
}

impl std::fmt::Display for HeaderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoColon => f.write_str("there is no colon behind the name"),
            Self::OfFiles => f.write_str("each file has its own"),
            Self::Unsendable(reason) => reason.fmt(f),
        }
    }
}

impl std::error::Error for HeaderError {}

impl Options {
    /// The methods that a site with these options knows.
    pub fn methods(&self) -> &'static str {
        if self.upload { "GET, HEAD, OPTIONS, PUT, DELETE" } else { "GET, HEAD, OPTIONS" }
    }

    /// Adds what every answer has.
    pub fn dress(&self, mut response: Response) -> Response {
        if self.cors {
            response = response
                .header("Access-Control-Allow-Origin", "*")
                .header("Access-Control-Expose-Headers", "*");
        }
        for (index, Header { name, value }) in self.headers.iter().enumerate() {
            let again = self.headers[..index].iter().any(|before| before.name.eq_ignore_ascii_case(name));
            // What an answer varies by is not for one of its makers alone to say: a cache would mix up the others.
            response = if again || name.eq_ignore_ascii_case("vary") {
                response.header(name.clone(), value.clone())
            } else {
                response.replace_header(name.clone(), value.clone())
            };
        }
        response
    }

    /// Adds what every answer has that is a file or a part of it, or says that the client has it.
    pub fn dress_file(&self, mut response: Response) -> Response {
        if self.precompressed {
            response = response.header("Vary", "Accept-Encoding");
        }
        let is_file = matches!(response.code(), Status::OK | Status::PARTIAL_CONTENT | Status::NOT_MODIFIED);
        if let Some(age) = self.cache.filter(|_| is_file) {
            let private = if self.is_open() { "" } else { "private, " };
            response = response.header("Cache-Control", format!("{private}max-age={}", age.as_secs()));
        }
        response
    }

    /// The answer to who asks whether a page of another site may ask (the Fetch standard's CORS-preflight request). It
    /// comes without a password, and gets its answer without one.
    pub fn preflight(&self, request: &Request<'_>) -> Option<Response> {
        if !self.cors || request.method() != "OPTIONS" {
            return None;
        }
        request.header("access-control-request-method")?;
        let response = Response::empty(Status::NO_CONTENT)
            .header("Access-Control-Allow-Methods", self.methods())
            .header("Access-Control-Max-Age", "86400")
            .header("Vary", "Access-Control-Request-Headers");
        Some(match request.header("access-control-request-headers") {
            Some(names) => response.header("Access-Control-Allow-Headers", names.to_owned()),
            None => response,
        })
    }

    /// Whether everybody may come in.
    fn is_open(&self) -> bool {
        #[cfg(feature = "auth")]
        return self.auth.is_empty();
        #[cfg(not(feature = "auth"))]
        return true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_name_and_a_value_that_can_be_sent() {
        let header: Header = "X-Frame-Options:  DENY ".parse().unwrap();
        assert_eq!((header.name.as_str(), header.value.as_str()), ("X-Frame-Options", "DENY"));
        for bad in ["", "X", ": a", "a b: c", "X: a\nb", "Content-Length: 5", "Date: now", "etag: \"1\""] {
            assert!(bad.parse::<Header>().is_err(), "{bad}");
        }
    }
}
