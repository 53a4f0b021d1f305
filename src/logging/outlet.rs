//! Where lines go without anybody waiting for it: a line is taken whole and at once, or it is lost and counted.
//!
//! There is no buffer here. A pipe has one in the kernel, which is made as large as it may be: all processes of a
//! server write into the same, it survives each of them, and nothing of it is there twice after a fork. A file on a
//! full disk has none, and what was counted is told when the disk takes lines again.
//!
//! The descriptor that a server was started with belongs to others, too: `O_NONBLOCK` on it would be set for the shell
//! as well, and poll(2) says only that there was room before another worker took it. So a pipe or a terminal is opened
//! a second time, by /proc/self/fd, which makes an open file description of our own. A socket needs none: send(2) has a
//! flag for each call.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd},
        unix::fs::{FileTypeExt, OpenOptionsExt},
    },
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, send},
};

use super::lost::Lost;

/// Up to this size a pipe takes a write whole or not at all. pipe(7), `PIPE_BUF`.
pub const PIECE: usize = 4096;

/// What a pipe may hold while its reader is slow: as much as anybody may ask for. pipe(7), `pipe-max-size`.
const PIPE: i32 = 1 << 20;

/// An open log.
#[derive(Debug)]
pub struct Outlet {
    file: File,
    way: Way,
}

/// How it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A file on a disk: nobody's reader, but the disk may be full.
    Disk,
    /// A pipe or a terminal by a description of our own, which never waits.
    Stream,
    /// The same by one that others hold, too.
    Shared,
    /// A socket.
    Socket,
}

