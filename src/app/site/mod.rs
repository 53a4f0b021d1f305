//! A directory over HTTP: files, indexes, listings (RFC 9110).
//!
//! ```no_run
//! use forkd::app::site::Site;
//!
//! // One per worker, made after the fork: an application for any worker model.
//! let app = Site::open("/srv/www")?.into_application();
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(feature = "auth")]
mod auth;
mod cache;
mod file;
mod forms;
mod listing;
mod media;
mod metrics;
mod multipart;
mod options;
mod order;
mod page;
mod root;
mod upload;
mod words;

#[cfg(test)]
mod tests;

use std::{io, os::fd::OwnedFd, path::Path, rc::Rc};

#[cfg(feature = "auth")]
pub use auth::Credential;
pub use metrics::{Metrics, Queue};
pub use options::{Header, HeaderError, Options};

use crate::{
    app::http::{Handler, Http, Intake, Receiver, Request, Response, Status},
    protocol::http::{RelativePath, accept},
};
use cache::{Asset, Cache};
use file::SiteFile;
use root::{Absent, Root};
use upload::{Place, Upload};

/// A directory and everything below it that may be seen: regular files and directories whose names have no dot in
/// front.
///
/// Symbolic links are followed as long as they stay below the directory. Nothing outside is ever opened, whoever
/// changes what is below in the meantime. The directory is opened once: replacing it takes a reload.
#[derive(Debug)]
pub struct Site {
    root: Root,
    files: Cache,
    options: Rc<Options>,
    metrics: Option<Metrics>,
    #[cfg(feature = "auth")]
    gate: auth::Gate,
}

impl Site {
    /// The site of this directory.
    ///
    /// # Errors
    /// Those of open(2): it is missing, no directory, or may not be read.
    pub fn open(directory: impl AsRef<Path>) -> io::Result<Self> {
        Self::with(directory, Options::default())
    }

    /// The site of this directory, with these options.
    ///
    /// # Errors
    /// As [`Site::open`].
    pub fn with(directory: impl AsRef<Path>, options: Options) -> io::Result<Self> {
        Ok(Self::of(Root::open(directory.as_ref())?, options))
    }

    fn of(root: Root, options: Options) -> Self {
        Self {
            root,
            files: Cache::new(),
            #[cfg(feature = "auth")]
            gate: auth::Gate::new(options.auth.clone()),
            options: Rc::new(options),
            metrics: None,
        }
    }

    /// The same site, with the numbers of its server.
    #[must_use]
    pub fn metrics(self, metrics: Metrics) -> Self {
        Self { metrics: Some(metrics), ..self }
    }

    /// The site as an application of its own.
    pub fn into_application(self) -> Http<Self> {
        let measured = self.metrics.is_some();
        // Bodies have no meaning here but for those of uploads, which are not gathered; so a small limit does.
        let app = Http::serving(self).body_limit(64 << 10);
        if measured { app.measured() } else { app }
    }

    /// What is answered to who may not come in.
    #[cfg(feature = "auth")]
    fn refusal(&self, request: &Request<'_>) -> Option<Response> {
        (!self.gate.admits(request.headers().get("authorization"))).then(auth::challenge)
    }

    #[cfg(not(feature = "auth"))]
    fn refusal(&self, _: &Request<'_>) -> Option<Response> {
        None
    }

    fn answer(&self, request: &Request<'_>) -> Response {
        match request.method() {
            "GET" | "HEAD" => match &self.metrics {
                Some(metrics) if metrics.stands_at(request.path()) => metrics.answer(),
                Some(_) | None => self.get(request).unwrap_or_else(Absent::answer),
            },
            "OPTIONS" => Response::empty(Status::NO_CONTENT).header("Allow", self.options.methods()),
            "PUT" if self.options.upload => {
                // Whatever there was to be taken in was empty.
                let uploaded = self.upload(request).map(|upload| Box::new(upload).finish(request));
                uploaded.unwrap_or_else(|response| response)
            }
            "DELETE" if self.options.upload => {
                let deleted = self.place(request).and_then(|place| place.delete(request));
                deleted.unwrap_or_else(|response| response)
            }
            _ => plain(Status::METHOD_NOT_ALLOWED).header("Allow", self.options.methods()),
        }
    }

    fn upload(&self, request: &Request<'_>) -> Result<Upload, Response> {
        Upload::begin(self.place(request)?, request)
    }

    /// Where a request wants a file to be, or to be no more.
    fn place(&self, request: &Request<'_>) -> Result<Place, Response> {
        let path = RelativePath::parse(request.path()).ok_or_else(|| plain(Status::BAD_REQUEST))?;
        if path.is_hidden() && !self.options.hidden {
            return Err(plain(Status::FORBIDDEN));
        }
        let directory = self.root.directory(&path.parent().join()).map_err(upload::failed)?;
        match path.name() {
            Some(name) if !path.has_trailing_slash() => Ok(Place::new(directory, name)),
            Some(_) | None => Err(plain(Status::CONFLICT)),
        }
    }

