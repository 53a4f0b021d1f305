//! One regular file as an answer: whole, in part, or not at all because the client has it (RFC 9110, 13 and 14).

use std::{
    fs::{File, Metadata},
    os::unix::fs::MetadataExt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{media::media_type, multipart, plain};
use crate::{
    app::http::{Request, Response, Status},
    protocol::http::{Precondition, Validators, date, range, range::Requested},
    worker::session::FileRange,
};

/// An open file and what was known of it when it was opened. A file that grows later is served in the length that it
/// had; one that shrinks ends the connection.
#[derive(Debug)]
pub struct SiteFile {
    file: File,
    /// Its length, in bytes.
    pub length: u64,
    /// When it was last written to.
    pub modified: SystemTime,
    inode: u64,
}

impl SiteFile {
    /// The file behind this descriptor.
    pub fn new(file: File, metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        Self { file, length: metadata.len(), modified, inode: metadata.ino() }
    }

    /// The answer to a GET or HEAD request for it under this name.
    pub fn answer(self, request: &Request<'_>, name: &[u8]) -> Response {
        let validators = self.validators();
        let response = match validators.weigh(&request.headers()) {
            Precondition::NotModified => Response::empty(Status::NOT_MODIFIED),
            Precondition::Failed => return plain(Status::PRECONDITION_FAILED),
            Precondition::Holds => self.content(request, &validators, name),
        };
        response
            .header("Last-Modified", date::format(validators.modified))
            .header("ETag", validators.etag)
            .header("Accept-Ranges", "bytes")
    }

    /// The file, or the part of it that is asked for.
    fn content(self, request: &Request<'_>, validators: &Validators, name: &[u8]) -> Response {
        let (length, file) = (self.length, Arc::new(self.file));
        let media_type = media_type(name);
        let bytes = |range| FileRange { file: Arc::clone(&file), range };
        let content = |range| Response::typed(media_type.clone(), bytes(range));
        match requested(request, validators, length) {
            Requested::Whole => content(0..length),
            Requested::Part(part) => {
                let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                content(part).status(Status::PARTIAL_CONTENT).header("Content-Range", place)
            }
            Requested::Parts(parts) => {
                multipart::answer(&media_type, length, parts, |range| bytes(range).into())
            }
            Requested::Unsatisfiable => {
                plain(Status::RANGE_NOT_SATISFIABLE).header("Content-Range", format!("bytes */{length}"))
            }
        }
    }

    /// What tells this state of the file from another. The inode is in it, because files are replaced by renaming,
    /// and some archives give all their files one time.
    fn validators(&self) -> Validators {
        let since = self.modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let etag = format!("\"{:x}-{:x}-{:x}\"", self.inode, self.length, since.as_nanos());
        // No answer may claim a change later than itself (RFC 9110, section 8.8.2.1).
        Validators { etag, modified: self.modified.min(SystemTime::now()) }
    }
}

/// What a request asks for of a file. Only GET knows ranges (RFC 9110, section 14.2).
fn requested(request: &Request<'_>, validators: &Validators, length: u64) -> Requested {
    let fields = request.headers();
    match fields.get("range") {
        Some(field) if request.method() == "GET" && validators.permits_range(&fields) => {
            range::parse(field, length)
        }
        Some(_) | None => Requested::Whole,
    }
}
