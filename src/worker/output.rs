//! What a session has written and the driver has not sent yet.
//!
//! Small answers are gathered in one buffer, so that a batch of pipelined requests is one `write(2)`; shared buffers
//! and file ranges stand between such pieces and are sent in order.

use std::{collections::VecDeque, io, ops::Range, sync::Arc};

use super::session::FileRange;

/// One piece of an answer, in the order of sending.
#[derive(Debug)]
pub enum Piece {
    /// Bytes `range` of the gathered buffer.
    Gathered(Range<usize>),
    /// Bytes shared with others: a cached body, a chat line.
    Shared(Arc<[u8]>, Range<usize>),
    /// A part of a file, for sendfile(2).
    File(FileRange),
}

/// What waits to be sent to one peer.
#[derive(Debug, Default)]
pub struct Output {
    gathered: Vec<u8>,
    pieces: VecDeque<Piece>,
}

impl Output {
    /// An output with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        let start = self.gathered.len();
        self.gathered.extend_from_slice(bytes);
        match self.pieces.back_mut() {
            Some(Piece::Gathered(range)) if range.end == start => range.end += bytes.len(),
            Some(Piece::Gathered(_) | Piece::Shared(..) | Piece::File(_)) | None => {
                if !bytes.is_empty() {
                    self.pieces.push_back(Piece::Gathered(start..start + bytes.len()));
                }
            }
        }
    }

    /// Appends bytes that others hold too, without copying them.
    pub fn share(&mut self, bytes: Arc<[u8]>) {
        if !bytes.is_empty() {
            let all = 0..bytes.len();
            self.pieces.push_back(Piece::Shared(bytes, all));
        }
    }

    /// Appends a part of a file, to be sent by sendfile(2).
    pub fn file(&mut self, part: FileRange) {
        if !part.range.is_empty() {
            self.pieces.push_back(Piece::File(part));
        }
    }

    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Output::write(self, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
