//! What a session has written and the driver has not sent yet.
//!
//! Small answers are gathered in one buffer, so that a batch of pipelined requests is one send(2). Shared buffers and
//! file ranges stand between such bytes and are sent in order: bytes go out together by sendmsg(2), a file by
//! sendfile(2) behind a head that was sent with `MSG_MORE`.
//!
//! ```text
//! gathered   HTTP/1.1 200 OK … HTTP/1.1 206 … HTTP/1.1 404 …
//! inserts                     ^ at: shared   ^ at: file
//! ```

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    ops::Range,
    os::fd::{AsRawFd, BorrowedFd},
    sync::Arc,
};

use nix::{
    errno::Errno,
    sys::{
        sendfile::sendfile,
        socket::{MsgFlags, send, sendmsg},
    },
};

use super::session::FileRange;

/// "More will follow": the kernel waits for it before it fills a packet. send(2); nix does not name it.
const MSG_MORE: MsgFlags = MsgFlags::from_bits_retain(libc::MSG_MORE);

/// What waits to be sent to one peer.
#[derive(Debug, Default)]
pub struct Output {
    gathered: Vec<u8>,
    /// How much of `gathered` was sent.
    sent: usize,
    inserts: VecDeque<Insert>,
}

/// Something that stands between the gathered bytes.
#[derive(Debug)]
struct Insert {
    /// How many gathered bytes go before it.
    at: usize,
    piece: Piece,
}

/// What is sent from where it lies, and what of it is still to send.
#[derive(Debug)]
enum Piece {
    Shared(Arc<[u8]>, Range<usize>),
    File(FileRange),
}

/// How much was written to an output at some moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    gathered: usize,
    inserts: usize,
}

/// How far one attempt to send came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How many bytes the kernel took.
    pub bytes: u64,
    /// What stopped it.
    pub end: End,
}

/// What comes behind all that an output holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// More, some time.
    More,
    /// The end of our direction, by shutdown(2), as soon as everything was sent. It leaves in one packet with the last
    /// bytes: a packet of its own would cost both ends a fifth of a short connection.
    End,
}

/// Why an attempt to send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Everything was sent.
    Empty,
    /// The peer takes no more for now.
    Blocked,
    /// This peer had its turn; it would take more.
    Turn,
}

impl Output {
    /// From how many waiting bytes on a session should answer no more messages.
    pub const FULL: usize = 256 * 1024;
    /// From how many shared buffers and files on.
    const FULL_OF_INSERTS: usize = 256;
    /// How much one attempt to send may take at least before others have their turn.
    const TURN: u64 = 2 * 1024 * 1024;
    /// How many pieces go out by one call.
    const SLICES: usize = 64;
    /// How much room is kept for the next answer.
    const KEPT: usize = 64 * 1024;

    /// An output with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for so many bytes, so that it need not grow while they are written.
    pub fn reserve(&mut self, bytes: usize) {
        self.gathered.reserve(bytes);
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
    }

    /// How much has been written: a place to go back to, as long as nothing was sent since.
    pub(crate) fn mark(&self) -> Mark {
        Mark { gathered: self.gathered.len(), inserts: self.inserts.len() }
    }

    /// Forgets what was written since then.
    pub(crate) fn rewind(&mut self, mark: Mark) {
        self.gathered.truncate(mark.gathered);
        self.inserts.truncate(mark.inserts);
    }

