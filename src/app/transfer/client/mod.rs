//! The client of the file server.
//!
//! ```no_run
//! use forkd::app::transfer::client::Client;
//!
//! let mut client = Client::connect("127.0.0.1:7008")?;
//! for entry in client.list("")? {
//!     println!("{}", String::from_utf8_lossy(&entry.name));
//! }
//! client.fetch("big.iso", "big.iso".as_ref(), &mut |_| ())?;
//! # Ok::<(), forkd::app::transfer::client::Failure>(())
//! ```

mod fetch;
mod store;

use std::{
    borrow::Borrow,
    error, fmt,
    io::{self, BufReader, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::protocol::{
    framing::Framing,
    transfer::{Cause, Entry, FRAMES, Message, Problem, VERSION},
};

/// How far a transfer has come, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What an earlier attempt had left, and was found to be right.
    pub kept: u64,
    /// What is there, with that.
    pub there: u64,
    /// All of it.
    pub size: u64,
}

/// Whoever hears of it, from one thread or another.
pub type Told<'a> = &'a mut (dyn FnMut(Progress) + Send);

/// Why something could not be done.
#[derive(Debug)]
pub enum Failure {
    /// The connection broke; another may do better.
    Connection(io::Error),
    /// The server refused, or failed.
    Refused(Problem),
    /// A file on this side could not be read or written.
    Local(io::Error),
}

impl Failure {
    /// Whether nothing has that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(Problem { cause: Cause::NotFound, .. }))
    }

    /// Whether another attempt may succeed without anybody's doing.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Refused(problem) => {
                matches!(problem.cause, Cause::Draining | Cause::Busy | Cause::Corrupt | Cause::Changed)
            }
            Self::Local(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the server closed the connection")
            }
            Self::Connection(error) => write!(f, "the connection broke: {}", words(error)),
            Self::Refused(problem) => problem.fmt(f),
            Self::Local(error) => f.write_str(&words(error)),
        }
    }
}

impl error::Error for Failure {}

/// An error's words without its number, and in lower case as all that stands in a line.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    first.to_lowercase() + rest
}

/// A connection to a file server. After an error that [`Failure::is_passing`] it is of no more use: make another.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
    frame: Vec<u8>,
}

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much may be read ahead of what is wanted: enough for the frame before a run. What is read of the run with it is
/// copied once more, and the rest of it goes straight to where it is wanted.
const AHEAD: usize = 1024;

impl Client {
    /// Connects, and sees that there is a file server.
    ///
    /// # Errors
    /// What connect(2) says, or that something else answers there.
    pub fn connect(address: impl ToSocketAddrs) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).map_err(Failure::Connection)?;
        let prepare = || {
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))
        };
        prepare().map_err(Failure::Connection)?;
        let mut client = Self { stream: BufReader::with_capacity(AHEAD, stream), frame: Vec::new() };
        if let Message::Hello(VERSION) = client.ask(&Message::Hello(VERSION))? {
            Ok(client)
        } else {
            Err(unexpected())
        }
    }

    /// What a path of the server is.
    ///
    /// # Errors
    /// When it is not there, or the connection breaks.
    pub fn look(&mut self, path: &str) -> Result<Entry, Failure> {
        if let Message::Entry(entry) = self.ask(&Message::Look(path.into()))? {
            Ok(entry)
        } else {
            Err(unexpected())
        }
    }

    /// What is in a directory of the server, by name.
    ///
    /// # Errors
    /// When it is no directory, or the connection breaks.
    pub fn list(&mut self, path: &str) -> Result<Vec<Entry>, Failure> {
        let mut all = Vec::new();
        self.say(&Message::List(path.into()))?;
        loop {
            let answer = self.hear()?;
            if answer == Message::Done {
                return Ok(all);
            }
            let Message::Entries(some) = answer else { return Err(unexpected()) };
            all.extend(some);
        }
    }

    /// Makes a directory on the server, with those above it.
    ///
    /// # Errors
    /// When the server refuses, or the connection breaks.
    pub fn make_directory(&mut self, path: &str) -> Result<(), Failure> {
        if let Message::Done = self.ask(&Message::MakeDirectory(path.into()))? {
            Ok(())
        } else {
            Err(unexpected())
        }
    }

    fn ask(&mut self, message: &Message) -> Result<Message, Failure> {
        self.say(message)?;
        self.hear()
    }

    fn say(&mut self, message: &Message) -> Result<(), Failure> {
        self.say_all([message])
    }

    /// Says them in one breath: otherwise each would cost a call, and wake the server.
    fn say_all<M: Borrow<Message>>(&mut self, messages: impl IntoIterator<Item = M>) -> Result<(), Failure> {
        self.frame.clear();
        for message in messages {
            let message = message.borrow();
            message
                .write(&mut self.frame)
                .map_err(|error| Failure::Refused(Problem::new(Cause::BadName, error.to_string())))?;
        }
        self.stream.get_mut().write_all(&self.frame).map_err(|error| self.broken(error))
    }

    /// What is left to hear when nothing can be said any more: the server may have told why it closed.
    fn broken(&mut self, error: io::Error) -> Failure {
        loop {
            match self.hear() {
                // Its bytes stand behind it.
                Ok(Message::Run(part, _)) => {
                    let bytes = &mut self.stream.by_ref().take(part.length as u64);
                    let _ = io::copy(bytes, &mut io::sink());
                }
                Ok(_) => {}
                Err(Failure::Refused(problem)) => return Failure::Refused(problem),
                Err(Failure::Connection(_) | Failure::Local(_)) => return Failure::Connection(error),
            }
        }
    }

    /// The next message; a failure that the server tells is an error here.
    fn hear(&mut self) -> Result<Message, Failure> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head).map_err(Failure::Connection)?;
        let length = u32::from_be_bytes(head) as usize;
        // Something else answers there: a length as long as this is text.
        FRAMES.find(&head).map_err(|_| not_a_file_server())?;
        self.frame.resize(length, 0);
        self.stream.read_exact(&mut self.frame).map_err(Failure::Connection)?;
        match Message::read(&self.frame) {
            Ok(Message::Failed(problem)) => Err(Failure::Refused(problem)),
            Ok(message) => Ok(message),
            Err(_) => Err(not_a_file_server()),
        }
    }
}

fn not_a_file_server() -> Failure {
    Failure::Refused(Problem::new(Cause::Malformed, "this is no server of `forkd files`"))
}

fn unexpected() -> Failure {
    Failure::Refused(Problem::new(Cause::Malformed, "an answer to another question"))
}
