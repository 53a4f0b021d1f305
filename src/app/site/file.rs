//! One regular file as an answer: whole, in part, or not at all because the client has it (RFC 9110, 13 and 14).

use std::{
    borrow::Cow,
    fs::{File, Metadata},
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::sys::stat::FileStat;

use super::{media::media_type, multipart, root::Opened};
use crate::{
    app::http::{Body, Request, Response, Status},
    protocol::http::{Precondition, Validators, accept::Coding, date, range, range::Requested},
    worker::session::FileRange,
};

/// A file and what its answers say of it. One that grows later is served in the length that it had; one that shrinks
/// ends the connection.
#[derive(Debug)]
pub struct SiteFile {
    content: Content,
    length: u64,
    identity: Identity,
    media: Cow<'static, str>,
    validators: Validators,
    /// The fields that every answer about it has, as they are sent.
    fields: Arc<[u8]>,
}

/// Where its bytes are.
#[derive(Debug)]
enum Content {
    Memory(Arc<[u8]>),
    Descriptor(Arc<File>),
}

/// What tells one state of one file from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// How many bytes it has.
    pub length: u64,
    /// When it was last written to, since 1970.
    pub modified: Duration,
    /// When anything about it changed, its mode included.
    pub changed: Duration,
}

impl SiteFile {
    /// Up to this size a file that is kept is kept in memory.
    const SMALL: u64 = 16 << 10;

    /// The file behind this descriptor, under this name.
    pub fn new(opened: Opened, name: &[u8]) -> Self {
        let (identity, length) = (opened.identity(), opened.metadata.len());
        let validators = identity.validators();
        let fields = format!(
            "Last-Modified: {}\r\nETag: {}\r\nAccept-Ranges: bytes\r\n",
            date::format(validators.modified),
            validators.etag
        );
        Self {
            content: Content::Descriptor(Arc::new(opened.file)),
            length,
            identity,
            media: media_type(name),
            validators,
            fields: fields.into_bytes().into(),
        }
    }

    /// The same for a file that many requests will ask for: a small one is read.
    pub fn kept(opened: Opened, name: &[u8]) -> Self {
        let mut file = Self::new(opened, name);
        if let Content::Descriptor(descriptor) = &file.content
            && file.length <= Self::SMALL
        {
            let mut bytes = vec![0; file.length as usize];
            // One that has shrunk meanwhile is sent from its descriptor, which notices.
            if descriptor.read_exact_at(&mut bytes, 0).is_ok() {
                file.content = Content::Memory(bytes.into());
            }
        }
        file
    }

    /// Which state of which file this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Its bytes, if they are in memory.
    pub fn in_memory(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Memory(bytes) => Some(bytes),
            Content::Descriptor(_) => None,
        }
    }

    /// The answer to a GET or HEAD request for it.
    pub fn answer(&self, request: &Request<'_>) -> Response {
        self.answer_as(request, self)
    }

    /// The answer to a request for another file, of which this one is the same in this coding.
    pub fn answer_for(&self, plain: &Self, request: &Request<'_>, coding: Coding) -> Response {
        let response = self.answer_as(request, plain);
        match response.code() {
            Status::OK | Status::PARTIAL_CONTENT => response.header("Content-Encoding", coding.word()),
            _ => response,
        }
    }

    /// The answer with the type of `plain`.
    fn answer_as(&self, request: &Request<'_>, plain: &Self) -> Response {
        match self.validators.weigh(&request.headers()) {
            Precondition::NotModified => Response::empty(Status::NOT_MODIFIED),
            Precondition::Failed => return super::plain(Status::PRECONDITION_FAILED),
            Precondition::Holds => self.requested(request, plain),
        }
        .rendered(Arc::clone(&self.fields))
    }

    /// The file, or the part of it that is asked for.
    fn requested(&self, request: &Request<'_>, plain: &Self) -> Response {
        let length = self.length;
        let content = |part| Response::typed(plain.media.clone(), self.bytes(part));
        match requested(request, &self.validators, length) {
            Requested::Whole => content(0..length),
            Requested::Part(part) => {
                let place = format!("bytes {}-{}/{length}", part.start, part.end - 1);
                content(part).status(Status::PARTIAL_CONTENT).header("Content-Range", place)
            }
            Requested::Parts(parts) => {
                multipart::answer(&plain.media, length, parts, |part| self.bytes(part))
            }
            Requested::Unsatisfiable => super::plain(Status::RANGE_NOT_SATISFIABLE)
                .header("Content-Range", format!("bytes */{length}")),
        }
    }

    /// Some of its bytes, to be sent.
    fn bytes(&self, part: Range<u64>) -> Body {
        match &self.content {
            Content::Descriptor(file) => FileRange { file: Arc::clone(file), range: part }.into(),
            Content::Memory(bytes) if part == (0..self.length) => Arc::clone(bytes).into(),
            Content::Memory(bytes) => bytes[part.start as usize..part.end as usize].to_vec().into(),
        }
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

impl Identity {
    /// That of an open file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Identity {
    /// What a client tells this state of the file from another by. The inode is in it, because files are replaced by
    /// renaming, and some archives give all their files one time.
    pub fn validators(&self) -> Validators {
        let etag = format!("\"{:x}-{:x}-{:x}\"", self.inode, self.length, self.modified.as_nanos());
        let modified = UNIX_EPOCH.checked_add(self.modified).unwrap_or(UNIX_EPOCH);
        // No answer may claim a change later than itself (RFC 9110, section 8.8.2.1).
        Validators { etag, modified: modified.min(SystemTime::now()) }
    }
}

impl From<&FileStat> for Identity {
    fn from(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            length: stat.st_size as u64,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            changed: time(stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// A time of a file, as far as it is comparable: what lies before 1970 counts from the end.
fn time(seconds: i64, nanos: i64) -> Duration {
    Duration::new(seconds as u64, nanos as u32)
}
