//! A directory over HTTP: files, indexes, listings (RFC 9110).
//!
//! ```no_run
//! use forkd::app::site::Site;
//!
//! // One per worker, made after the fork: an application for any worker model.
//! let app = Site::open("/srv/www")?.into_application();
//! # Ok::<(), std::io::Error>(())
//! ```

mod cache;
mod file;
mod listing;
mod media;
mod multipart;
mod page;
mod root;

#[cfg(test)]
mod tests;

use std::{io, path::Path};

use crate::{
    app::http::{Http, Request, Response, Status},
    protocol::http::RelativePath,
};
use cache::{Asset, Cache};
use root::{Absent, Root};

/// What is served for a directory that has it.
const INDEX: &[u8] = b"index.html";
/// The methods that a site knows.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// A directory and everything below it that may be seen: regular files and directories whose names have no dot in
/// front.
///
/// Symbolic links are followed as long as they stay below the directory. Nothing outside is ever opened, whoever
/// changes what is below in the meantime. The directory is opened once: replacing it takes a reload.
#[derive(Debug)]
pub struct Site {
    root: Root,
    files: Cache,
}

impl Site {
    /// The site of this directory.
    ///
    /// # Errors
    /// Those of open(2): it is missing, no directory, or may not be read.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::of(Root::open(directory.as_ref())?))
    }

    fn of(root: Root) -> Self {
        Self { root, files: Cache::new() }
    }

    /// The site as an application of its own.
    pub fn into_application(self) -> Http<impl Fn(&Request<'_>) -> Response> {
        // Bodies of requests have no meaning here, so a small limit does.
        Http::new(move |request: &Request<'_>| self.handle(request)).body_limit(64 << 10)
    }

    /// The answer to a request, also as a part of another handler.
    pub fn handle(&self, request: &Request<'_>) -> Response {
        match request.method() {
            "GET" | "HEAD" => self.get(request).unwrap_or_else(Absent::answer),
            "OPTIONS" => Response::empty(Status::NO_CONTENT).header("Allow", METHODS),
            _ => plain(Status::METHOD_NOT_ALLOWED).header("Allow", METHODS),
        }
    }

    fn get(&self, request: &Request<'_>) -> Result<Response, Absent> {
        let now = request.received();
        // Only what may be seen is kept there.
        let kept = RelativePath::plain(request.path()).and_then(|name| self.files.get(&self.root, name, now));
        if let Some(file) = kept {
            return Ok(file.answer(request));
        }
        let path = RelativePath::parse(request.path()).ok_or(Absent::NoPath)?;
        if path.is_hidden() {
            return Err(Absent::NotFound);
        }
        if path.has_trailing_slash() {
            return self.index(&path, request);
        }
        match self.files.find(&self.root, &path.join(), now)? {
            Asset::File(file) => Ok(file.answer(request)),
            Asset::Directory(_) => Ok(redirect(path, request.query())),
        }
    }

    /// The index of a directory, or its listing.
    fn index(&self, path: &RelativePath, request: &Request<'_>) -> Result<Response, Absent> {
        let now = request.received();
        match self.files.find(&self.root, &path.child(INDEX).join(), now) {
            Ok(Asset::File(index)) => Ok(index.answer(request)),
            Ok(Asset::Directory(_)) | Err(Absent::NotFound) => {
                match self.files.find(&self.root, &path.join(), now)? {
                    Asset::File(_) => Err(Absent::NotFound),
                    Asset::Directory(directory) => self.list(directory, path),
                }
            }
            Err(absent) => Err(absent),
        }
    }

    fn list(&self, directory: std::os::fd::OwnedFd, path: &RelativePath) -> Result<Response, Absent> {
        let listing = listing::read(directory, |name| self.root.find(&path.child(name).join()).ok())?;
        Ok(Response::html(page::render(path, &listing))
            .header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            .header("Cache-Control", "no-cache"))
    }
}

/// To the same directory with a slash behind it, so that the relative links of its page are right.
fn redirect(path: RelativePath, query: Option<&str>) -> Response {
    let mut location = path.as_directory().url();
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    plain(Status::MOVED_PERMANENTLY).header("Location", location)
}

/// A status that says it all.
fn plain(status: Status) -> Response {
    Response::text(format!("{status}\n")).status(status)
}

impl Absent {
    fn answer(self) -> Response {
        plain(match self {
            Self::NoPath => Status::BAD_REQUEST,
            Self::NotFound => Status::NOT_FOUND,
            Self::Forbidden => Status::FORBIDDEN,
            Self::Exhausted => Status::SERVICE_UNAVAILABLE,
            Self::Broken => Status::INTERNAL_SERVER_ERROR,
        })
    }
}
