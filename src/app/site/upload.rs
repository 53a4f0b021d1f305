//! Files that clients put and delete (RFC 9110, sections 9.3.4 and 9.3.5).
//!
//! A file that is put comes into a draft without a name, or where that cannot be with a hidden one, in the directory where
//! it belongs; when all of it is there it takes its place by rename(2). Whoever opens it finds the old file or the new
//! one, and a client that leaves halfway leaves nothing behind.

use std::{
    collections::hash_map::RandomState,
    fs::File,
    hash::{BuildHasher, Hasher},
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, openat, renameat},
    sys::{
        stat::{Mode, SFlag, fstat, fstatat},
        statvfs::fstatvfs,
    },
    unistd::{UnlinkatFlags, linkat, unlinkat},
};

use super::{file::Identity, plain};
use crate::{
    app::http::{Receiver, Request, Response, Status},
    protocol::http::{Validators, conditional::permits_change},
};

/// A name in a directory, where a file is or shall be.
#[derive(Debug)]
pub struct Place {
    directory: OwnedFd,
    name: Vec<u8>,
}

/// A file on its way in.
#[derive(Debug)]
pub struct Upload {
    place: Place,
    file: File,
    draft: Draft,
}

/// What a file is called that is not all there yet.
#[derive(Debug)]
enum Draft {
    /// Nothing: the kernel forgets it with its last descriptor.
    Unnamed,
    /// This.
    Named(String),
}

/// What stands at a place.
enum Occupant {
    Nothing,
    /// A regular file, or a symbolic link, which is replaced itself.
    File(Validators),
    /// A directory, or something special.
    Other,
}

impl Place {
    /// The place of this name in a directory.
    pub fn new(directory: OwnedFd, name: &[u8]) -> Self {
        Self { directory, name: name.to_vec() }
    }

    /// Removes the file that is here.
    pub fn delete(&self, request: &Request<'_>) -> Result<Response, Response> {
        match self.occupant()? {
            Occupant::Nothing => Err(plain(Status::NOT_FOUND)),
            Occupant::Other => Err(plain(Status::CONFLICT)),
            Occupant::File(state) => {
                self.check(&Occupant::File(state), request)?;
                unlinkat(&self.directory, self.name.as_slice(), UnlinkatFlags::NoRemoveDir)
                    .map_err(failed)?;
                Ok(Response::empty(Status::NO_CONTENT))
            }
        }
    }

    fn occupant(&self) -> Result<Occupant, Response> {
        let stat = match fstatat(&self.directory, self.name.as_slice(), AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(Occupant::Nothing),
            stat => stat.map_err(failed)?,
        };
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        let replaceable = kind == SFlag::S_IFREG || kind == SFlag::S_IFLNK;
        Ok(if replaceable { Occupant::File(Identity::from(&stat).validators()) } else { Occupant::Other })
    }

    /// Whether the client means what stands here (RFC 9110, section 13).
    fn check(&self, occupant: &Occupant, request: &Request<'_>) -> Result<(), Response> {
        let state = match occupant {
            Occupant::Nothing => None,
            Occupant::File(state) => Some(state),
            Occupant::Other => return Err(plain(Status::CONFLICT)),
        };
        let permitted = permits_change(state, &request.headers());
        if permitted { Ok(()) } else { Err(plain(Status::PRECONDITION_FAILED)) }
    }
}

impl Upload {
    /// Begins to take a file in.
    ///
    /// # Errors
    /// The answer, if it is clear before a byte of the body has come that the file cannot be taken.
    pub fn begin(place: Place, request: &Request<'_>) -> Result<Self, Response> {
        let fields = request.headers();
        if fields.get("content-range").is_some() {
            // A part that was taken for the whole would destroy it (RFC 9110, section 14.5).
            return Err(plain(Status::BAD_REQUEST));
        }
        if fields.get("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
            return Err(plain(Status::UNSUPPORTED_MEDIA_TYPE));
        }
        place.check(&place.occupant()?, request)?;
        let room = fstatvfs(&place.directory).map_err(failed)?;
        let free = room.blocks_available().saturating_mul(room.fragment_size());
        if request.content_length().is_some_and(|length| length > free) {
            return Err(plain(Status::INSUFFICIENT_STORAGE));
        }
        let (file, draft) = draft(&place.directory).map_err(failed)?;
        Ok(Self { place, file, draft })
    }

