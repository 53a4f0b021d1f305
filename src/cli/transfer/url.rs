//! What is copied from where to where: a file server's URL, or a path on this machine.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{Error, Result};

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// A path of a file server.
    Remote(Url),
    /// A path of this machine.
    Local(PathBuf),
}

/// A path of a file server: `tcp://127.0.0.1:7008/books/big.iso`. Names stand as they are: a `%` is a `%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// `host:port`.
    pub server: String,
    /// The path, without slashes at its ends; empty for the whole directory.
    pub path: String,
    /// Whether it was written with a slash at its end: it means a directory.
    pub directory: bool,
}

impl Url {
    /// The path of a name in this directory.
    pub fn child(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) };
        Self { server: self.server.clone(), path, directory: false }
    }

    /// Its last name.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

impl FromStr for Url {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            Error::usage(format!("cannot use {text:?} as a file server's URL: {why}"))
                .remedy("write tcp://127.0.0.1:7008/path")
        };
        let rest = text.strip_prefix("tcp://").ok_or_else(|| refuse("it does not begin with tcp://"))?;
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = server.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none_or(|port| port == 0) {
            return Err(refuse("no port"));
        }
        let server = if server.starts_with(':') { format!("localhost{server}") } else { server.to_owned() };
        let directory = path.is_empty() || path.ends_with('/');
        Ok(Self { server, path: path.trim_matches('/').to_owned(), directory })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp://{}/{}", self.server, self.path)
    }
}

impl FromStr for End {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("tcp://") { text.parse().map(Self::Remote) } else { Ok(Self::Local(text.into())) }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(url) => url.fmt(f),
            Self::Local(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_server_and_a_path() {
        let url = |text: &str| text.parse::<Url>().expect(text);
        let books = url("tcp://127.0.0.1:7008/books/");
        assert_eq!((&*books.server, &*books.path, books.directory), ("127.0.0.1:7008", "books", true));
        assert_eq!(books.child("三体.txt").to_string(), "tcp://127.0.0.1:7008/books/三体.txt");
        assert_eq!(url("tcp://[::1]:9/a b%20").path, "a b%20");
        assert_eq!(
            (url("tcp://:7008").server, url("tcp://:7008").directory),
            ("localhost:7008".into(), true)
        );
    }

    #[test]
    fn what_is_no_url_is_a_usage_error() {
        for text in ["here", "tcp://", "tcp://host", "tcp://host:0/", "http://host:80/"] {
            assert_eq!(text.parse::<Url>().expect_err(text).exit_code(), 2);
        }
    }
}
