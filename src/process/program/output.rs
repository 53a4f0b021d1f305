//! What a program writes to its standard output or error, line by line.
//!
//! A line is given away whole, however many writes it came in; one that does not end is cut at [`LONGEST`]. So lines of
//! many programs can go into one log and none is torn.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use nix::{errno::Errno, fcntl::OFlag, unistd};

#[cfg(feature = "control")]
use crate::sys::luggage::{Luggage, Ticket, claim};

/// The longest line, in bytes; what is longer is given away in pieces. With what the log adds it is still one write
/// into a pipe.
pub const LONGEST: usize = 3 * 1024;

/// How much is read at once: a program that floods may not keep its reader from the others.
const PORTION: usize = 64 * 1024;

/// The reading end of a program's pipe, and the line that is not whole yet.
#[derive(Debug)]
pub struct Output {
    pipe: Option<OwnedFd>,
    begun: Vec<u8>,
}

impl Output {
    /// A new pipe: our end, which never blocks, and the program's, which does. pipe(7).
    ///
    /// # Errors
    /// `EMFILE` or `ENFILE` when no descriptor is left.
    pub fn pipe() -> io::Result<(Self, OwnedFd)> {
        let (read, write) = unistd::pipe2(OFlag::O_CLOEXEC)?;
        nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok((Self { pipe: Some(read), begun: Vec::new() }, write))
    }

    /// The descriptor to poll(2); none once the last writer is gone.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(AsFd::as_fd)
    }

    /// Reads what there is, without waiting, and gives away the lines that are whole.
    pub fn read(&mut self, line: &mut dyn FnMut(&str)) {
        let mut portion = [0; 16 * 1024];
        for _ in 0..PORTION / portion.len() {
            let Some(pipe) = &self.pipe else { return };
            match unistd::read(pipe, &mut portion) {
                Ok(0) => {
                    self.pipe = None;
                    self.finish(line);
                }
                Ok(count) => self.take(&portion[..count], line),
                Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Gives away what was begun: the program is gone, and nothing will end the line.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if !self.begun.is_empty() {
            line(&String::from_utf8_lossy(&self.begun));
            self.begun.clear();
        }
    }

    fn take(&mut self, mut bytes: &[u8], line: &mut dyn FnMut(&str)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.begin(&bytes[..end], line);
            let whole = self.begun.strip_suffix(b"\r").unwrap_or(&self.begun);
            line(&String::from_utf8_lossy(whole));
            self.begun.clear();
            bytes = &bytes[end + 1..];
        }
        self.begin(bytes, line);
    }

    /// Adds to the line that is not whole yet; one that is too long leaves in pieces.
    fn begin(&mut self, mut bytes: &[u8], line: &mut dyn FnMut(&str)) {
        while self.begun.len() + bytes.len() > LONGEST {
            let (fits, rest) = bytes.split_at(LONGEST - self.begun.len());
            self.begun.extend_from_slice(fits);
            self.finish(line);
            bytes = rest;
        }
        self.begun.extend_from_slice(bytes);
    }
}

/// An output on its way into another program of the reader's.
#[cfg(feature = "control")]
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Packed {
    pipe: Option<Ticket>,
    begun: Vec<u8>,
}

#[cfg(feature = "control")]
impl Output {
    /// Puts the pipe into the luggage.
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        Packed { pipe: self.pipe.as_ref().map(|pipe| luggage.put(pipe)), begun: self.begun.clone() }
    }
}

#[cfg(feature = "control")]
impl Packed {
    /// The same as it was.
    ///
    /// # Errors
    /// When the pipe did not come with the luggage.
    pub fn unpack(self) -> io::Result<Output> {
        Ok(Output { pipe: self.pipe.map(claim).transpose()?, begun: self.begun })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(parts: &[&[u8]]) -> Vec<String> {
        let (mut output, pipe) = Output::pipe().unwrap();
        let mut lines = Vec::new();
        for part in parts {
            unistd::write(&pipe, part).unwrap();
            output.read(&mut |line| lines.push(line.to_owned()));
        }
        drop(pipe);
        output.read(&mut |line| lines.push(line.to_owned()));
        assert!(output.fd().is_none());
        lines
    }

    #[test]
    fn a_line_is_given_away_when_it_is_whole() {
        assert_eq!(written(&[b"on", b"e\ntwo\r\n\nthr", b"ee"]), ["one", "two", "", "three"]);
        assert_eq!(written(&[]), [""; 0]);
        assert_eq!(written(&["\u{50f5}".as_bytes(), b"\xff\n"]), ["僵\u{fffd}"]);
    }

    #[test]
    fn a_line_without_an_end_is_cut() {
        let long = vec![b'x'; 2 * LONGEST + 1];
        let lines = written(&[&long, b"\nnext\n"]);
        let lengths: Vec<_> = lines.iter().map(String::len).collect();
        assert_eq!(lengths, [LONGEST, LONGEST, 1, 4]);
    }
}