    /// Puts the file into its place. Another state than the client meant may stand there by now.
    fn settle(&mut self, request: &Request<'_>) -> Result<Response, Response> {
        let before = self.place.occupant()?;
        self.place.check(&before, request)?;
        if let Draft::Unnamed = self.draft {
            let name = draft_name();
            let ours = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            linkat(AT_FDCWD, ours.as_str(), &self.place.directory, name.as_str(), AtFlags::AT_SYMLINK_FOLLOW)
                .map_err(failed)?;
            self.draft = Draft::Named(name);
        }
        if let Draft::Named(name) = &self.draft {
            let directory = self.place.directory.as_fd();
            renameat(directory, name.as_str(), directory, self.place.name.as_slice()).map_err(failed)?;
            self.draft = Draft::Unnamed;
        }
        let state = Identity::from(&fstat(&self.file).map_err(failed)?).validators();
        let response = match before {
            Occupant::Nothing => plain(Status::CREATED),
            Occupant::File(_) | Occupant::Other => Response::empty(Status::NO_CONTENT),
        };
        Ok(response.header("ETag", state.etag))
    }
}

impl Receiver for Upload {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.file.write_all(bytes).map_err(|error| failed(errno(&error)))
    }

    fn finish(mut self: Box<Self>, request: &Request<'_>) -> Response {
        self.settle(request).unwrap_or_else(|response| response)
    }
}

impl Drop for Upload {
    /// A draft that did not come to its place is removed.
    fn drop(&mut self) {
        if let Draft::Named(name) = &self.draft {
            let _ = unlinkat(&self.place.directory, name.as_str(), UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// A fresh file in this directory.
fn draft(directory: &OwnedFd) -> nix::Result<(File, Draft)> {
    let flags = OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o666);
    // A name is given by /proc later: below another root there may be none.
    if Path::new("/proc/self/fd").exists() {
        match openat(directory, ".", flags | OFlag::O_TMPFILE, mode) {
            Ok(file) => return Ok((file.into(), Draft::Unnamed)),
            // Not every file system can do that.
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::EINVAL | Errno::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    let name = draft_name();
    let file = openat(directory, name.as_str(), flags | OFlag::O_CREAT | OFlag::O_EXCL, mode)?;
    Ok((file.into(), Draft::Named(name)))
}

/// A name that nobody else has.
fn draft_name() -> String {
    format!(".forkd-{:016x}.part", RandomState::new().build_hasher().finish())
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

/// What an error of the system means to who puts or deletes.
pub fn failed(error: Errno) -> Response {
    let causes: [(&[Errno], Status); 6] = [
        (&[Errno::ENOENT, Errno::ENOTDIR, Errno::EISDIR, Errno::EXDEV, Errno::ELOOP], Status::CONFLICT),
        (&[Errno::ENOSPC, Errno::EDQUOT], Status::INSUFFICIENT_STORAGE),
        (&[Errno::EACCES, Errno::EPERM, Errno::EROFS, Errno::ETXTBSY], Status::FORBIDDEN),
        (&[Errno::EFBIG, Errno::EOVERFLOW], Status::CONTENT_TOO_LARGE),
        (&[Errno::ENAMETOOLONG, Errno::EINVAL, Errno::EILSEQ], Status::BAD_REQUEST),
        (&[Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM, Errno::EAGAIN], Status::SERVICE_UNAVAILABLE),
    ];
    match causes.iter().find(|(errors, _)| errors.contains(&error)) {
        Some((_, status)) => plain(*status),
        None => {
            log::error!("cannot change a file of the site: {error}");
            plain(Status::INTERNAL_SERVER_ERROR)
        }
    }
}
