//! From a [`Response`] to bytes: the head, and as much of the body as goes by copy.

use std::{io, os::unix::fs::FileExt};

use super::{Body, Response, Status, Upgrade, outgoing::Coding, response::ContentType};
use crate::{
    protocol::http::{DateCache, Head, HeadEncoder, Persistence, Unsendable},
    worker::{
        output::{Mark, Output},
        session::FileRange,
    },
};

/// Up to this size a file is read and goes out in one piece with its head; a larger one is sent from its descriptor. It is
/// also about what the kernel sends without having heard from the client.
pub(super) const SMALL_FILE: u64 = 16 << 10;

/// Up to this size a body that others hold too is copied behind its head: a second piece to send costs more.
const COPIED: usize = 4 << 10;

/// Where answers are written, under the date of this second.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub date: DateCache,
}

/// Which part of an answer the method asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The whole.
    All,
    /// The head alone, as it would be for the whole.
    Head,
}

impl Part {
    /// What the method of this head asks for.
    pub fn asked_by(head: &Head<'_>) -> Self {
        if head.method == "HEAD" { Self::Head } else { Self::All }
    }
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It stands in the output.
    Whole,
    /// Its head does, and what follows is made later: a stream, or another protocol.
    Begun,
    /// Its file has become shorter since its length was announced: nothing of it stands in the output.
    FileShrank,
}

impl Desk {
    /// Writes an answer to `output`.
    ///
    /// # Errors
    /// What the handler put into it cannot be sent; nothing was written.
    pub fn answer(
        &self,
        response: &Response,
        part: Part,
        persistence: Persistence,
        coding: Coding,
        output: &mut Output,
    ) -> Result<Written, Unsendable> {
        let mark = output.mark();
        if let Err(reason) = self.head(response, persistence, coding, output.tail()) {
            output.rewind(mark);
            return Err(reason);
        }
        let part = if response.status.has_body() { part } else { Part::Head };
        // The road of most answers.
        if let Some(bytes) = response.body.bytes()
            && bytes.len() <= COPIED
        {
            if part == Part::All {
                output.write(bytes);
            }
            return Ok(Written::Whole);
        }
        Ok(write_other(&response.body, part, mark, output))
    }

    /// Writes the answer to a request that is not served, behind which nothing can follow; gives what was written.
    pub fn refuse(&self, response: Response, part: Part, output: &mut Output) -> Response {
        let mut write =
            |response: &Response| self.answer(response, part, Persistence::Close, Coding::Length, output);
        match write(&response) {
            Ok(_) => response,
            Err(reason) => {
                let instead = unsendable(reason, "what is no request");
                let written = write(&instead);
                debug_assert_eq!(written, Ok(Written::Whole), "there is nothing in it that cannot be sent");
                instead
            }
        }
    }

    /// Writes the answer to who did not ask for a protocol that it takes.
    ///
    /// # Errors
    /// The protocol's name cannot be sent; nothing was written.
    pub fn refuse_upgrade(&self, upgrade: &Upgrade, output: &mut Output) -> Result<Written, Unsendable> {
        let words = format!("{}: ask for {}\n", Status::UPGRADE_REQUIRED, upgrade.protocol);
        let mut page = Vec::new();
        let mut head = HeadEncoder::begin(&mut page, Status::UPGRADE_REQUIRED, self.date.text())?;
        head.field("Content-Type", "text/plain; charset=utf-8")?;
        head.end_upgrade(&upgrade.protocol, Some(words.len() as u64))?;
        output.write(&page);
        output.write(words.as_bytes());
        Ok(Written::Whole)
    }