    fn get(&self, request: &Request<'_>) -> Result<Response, Absent> {
        // Only what may be seen is kept there.
        let plain = RelativePath::plain(request.path());
        let kept = plain.and_then(|name| Some((name, self.files.get(&self.root, name, request.received())?)));
        if let Some((name, file)) = kept {
            return Ok(self.file(request, name, &file));
        }
        match self.look_up(request) {
            Err(Absent::NotFound) if self.options.spa && is_route(request) => {
                let top = RelativePath::parse("/").ok_or(Absent::NoPath)?;
                self.index(&top, request)?.ok_or(Absent::NotFound)
            }
            found => found,
        }
    }

    fn look_up(&self, request: &Request<'_>) -> Result<Response, Absent> {
        let path = RelativePath::parse(request.path()).ok_or(Absent::NoPath)?;
        if path.is_hidden() && !self.options.hidden {
            return Err(Absent::NotFound);
        }
        if path.has_trailing_slash() {
            return self.index(&path, request)?.map_or_else(|| self.list(&path, request), Ok);
        }
        let name = path.join();
        match self.find(&name, request)? {
            Asset::File(file) => Ok(self.file(request, &name, &file)),
            Asset::Directory(_) => Ok(redirect(path, request.query())),
        }
    }

    fn find(&self, name: &[u8], request: &Request<'_>) -> Result<Asset, Absent> {
        self.files.find(&self.root, name, request.received())
    }

    /// A file, or one beside it that is the same in fewer bytes.
    fn file(&self, request: &Request<'_>, name: &[u8], file: &Rc<SiteFile>) -> Response {
        let fields = request.headers();
        let codings = match self.options.precompressed {
            true if fields.get("accept-encoding").is_some() => {
                accept::codings(fields.all("accept-encoding").collect::<Vec<_>>().into_iter())
            }
            true | false => Vec::new(),
        };
        let shorter = codings.into_iter().find_map(|coding| {
            match self.find(&[name, coding.suffix()].concat(), request) {
                Ok(Asset::File(shorter)) => Some((coding, shorter)),
                Ok(Asset::Directory(_)) | Err(_) => None,
            }
        });
        self.options.dress_file(match shorter {
            Some((coding, shorter)) => shorter.answer_for(file, request, coding),
            None => file.answer(request),
        })
    }

    /// The index of a directory, if it has one.
    fn index(&self, path: &RelativePath, request: &Request<'_>) -> Result<Option<Response>, Absent> {
        for index in &self.options.index {
            let name = path.child(index.as_bytes()).join();
            match self.find(&name, request) {
                Ok(Asset::File(file)) => return Ok(Some(self.file(request, &name, &file))),
                Ok(Asset::Directory(_)) | Err(Absent::NotFound) => {}
                Err(absent) => return Err(absent),
            }
        }
        Ok(None)
    }

    fn list(&self, path: &RelativePath, request: &Request<'_>) -> Result<Response, Absent> {
        let directory: OwnedFd = match self.find(&path.join(), request)? {
            Asset::File(_) => return Err(Absent::NotFound),
            Asset::Directory(_) if !self.options.listing => return Err(Absent::Forbidden),
            Asset::Directory(directory) => directory,
        };
        let follow = |name: &[u8]| self.root.find(&path.child(name).join()).ok();
        let may_be_seen = |name: &[u8]| self.options.hidden || !name.starts_with(b".");
        let listing = listing::read(directory, may_be_seen, follow)?;
        Ok(forms::answer(request, path, listing))
    }
}

impl Handler for Site {
    /// The answer to a request, also as a part of another handler.
    fn handle(&self, request: &Request<'_>) -> Response {
        let refusal = self.options.preflight(request).or_else(|| self.refusal(request));
        self.options.dress(refusal.unwrap_or_else(|| self.answer(request)))
    }

    fn intake(&self, request: &Request<'_>) -> Intake {
        if request.method() != "PUT" || !self.options.upload {
            return Intake::Gather;
        }
        match self.refusal(request).map_or_else(|| self.upload(request), Err) {
            Ok(upload) => Intake::stream(Dressed { upload, options: Rc::clone(&self.options) }, u64::MAX),
            Err(response) => Intake::Refuse(self.options.dress(response)),
        }
    }

    fn dress(&self, response: Response) -> Response {
        self.options.dress(response)
    }
}

/// An upload whose answer has what every answer has.
struct Dressed {
    upload: Upload,
    options: Rc<Options>,
}

impl Receiver for Dressed {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.upload.write(bytes).map_err(|response| self.options.dress(response))
    }

    fn finish(self: Box<Self>, request: &Request<'_>) -> Response {
        self.options.dress(Box::new(self.upload).finish(request))
    }
}

/// Whether a path that leads to nothing may be one of an application in the browser: who asks wants a page, or the
/// name has no ending, as names of files mostly have.
fn is_route(request: &Request<'_>) -> bool {
    let wants_page = || {
        request
            .headers()
            .all("accept")
            .any(|value| value.windows(9).any(|word| word.eq_ignore_ascii_case(b"text/html")))
    };
    let name = request.path().rsplit('/').next().unwrap_or_default();
    !name.contains('.') || wants_page()
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