impl Outlet {
    /// A log that goes where this descriptor leads, which others may use as well.
    ///
    /// # Errors
    /// `EBADF` for one that is closed, `EMFILE`.
    pub fn over(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file = File::from(fd.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        if kind.is_socket() {
            return Ok(Self { file, way: Way::Socket });
        }
        if !kind.is_fifo() && !kind.is_char_device() {
            return Ok(Self { file, way: Way::Disk });
        }
        // Not for someone who got it from another user, and not for a pipe whose reader is gone already.
        let own = OpenOptions::new()
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
            .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Ok(match own {
            Ok(own) => Self::of(own, Way::Stream),
            Err(_) => Self::of(file, Way::Shared),
        })
    }

    /// A log in a file that was opened for it, without blocking.
    ///
    /// # Errors
    /// None that is known.
    pub fn in_file(file: File) -> io::Result<Self> {
        let way = if file.metadata()?.is_file() { Way::Disk } else { Way::Stream };
        Ok(Self::of(file, way))
    }

    fn of(file: File, way: Way) -> Self {
        // A wish: not for a pipe that holds more already, and not for what is none.
        let _ = fcntl(&file, FcntlArg::F_SETPIPE_SZ(PIPE));
        Self { file, way }
    }

    /// Whether it is a file on a disk.
    pub fn is_on_disk(&self) -> bool {
        self.way == Way::Disk
    }

    /// The longest line that is surely taken whole.
    pub fn longest(&self) -> usize {
        match self.way {
            Way::Disk => usize::MAX,
            Way::Stream | Way::Shared | Way::Socket => PIECE,
        }
    }

    /// Writes these lines, or loses them, or the last of them. What is lost is counted.
    ///
    /// # Errors
    /// Why lines were lost.
    pub fn write(&mut self, lines: &[u8], lost: &Lost) -> io::Result<()> {
        let mut taken = 0;
        while taken < lines.len() {
            match self.write_once(&lines[taken..]) {
                // A disk that takes a part has no room for the rest, or has by now.
                Ok(count) if self.way == Way::Disk && count > 0 => taken += count,
                Ok(count) if taken + count == lines.len() => break,
                Ok(_) => return self.lose(lines, taken, io::ErrorKind::WriteZero.into(), lost),
                Err(cause) => return self.lose(lines, taken, cause, lost),
            }
        }
        Ok(())
    }

    /// Counts the lines of which not all was taken.
    fn lose(&mut self, lines: &[u8], taken: usize, cause: io::Error, lost: &Lost) -> io::Result<()> {
        let whole = self.whole(&lines[..taken]);
        lost.add(lines[whole..].iter().filter(|byte| **byte == b'\n').count() as u64);
        Err(cause)
    }

    fn write_once(&mut self, lines: &[u8]) -> io::Result<usize> {
        loop {
            let written = match self.way {
                Way::Disk | Way::Stream => self.file.write(lines),
                // Another process may take the room between these two. There is no better way to what is not ours.
                Way::Shared => takes_now(&self.file).and_then(|()| self.file.write(lines)),
                Way::Socket => {
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    send(self.file.as_raw_fd(), lines, flags).map_err(io::Error::from)
                }
            };
            match written {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    /// Takes back the beginning of a line for whose rest there was no room, and answers how many bytes stay.
    ///
    /// A full disk is full for all, so that the beginning is still the end of the file. Where another process appends by a
    /// description of its own meanwhile, because somebody has made room, the file is longer than our offset, and the
    /// beginning stays where it is.
    ///
    /// One race is left, and borne. Processes that share the offset move it for each other: if room is made, and one of
    /// them writes a line between our failed write and the ftruncate(2) that follows, as many bytes are cut off its end as
    /// we take for ours. Locking each write would cost every line two calls more, and leaving the beginning there, to be
    /// ended by a newline later, would leave half a line on every disk that becomes full.
    fn whole(&mut self, taken: &[u8]) -> usize {
        let whole = taken.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let torn = (taken.len() - whole) as u64;
        if self.way == Way::Disk && torn > 0 {
            let _ = self.take_back(torn);
        }
        whole
    }

    fn take_back(&mut self, torn: u64) -> io::Result<()> {
        let end = self.file.stream_position()?;
        if self.file.metadata()?.len() == end {
            self.file.set_len(end - torn)?;
            // For one that does not append: what comes next would stand behind a hole.
            self.file.seek(SeekFrom::Start(end - torn))?;
        }
        Ok(())
    }
}

impl AsFd for Outlet {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether a write would not wait: a pipe that nobody reads, a terminal that is stopped.
fn takes_now(file: &File) -> io::Result<()> {
    let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::ZERO)? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;

    /// Writes lines until one is lost, reads all, and answers how many were taken.
    fn fill(outlet: &mut Outlet, lost: &Lost, mut reader: impl Read) -> u64 {
        let line = [&[b'x'; 999][..], b"\n"].concat();
        let taken = std::iter::repeat_with(|| outlet.write(&line, lost)).take_while(Result::is_ok).count();
        assert_eq!(lost.take(), Some(1));
        let mut bytes = vec![0; taken * line.len()];
        reader.read_exact(&mut bytes).unwrap();
        assert!(bytes.chunks(line.len()).all(|chunk| chunk == line), "whole lines and no others");
        assert!(outlet.write(&line, lost).is_ok(), "it flows again");
        taken as u64
    }

    #[test]
    fn a_pipe_that_nobody_reads_is_filled_and_not_waited_for() {
        let (reader, writer) = io::pipe().unwrap();
        let mut outlet = Outlet::over(writer.as_fd()).unwrap();
        assert_eq!(outlet.way, Way::Stream);
        assert!(fill(&mut outlet, &Lost::new(), &reader) > 64, "more than a pipe holds by itself");
        let flags = fcntl(&writer, FcntlArg::F_GETFL).unwrap();
        assert_eq!(flags & libc::O_NONBLOCK, 0, "others who write to it wait as before");
        drop(reader);
        let lost = Lost::new();
        assert_eq!(outlet.write(b"a\nb\n", &lost).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(lost.take(), Some(2));
    }

    #[test]
    fn a_socket_is_written_to_without_waiting() {
        let (reader, writer) = UnixStream::pair().unwrap();
        let mut outlet = Outlet::over(writer.as_fd()).unwrap();
        assert_eq!(outlet.way, Way::Socket);
        assert!(fill(&mut outlet, &Lost::new(), &reader) > 16);
    }

    #[test]
    fn what_others_hold_is_written_to_as_long_as_it_takes_lines() {
        let (reader, writer) = io::pipe().unwrap();
        let mut outlet = Outlet::of(File::from(writer.as_fd().try_clone_to_owned().unwrap()), Way::Shared);
        assert!(fill(&mut outlet, &Lost::new(), &reader) > 64);
    }

    #[test]
    fn a_beginning_is_taken_back() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"whole\nwhole\ntor").unwrap();
        let mut outlet = Outlet::in_file(file).unwrap();
        assert_eq!(outlet.whole(b"whole\ntor"), 6);
        assert!(outlet.write(b"next\n", &Lost::new()).is_ok());
        let mut text = String::new();
        outlet.file.rewind().unwrap();
        outlet.file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "whole\nwhole\nnext\n");
    }
}
