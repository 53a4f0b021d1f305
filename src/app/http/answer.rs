//! From a [`Response`] to bytes: the head, and as much of the body as goes by copy.

use std::os::unix::fs::FileExt;

use super::{Body, Response, Status};
use crate::{
    protocol::http::{DateCache, HeadEncoder, Persistence, Refusal, Unsendable},
    worker::{output::Output, session::FileRange},
};

/// Up to this size a file is read and goes out in one piece with its head; a larger one is sent from its descriptor.
const SMALL_FILE: u64 = 16 << 10;

/// Where answers are written: the date of this second, and room that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Desk {
    pub date: DateCache,
    page: Vec<u8>,
}

/// Which part of an answer the method asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The whole.
    All,
    /// The head alone, as it would be for the whole.
    Head,
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It stands in the output.
    Whole,
    /// Its file has become shorter since its length was announced: nothing of it stands in the output.
    FileShrank,
}

impl Desk {
    /// Writes an answer to `output`.
    ///
    /// # Errors
    /// What the handler put into it cannot be sent; nothing was written.
    pub fn answer(
        &mut self,
        response: &Response,
        part: Part,
        persistence: Persistence,
        output: &mut Output,
    ) -> Result<Written, Unsendable> {
        self.page.clear();
        self.head(response, persistence)?;
        if part == Part::Head || !response.status.has_body() {
            output.write(&self.page);
            return Ok(Written::Whole);
        }
        if self.body(&response.body, output).is_err() {
            return Ok(Written::FileShrank);
        }
        output.write(&self.page);
        Ok(Written::Whole)
    }

    /// Writes a body: what is short behind what stands on the page, what is long from where it lies.
    fn body(&mut self, body: &Body, output: &mut Output) -> std::io::Result<()> {
        match body {
            Body::Static(bytes) => self.page.extend_from_slice(bytes),
            Body::Owned(bytes) => self.page.extend_from_slice(bytes),
            Body::Shared(bytes) => {
                self.turn_over(output);
                output.share(bytes.clone());
            }
            Body::File(part) if body.len() <= SMALL_FILE => self.read(part)?,
            Body::File(part) => {
                self.turn_over(output);
                output.file(part.clone());
            }
            Body::Pieces(pieces) => self.pieces(pieces, body.len(), output)?,
        }
        Ok(())
    }

    /// Writes a body of pieces. Files are read here only where all of them are: once the head has left the page, a
    /// file that has become shorter is found by who sends it.
    fn pieces(&mut self, pieces: &[Body], length: u64, output: &mut Output) -> std::io::Result<()> {
        for piece in pieces {
            match piece {
                Body::File(part) if length > SMALL_FILE => {
                    self.turn_over(output);
                    output.file(part.clone());
                }
                Body::Static(_) | Body::Owned(_) | Body::Shared(_) | Body::File(_) | Body::Pieces(_) => {
                    self.body(piece, output)?;
                }
            }
        }
        Ok(())
    }

    /// Hands what stands on the page to the output, to go before what comes next.
    fn turn_over(&mut self, output: &mut Output) {
        output.write(&self.page);
        self.page.clear();
    }

    /// Writes the answer to a request that is not served; nothing can follow it.
    pub fn refuse(&mut self, refusal: Refusal, output: &mut Output) {
        let text = format!("{}: {}\n", refusal.status, refusal.why);
        let response = Response::text(text).status(refusal.status);
        let written = self.answer(&response, Part::All, Persistence::Close, output);
        debug_assert_eq!(written, Ok(Written::Whole), "a refusal has nothing in it that cannot be sent");
    }

    fn head(&mut self, response: &Response, persistence: Persistence) -> Result<(), Unsendable> {
        let mut head = HeadEncoder::begin(&mut self.page, response.status, self.date.text())?;
        if let Some(content_type) = &response.content_type {
            head.field("Content-Type", content_type)?;
        }
        for (name, value) in &response.fields {
            head.field(name, value)?;
        }
        head.end(response.status.has_body().then(|| response.body.len()), persistence);
        Ok(())
    }

    /// Reads a small file behind the head.
    fn read(&mut self, part: &FileRange) -> std::io::Result<()> {
        let start = self.page.len();
        let length = part.range.end.saturating_sub(part.range.start) as usize;
        self.page.resize(start + length, 0);
        part.file.read_exact_at(&mut self.page[start..], part.range.start)
    }
}

/// The answer in place of one that cannot be sent.
pub(super) fn unsendable(reason: Unsendable, asked: &str) -> Response {
    log::error!("the answer to {asked:?} cannot be sent: {reason}");
    Response::text("500 Internal Server Error\n").status(Status::INTERNAL_SERVER_ERROR)
}
