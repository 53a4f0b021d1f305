//! One message as a value, and its bytes.

use std::{error, fmt};

use super::{BLOCK, Cause, Digest, FRAMES, Problem, RUN};
use crate::protocol::framing::{FrameError, Framing};

/// What is said, by either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Which version is spoken.
    Hello(u16),
    /// Asks what a path is.
    Look(Vec<u8>),
    /// Asks what is in a directory.
    List(Vec<u8>),
    /// Asks for a directory, with those above it; that it is there already is no failure.
    MakeDirectory(Vec<u8>),
    /// Asks to fetch a file.
    Open(Vec<u8>),
    /// Asks for the digests of a part of the file that is open.
    Check(Part),
    /// Asks for a part of the file that is open.
    Pull(Part),
    /// Asks to send a file; the entry's name is not used.
    Put(Vec<u8>, Entry),
    /// A part of the file; its bytes follow.
    Run(Part, Vec<Digest>),
    /// All has been sent.
    Commit,
    /// One entry.
    Entry(Entry),
    /// Some entries.
    Entries(Vec<Entry>),
    /// The digests of a part.
    Digests(Vec<Digest>),
    /// So many bytes of the file have arrived.
    Have(u64),
    /// It is done.
    Done,
    /// It could not be done.
    Failed(Problem),
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has, at most [`RUN`].
    pub length: usize,
}

impl Part {
    /// Where it ends.
    pub fn end(self) -> u64 {
        self.offset.saturating_add(self.length as u64)
    }

    /// How many digests it has.
    pub fn blocks(self) -> usize {
        self.length.div_ceil(BLOCK)
    }
}

/// A file or a directory, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the directory.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its length in bytes; of no meaning for a directory.
    pub size: u64,
    /// When it was changed last: seconds since 1970, and nanoseconds.
    pub modified: (i64, u32),
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A regular file that can be run.
    Program,
    /// A directory.
    Directory,
}

/// The bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message is not understood")
    }
}

impl error::Error for Malformed {}

impl Message {
    /// Appends its frame.
    ///
    /// # Errors
    /// When it is too long for one.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), FrameError> {
        let mut fields = Fields(vec![self.code()]);
        match self {
            Self::Hello(version) => fields.0.extend_from_slice(&version.to_be_bytes()),
            Self::Look(path) | Self::List(path) | Self::MakeDirectory(path) | Self::Open(path) => {
                fields.text(path);
            }
            Self::Check(part) | Self::Pull(part) => fields.part(*part),
            Self::Put(path, entry) => {
                fields.text(path);
                fields.entry(entry);
            }
            Self::Run(part, digests) => {
                fields.part(*part);
                fields.0.extend_from_slice(digests.as_flattened());
            }
            Self::Entry(entry) => fields.entry(entry),
            Self::Entries(entries) => entries.iter().for_each(|entry| fields.entry(entry)),
            Self::Digests(digests) => fields.0.extend_from_slice(digests.as_flattened()),
            Self::Have(count) => fields.number(*count),
            Self::Commit | Self::Done => {}
            Self::Failed(problem) => {
                fields.0.push(problem.cause.code());
                fields.text(problem.detail.as_bytes());
            }
        }
        FRAMES.write(&fields.0, out)
    }

    /// Reads what is in a frame.
    ///
    /// # Errors
    /// When it is no message, or not all of it.
    pub fn read(frame: &[u8]) -> Result<Self, Malformed> {
        let (code, rest) = frame.split_first().ok_or(Malformed)?;
        let mut cursor = Cursor(rest);
        let message = match code {
            1 => Self::Hello(u16::from_be_bytes(cursor.array()?)),
            2 => Self::Look(cursor.text()?),
            3 => Self::List(cursor.text()?),
            4 => Self::MakeDirectory(cursor.text()?),
            5 => Self::Open(cursor.text()?),
            6 => Self::Check(cursor.part()?),
            7 => Self::Pull(cursor.part()?),
            8 => Self::Put(cursor.text()?, cursor.entry()?),
            9 => Self::run(cursor.part()?, cursor.digests()?)?,
            10 => Self::Commit,
            11 => Self::Entry(cursor.entry()?),
            12 => Self::Entries(cursor.entries()?),
            13 => Self::Digests(cursor.digests()?),
            14 => Self::Have(cursor.number()?),
            15 => Self::Done,
            16 => {
                let [cause] = cursor.array()?;
                let detail = String::from_utf8(cursor.text()?).map_err(|_| Malformed)?;
                Self::Failed(Problem::new(Cause::from_code(cause), detail))
            }
            _ => return Err(Malformed),
        };
        if cursor.0.is_empty() { Ok(message) } else { Err(Malformed) }
    }

    fn run(part: Part, digests: Vec<Digest>) -> Result<Self, Malformed> {
        if part.blocks() == digests.len() { Ok(Self::Run(part, digests)) } else { Err(Malformed) }
    }

    fn code(&self) -> u8 {
        match self {
            Self::Hello(_) => 1,
            Self::Look(_) => 2,
            Self::List(_) => 3,
            Self::MakeDirectory(_) => 4,
            Self::Open(_) => 5,
            Self::Check(_) => 6,
            Self::Pull(_) => 7,
            Self::Put(..) => 8,
            Self::Run(..) => 9,
            Self::Commit => 10,
            Self::Entry(_) => 11,
            Self::Entries(_) => 12,
            Self::Digests(_) => 13,
            Self::Have(_) => 14,
            Self::Done => 15,
            Self::Failed(_) => 16,
        }
    }
}