    fn head(
        &self,
        response: &Response,
        persistence: Persistence,
        coding: Coding,
        out: &mut Vec<u8>,
    ) -> Result<(), Unsendable> {
        let mut head = if let Body::Upgrade(_) = response.body {
            HeadEncoder::begin_upgrade(out, self.date.text())
        } else {
            HeadEncoder::begin(out, response.status, self.date.text())?
        };
        match &response.content_type {
            Some(ContentType::Known(line)) => head.rendered(line.as_bytes()),
            Some(ContentType::Given(value)) => head.content_type(value)?,
            None => {}
        }
        for (name, value) in &response.fields {
            head.field(name, value)?;
        }
        if let Some(lines) = &response.rendered {
            head.rendered(lines);
        }
        match response.body.bytes() {
            Some(bytes) if response.status.has_body() => {
                head.end(Some(bytes.len() as u64), persistence);
                Ok(())
            }
            Some(_) | None => end_other(head, response, persistence, coding),
        }
    }
}

/// Ends the head of what is not bytes in memory.
#[inline(never)]
fn end_other(
    head: HeadEncoder<'_>,
    response: &Response,
    persistence: Persistence,
    coding: Coding,
) -> Result<(), Unsendable> {
    match (&response.body, coding) {
        (Body::Upgrade(upgrade), _) => head.end_upgrade(&upgrade.protocol, None)?,
        _ if !response.status.has_body() => head.end(None, persistence),
        (Body::Stream(_), Coding::Chunked(_)) => head.end_chunked(persistence),
        (Body::Stream(_), Coding::Length | Coding::UntilClose) => head.end(None, Persistence::Close),
        (body, _) => head.end(Some(body.len()), persistence),
    }
    Ok(())
}

/// Writes what comes behind the head at `mark` and is not a few bytes in memory.
#[inline(never)]
fn write_other(body: &Body, part: Part, mark: Mark, output: &mut Output) -> Written {
    match (body, part) {
        (Body::Upgrade(_), _) | (Body::Stream(_), Part::All) => Written::Begun,
        (_, Part::Head) => Written::Whole,
        (_, Part::All) if write(body, output).is_ok() => Written::Whole,
        (_, Part::All) => {
            output.rewind(mark);
            Written::FileShrank
        }
    }
}

/// Writes a body: what is short behind the head, what is long from where it lies.
fn write(body: &Body, output: &mut Output) -> io::Result<()> {
    match body {
        Body::Static(bytes) => output.write(bytes),
        Body::Owned(bytes) => output.write(bytes),
        Body::Shared(bytes) if bytes.len() <= COPIED => output.write(bytes),
        Body::Shared(bytes) => output.share(bytes.clone()),
        Body::File(part) if body.len() <= SMALL_FILE => read(part, output.tail())?,
        Body::File(part) => output.file(part.clone()),
        Body::Pieces(pieces) => write_pieces(pieces, body.len(), output)?,
        // Neither is a part of a body.
        Body::Stream(_) | Body::Upgrade(_) => {}
    }
    Ok(())
}

/// Writes a body of pieces. Files are read here only where all of them are small: what is found to be shorter by whoever
/// sends it ends the connection.
fn write_pieces(pieces: &[Body], length: u64, output: &mut Output) -> io::Result<()> {
    for piece in pieces {
        if let Body::File(part) = piece
            && length > SMALL_FILE
        {
            output.file(part.clone());
        } else {
            write(piece, output)?;
        }
    }
    Ok(())
}

/// Reads a small file behind the head.
fn read(part: &FileRange, out: &mut Vec<u8>) -> io::Result<()> {
    let start = out.len();
    let length = part.range.end.saturating_sub(part.range.start) as usize;
    out.resize(start + length, 0);
    part.file.read_exact_at(&mut out[start..], part.range.start)
}

/// The answer in place of one that cannot be sent.
pub(super) fn unsendable(reason: Unsendable, asked: &str) -> Response {
    log::error!("the answer to {asked:?} cannot be sent: {reason}");
    broken()
}

/// The answer in place of one whose file became shorter whenever it was read.
pub(super) fn shrinking(asked: &str) -> Response {
    log::error!("the answer to {asked:?} cannot be sent: its file becomes shorter while it is read");
    broken()
}

/// The answer to who is not at fault.
pub(super) fn broken() -> Response {
    Response::text("500 Internal Server Error\n").status(Status::INTERNAL_SERVER_ERROR)
}
