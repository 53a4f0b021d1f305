//! A connection for a handler that reads and writes as it likes, one at a time in its process.

use std::{
    fmt, io,
    io::{Read, Write},
    os::fd::{AsFd, BorrowedFd},
    thread,
    time::Duration,
};

use super::{
    limits::Limits,
    link::{Link, Outside},
    output::{Behind, Output},
    session::{FileRange, Limit, Peer},
};
use crate::process::clock::Time;

/// A client's connection, for a blocking handler.
///
/// Reads and writes wait, but not for ever: a client that sends nothing within the idle limit, or takes nothing within
/// the limit on writing, is an error of kind `TimedOut`. While the worker drains, a client that stays silent for
/// the linger looks like one that has finished, so that a handler that reads until the end comes to its end.
///
/// When the handler is done the connection is closed so that the client gets everything that was written, even if
/// there are bytes of its own that nobody read.
///
/// ```ignore
/// |mut conn: Connection| {
///     let mut buffer = [0; 1024];
///     while conn.read(&mut buffer)? > 0 {
///         conn.write_all(b"Thanks")?;
///     }
///     Ok(())
/// }
/// ```
pub struct Connection {
    link: Link,
    /// Whether the handler has read at all.
    read: bool,
    /// Whether the peer has ended its direction, or the connection is broken.
    ended: bool,
}

impl Connection {
    /// How long it waits at its end for a client that was not heard out.
    const FAREWELL: Duration = Duration::from_secs(1);

    /// A connection over this link.
    pub fn new(link: Link) -> Self {
        Self { link, read: false, ended: false }
    }

    /// Who is at the other end, and by which listener it came.
    pub fn peer(&self) -> &Peer {
        self.link.peer()
    }

    /// Whether the worker drains: finish what you have, then return.
    pub fn draining(&self) -> bool {
        self.link.watch().draining()
    }

    /// Reads some bytes, waiting for the first of them; 0 when the client sends no more, or the worker drains and the
    /// client is silent. recv(2).
    ///
    /// # Errors
    /// `TimedOut` past the idle limit, or what broke the connection.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read = true;
        let mut since = Time::now();
        let mut drains = self.draining();
        loop {
            match self.link.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                count => {
                    self.ended |= !matches!(count, Ok(1..)) && !buffer.is_empty();
                    return count;
                }
            }
            if self.draining() && !drains {
                (since, drains) = (Time::now(), true);
            }
            let limit = self.link.watch().limits().of(Limit::Idle, drains);
            if self.link.wait(Outside::Unwatched, limit.map(|limit| since + limit))?.is_none() {
                return if self.draining() { Ok(0) } else { Err(io::ErrorKind::TimedOut.into()) };
            }
        }
    }

    /// Fills the buffer.
    ///
    /// # Errors
    /// `UnexpectedEof` when the client ends before; those of [`Connection::read`].
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        Read::read_exact(self, buffer)
    }

    /// Sends all the bytes, waiting until the kernel has taken them. send(2).
    ///
    /// # Errors
    /// `TimedOut` when the client did not take 16 KiB within the limit, or what broke the connection.
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut output = Output::new();
        output.write(bytes);
        self.send(&mut output)
    }

    /// Sends all the bytes, and answers how many they are.
    ///
    /// # Errors
    /// As [`Connection::write_all`].
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    /// Sends a part of a file without reading it. sendfile(2).
    ///
    /// # Errors
    /// `UnexpectedEof` when the file is shorter; those of [`Connection::write_all`].
    pub fn send_file(&mut self, part: FileRange) -> io::Result<()> {
        let mut output = Output::new();
        output.file(part);
        self.send(&mut output)
    }

    fn send(&mut self, output: &mut Output) -> io::Result<()> {
        let sent = self.link.send(output, Behind::More);
        self.ended |= sent.is_err();
        sent
    }
}

impl Drop for Connection {
    /// Closes it. Bytes that nobody read would make that a reset, so they are read, for a moment; a handler that read
    /// nothing at all may have answered before its client had spoken.
    fn drop(&mut self) {
        if self.ended || thread::panicking() {
            return;
        }
        let unread = matches!(self.link.read(&mut [0; 4096]), Ok(1..));
        if unread || !self.read {
            self.link.take_leave(Self::FAREWELL.min(Limits::FAREWELL));
        }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Connection::read(self, buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Connection::write(self, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Connection {
    /// Its socket, which does not block.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.socket()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", self.peer()).finish()
    }
}

#[cfg(test)]
mod tests;
