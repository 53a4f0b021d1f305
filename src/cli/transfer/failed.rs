//! Why a copy failed, in one line: what to do about it, and what has become of what had arrived.

use std::io::ErrorKind;

use crate::{
    Error,
    app::transfer::client::Failure,
    cli::words,
    protocol::transfer::{Cause, Problem},
};

/// What an attempt that failed has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing, or so little that it was not kept.
    Nothing,
    /// Enough to go on from.
    Part,
}

/// What to do about what fails on this machine.
const HERE: [(ErrorKind, &str); 6] = [
    (ErrorKind::StorageFull, "make room on this machine"),
    (ErrorKind::QuotaExceeded, "make room on this machine, or have your quota raised"),
    (ErrorKind::FileTooLarge, "raise the limit on files: ulimit -f"),
    (ErrorKind::PermissionDenied, "choose a directory on this machine that you may write to"),
    (ErrorKind::NotFound, "make the directory first"),
    (ErrorKind::InvalidFilename, "give it another name here"),
];

/// A failure as an error of one line.
pub fn failed(act: &str, failure: &Failure) -> Error {
    fail(act, failure, advice(failure).map(str::to_owned))
}

/// A failure amid a file.
pub fn failed_amid(act: &str, failure: &Failure, left: Left) -> Error {
    let fate = match (left, needs_room(failure)) {
        (_, true) => Some("nothing of the file was kept"),
        (Left::Part, false) => Some("what has arrived is kept, and the same command goes on from there"),
        (Left::Nothing, false) => None,
    };
    let parts: Vec<_> = advice(failure).into_iter().chain(fate).collect();
    fail(act, failure, (!parts.is_empty()).then(|| parts.join("; ")))
}

fn fail(act: &str, failure: &Failure, remedy: Option<String>) -> Error {
    let error = Error::failed(format!("cannot {act}: {}", words::printable(&failure.to_string())));
    match remedy {
        Some(remedy) => error.remedy(remedy),
        None => error,
    }
}

fn advice(failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Connection(cause) if cause.kind() == ErrorKind::ConnectionRefused => {
            Some("start one with `forkd files DIR`")
        }
        Failure::Connection(_) => None,
        Failure::Local(cause) => {
            HERE.iter().find(|(kind, _)| *kind == cause.kind()).map(|(_, advice)| *advice)
        }
        Failure::Refused(Problem { cause, .. }) => remedy(*cause),
    }
}

fn remedy(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::NotFound => Some("`forkd ls` shows what there is"),
        Cause::Forbidden => Some("let the user that the server's workers run as do so"),
        Cause::BadName => Some("name something below the server's directory"),
        Cause::NameTooLong => Some("choose a shorter one: a name has at most 255 bytes nearly everywhere"),
        Cause::IsDirectory => Some("use -r, or name a file in it"),
        Cause::NotDirectory => Some("choose another place"),
        Cause::DiskFull => Some("make room on the server"),
        Cause::Quota => Some("remove files from the server, or raise its --quota or its user's"),
        Cause::TooLarge => Some("raise the server's limit on files: ulimit -f"),
        Cause::ReadOnly => {
            Some("start the server without --read-only, over a file system that can be written")
        }
        Cause::Changed | Cause::Corrupt | Cause::Draining | Cause::Busy => Some("try again"),
        Cause::Malformed | Cause::Broken => None,
    }
}

fn needs_room(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(Problem { cause, .. }) => {
            matches!(cause, Cause::DiskFull | Cause::Quota | Cause::TooLarge)
        }
        Failure::Local(cause) => matches!(
            cause.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        ),
        Failure::Connection(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_to_do_and_what_is_left() {
        let line = |cause, left| {
            failed_amid("copy to b", &Failure::Refused(Problem::new(cause, "a/b")), left).to_string()
        };
        assert_eq!(
            line(Cause::DiskFull, Left::Part),
            "cannot copy to b: the disk is full: a/b (make room on the server; nothing of the file was kept)"
        );
        assert_eq!(
            line(Cause::Draining, Left::Part),
            "cannot copy to b: the server is restarting: a/b (try again; what has arrived is kept, and the same \
             command goes on from there)"
        );
        assert_eq!(line(Cause::Broken, Left::Nothing), "cannot copy to b: the server failed: a/b");
    }
}