/// Fields being written.
struct Fields(Vec<u8>);

impl Fields {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    /// Two bytes of length, and the bytes. What is longer is cut: a path cannot be, and words lose their end.
    fn text(&mut self, text: &[u8]) {
        let length = text.len().min(u16::MAX.into());
        self.0.extend_from_slice(&(length as u16).to_be_bytes());
        self.0.extend_from_slice(&text[..length]);
    }

    fn part(&mut self, part: Part) {
        self.number(part.offset);
        self.0.extend_from_slice(&(part.length as u32).to_be_bytes());
    }

    fn entry(&mut self, entry: &Entry) {
        self.0.push(match entry.kind {
            Kind::File => 0,
            Kind::Program => 1,
            Kind::Directory => 2,
        });
        self.number(entry.size);
        self.number(entry.modified.0.cast_unsigned());
        self.0.extend_from_slice(&entry.modified.1.to_be_bytes());
        self.text(&entry.name);
    }
}

/// Fields being read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    fn text(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = u16::from_be_bytes(self.array()?);
        let (text, rest) = self.0.split_at_checked(length.into()).ok_or(Malformed)?;
        self.0 = rest;
        Ok(text.to_vec())
    }

    fn part(&mut self) -> Result<Part, Malformed> {
        let (offset, length) = (self.number()?, u32::from_be_bytes(self.array()?) as usize);
        let fits = (1..=RUN).contains(&length) && offset.checked_add(length as u64).is_some();
        if fits { Ok(Part { offset, length }) } else { Err(Malformed) }
    }

    fn entry(&mut self) -> Result<Entry, Malformed> {
        let kind = match self.array()? {
            [0] => Kind::File,
            [1] => Kind::Program,
            [2] => Kind::Directory,
            [_] => return Err(Malformed),
        };
        let size = self.number()?;
        let modified = (self.number()?.cast_signed(), u32::from_be_bytes(self.array()?));
        if modified.1 >= 1_000_000_000 {
            return Err(Malformed);
        }
        Ok(Entry { name: self.text()?, kind, size, modified })
    }

    fn entries(&mut self) -> Result<Vec<Entry>, Malformed> {
        let mut entries = Vec::new();
        while !self.0.is_empty() {
            entries.push(self.entry()?);
        }
        Ok(entries)
    }

    fn digests(&mut self) -> Result<Vec<Digest>, Malformed> {
        let (digests, rest) = self.0.as_chunks();
        self.0 = rest;
        Ok(digests.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> Vec<Message> {
        let path = || "目录/文件".as_bytes().to_vec();
        let part = Part { offset: 1 << 40, length: BLOCK + 1 };
        let entry = Entry { name: path(), kind: Kind::Program, size: 7, modified: (-1, 999_999_999) };
        vec![
            Message::Hello(1),
            Message::Look(path()),
            Message::List(Vec::new()),
            Message::MakeDirectory(path()),
            Message::Open(path()),
            Message::Check(part),
            Message::Pull(Part { offset: 0, length: RUN }),
            Message::Put(path(), entry.clone()),
            Message::Run(part, vec![[1; 32], [2; 32]]),
            Message::Commit,
            Message::Entry(entry.clone()),
            Message::Entries(vec![entry.clone(), entry]),
            Message::Digests(vec![[3; 32]]),
            Message::Have(u64::MAX),
            Message::Done,
            Message::Failed(Problem::new(Cause::DiskFull, "a/b")),
        ]
    }

    #[test]
    fn every_message_is_read_as_it_was_written_and_no_part_of_it_is_one() {
        for message in messages() {
            let mut bytes = Vec::new();
            message.write(&mut bytes).unwrap();
            assert_eq!(Message::read(&bytes[4..]).as_ref(), Ok(&message));
            for cut in 4..bytes.len() {
                let read = Message::read(&bytes[4..cut]);
                // A list that is cut between its entries is a shorter list; its frame says that it was cut.
                let list = matches!(message, Message::Entries(_) | Message::Digests(_));
                assert!(list || read == Err(Malformed), "{message:?} cut at {cut}: {read:?}");
            }
            bytes.push(0);
            assert_eq!(Message::read(&bytes[4..]), Err(Malformed));
        }
    }

    #[test]
    fn every_cause_has_its_own_byte() {
        for cause in Cause::ALL {
            assert_eq!(Cause::from_code(cause.code()), *cause);
        }
        assert_eq!(Cause::from_code(200), Cause::Broken);
    }

    #[test]
    fn runs_cover_a_file_without_gaps() {
        let run = RUN as u64;
        for (from, size, expected) in
            [(0, 0, 0), (0, 1, 1), (0, run, 1), (0, run + 1, 2), (run + 5, 3 * run, 2)]
        {
            let parts: Vec<_> = crate::protocol::transfer::runs(from, size).collect();
            assert_eq!(parts.len(), expected);
            assert!(parts.windows(2).all(|pair| pair[0].end() == pair[1].offset));
            assert!(parts.last().is_none_or(|last| last.end() == size));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(code in 0_u8..20, rest in any::<Vec<u8>>()) {
            let _ = Message::read(&[&[code], &rest[..]].concat());
        }
    }
}