    /// The bytes that go out next to each other, to append to: for what is written in many small pieces. What was
    /// there before must stay.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.gathered
    }

    /// Appends bytes that others hold too, without copying them.
    pub fn share(&mut self, bytes: Arc<[u8]>) {
        let all = 0..bytes.len();
        self.share_part(bytes, all);
    }

    /// Appends some of the bytes that others hold too, without copying them.
    ///
    /// # Panics
    /// When `part` is not within the bytes.
    pub fn share_part(&mut self, bytes: Arc<[u8]>, part: Range<usize>) {
        assert!(part.end <= bytes.len(), "a part beyond the end of the shared bytes");
        if !part.is_empty() {
            self.insert(Piece::Shared(bytes, part));
        }
    }

    /// Appends a part of a file, to be sent by sendfile(2). A file that has become shorter by then ends the
    /// connection: what was announced cannot be sent.
    pub fn file(&mut self, part: FileRange) {
        if !part.range.is_empty() {
            self.insert(Piece::File(part));
        }
    }

    fn insert(&mut self, piece: Piece) {
        self.inserts.push_back(Insert { at: self.gathered.len(), piece });
    }

    /// Whether everything was sent.
    pub fn is_empty(&self) -> bool {
        self.sent == self.gathered.len() && self.inserts.is_empty()
    }

    /// Whether so much waits that a session should write no more for now.
    pub fn is_full(&self) -> bool {
        let long = |last: &Insert| last.piece.len() >= Self::FULL as u64;
        self.gathered() >= Self::FULL
            || self.inserts.len() >= Self::FULL_OF_INSERTS
            || self.inserts.back().is_some_and(long)
    }

    /// How many bytes of its own wait: neither files nor what others hold too.
    pub fn gathered(&self) -> usize {
        self.gathered.len() - self.sent
    }

    /// Forgets what was not sent.
    pub fn clear(&mut self) {
        self.sent = 0;
        // Mostly there is none, and to clear nothing costs as much as to clear something.
        if !self.inserts.is_empty() {
            self.inserts.clear();
        }
        if self.gathered.capacity() > Self::KEPT { self.gathered = Vec::new() } else { self.gathered.clear() }
    }

    /// Sends as much as the peer takes now, without waiting. Before the announced end the kernel keeps the last packet
    /// until that comes.
    ///
    /// # Errors
    /// Those of send(2), sendmsg(2) and sendfile(2); `UnexpectedEof` when a file is shorter than what was to be sent
    /// of it. The connection is of no use then.
    pub fn send(&mut self, socket: BorrowedFd<'_>, behind: Behind) -> io::Result<Sent> {
        let mut bytes = 0;
        while !self.is_empty() {
            match self.send_once(socket, behind) {
                // The road of nearly every answer: it lies in one piece, and all of it goes out.
                Ok((taken, asked)) if taken == asked && self.inserts.is_empty() => {
                    bytes += taken as u64;
                    break;
                }
                Ok((taken, asked)) => {
                    let file = matches!(self.inserts.front(), Some(Insert { piece: Piece::File(_), at }) if *at == self.sent);
                    bytes += taken as u64;
                    self.advance(taken);
                    // A stream socket takes less than it was offered when it is full, and says so again at the next
                    // try: that call is spared. But with a file a whole buffer's worth was taken, and meanwhile the peer
                    // has mostly read some of it.
                    if taken < asked && !file {
                        return Ok(Sent { bytes, end: End::Blocked });
                    }
                    if bytes >= Self::TURN && !self.is_empty() {
                        return Ok(Sent { bytes, end: End::Turn });
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(Sent { bytes, end: End::Blocked }),
                Err(Errno::ENODATA) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(error) => return Err(error.into()),
            }
        }
        self.clear();
        Ok(Sent { bytes, end: End::Empty })
    }

    /// One system call: how many bytes the kernel took, and how many it was offered.
    fn send_once(&self, socket: BorrowedFd<'_>, behind: Behind) -> nix::Result<(usize, usize)> {
        match self.inserts.front() {
            None => {
                let rest = &self.gathered[self.sent..];
                Ok((send(socket.as_raw_fd(), rest, behind.flags())?, rest.len()))
            }
            Some(Insert { at, piece: Piece::File(part) }) if *at == self.sent => send_file(socket, part),
            // The road of every larger file: its head alone stands before it.
            Some(Insert { at, piece: Piece::File(_) }) => {
                let head = &self.gathered[self.sent..*at];
                Ok((send(socket.as_raw_fd(), head, MSG_MORE | MsgFlags::MSG_NOSIGNAL)?, head.len()))
            }
            Some(_) => self.send_slices(socket, behind),
        }
    }

    /// Sends what lies in memory before the next file.
    fn send_slices(&self, socket: BorrowedFd<'_>, behind: Behind) -> nix::Result<(usize, usize)> {
        let mut slices = [IoSlice::new(&[]); Self::SLICES];
        let mut count = 0;
        let mut push = |bytes| {
            slices[count] = IoSlice::new(bytes);
            count += 1;
        };
        let (mut from, mut more) = (self.sent, false);
        // Two for each insert, and one for the end.
        for insert in self.inserts.iter().take(Self::SLICES / 2 - 1) {
            push(&self.gathered[from..insert.at]);
            from = insert.at;
            match &insert.piece {
                Piece::Shared(bytes, part) => push(&bytes[part.clone()]),
                Piece::File(_) => {
                    more = true;
                    break;
                }
            }
        }
        if !more && self.inserts.len() < Self::SLICES / 2 {
            push(&self.gathered[from..]);
        }
        // Without MSG_MORE a head would go out alone, and its file wait for the acknowledgement of it.
        let flags = if more { MSG_MORE } else { MsgFlags::empty() } | behind.flags();
        let asked = slices[..count].iter().map(|slice| slice.len()).sum();
        Ok((sendmsg::<()>(socket.as_raw_fd(), &slices[..count], &[], flags, None)?, asked))
    }

    /// Takes off the front what was sent.
    fn advance(&mut self, mut taken: usize) {
        while taken > 0 {
            let end = self.inserts.front().map_or(self.gathered.len(), |insert| insert.at);
            let bytes = taken.min(end - self.sent);
            self.sent += bytes;
            taken -= bytes;
            // What is left over went into the insert behind; there is one, as no more is taken than was offered.
            if let Some(insert) = self.inserts.front_mut().filter(|_| taken > 0) {
                taken -= insert.piece.advance(taken);
                if insert.piece.is_empty() {
                    self.inserts.pop_front();
                }
            }
        }
    }
}

impl Behind {
    /// How the last bytes before it are sent.
    fn flags(self) -> MsgFlags {
        match self {
            Self::More => MsgFlags::MSG_NOSIGNAL,
            Self::End => MSG_MORE | MsgFlags::MSG_NOSIGNAL,
        }
    }
}

impl Piece {
    fn advance(&mut self, taken: usize) -> usize {
        match self {
            Self::Shared(_, part) => {
                let bytes = taken.min(part.len());
                part.start += bytes;
                bytes
            }
            Self::File(part) => {
                let bytes = (taken as u64).min(part.range.end - part.range.start);
                part.range.start += bytes;
                // It is at most `taken`.
                bytes as usize
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> u64 {
        match self {
            Self::Shared(_, part) => part.len() as u64,
            // A range that ends before it begins is none.
            Self::File(part) => part.range.end.saturating_sub(part.range.start),
        }
    }
}

/// One sendfile(2), of one turn at most; `ENODATA` at the end of a file that was longer once.
fn send_file(socket: BorrowedFd<'_>, part: &FileRange) -> nix::Result<(usize, usize)> {
    let asked = (part.range.end - part.range.start).min(Output::TURN) as usize;
    let mut offset = i64::try_from(part.range.start).map_err(|_| Errno::EOVERFLOW)?;
    match sendfile(socket, &part.file, Some(&mut offset), asked)? {
        0 => Err(Errno::ENODATA),
        taken => Ok((taken, asked)),
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

#[cfg(test)]
mod tests;
