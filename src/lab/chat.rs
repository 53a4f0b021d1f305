//! People in a chat room: clients of the five stages, who know what reached them.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, UdpSocket},
    time::Duration,
};

/// How long somebody waits for a line that should come. What must not come is waited for behind one that must.
const PATIENCE: Duration = Duration::from_secs(1);

/// The name that nobody may take.
pub const ADMIN: &str = "管理员";

/// What a silent room gives.
pub const SILENCE: &str = "(nothing)";

/// Somebody in a room of datagrams: stages 1 and 2.
#[derive(Debug)]
pub struct Guest {
    socket: UdpSocket,
}

impl Guest {
    /// Somebody at the door of the room at that port, who has not said a name yet.
    ///
    /// # Errors
    /// Those of socket(2) and connect(2).
    pub fn at(port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { socket })
    }

    /// Sends a datagram, as it is.
    ///
    /// # Errors
    /// `ECONNREFUSED` when nobody is at the port any more.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.socket.send(bytes.as_ref()).map(drop)
    }

    /// The next line that reaches this guest; [`SILENCE`] when none comes, or the room is gone.
    pub fn hear(&self) -> String {
        let mut bytes = [0; 2048];
        let heard =
            self.socket.recv(&mut bytes).map(|count| String::from_utf8_lossy(&bytes[..count]).into_owned());
        heard.unwrap_or_else(|_| SILENCE.into())
    }

    /// Sends a datagram; the answer.
    pub fn ask(&self, bytes: impl AsRef<[u8]>) -> String {
        match self.send(bytes) {
            Ok(()) => self.hear(),
            Err(_) => SILENCE.into(),
        }
    }

    /// The next line that has this word in it: others may come before. [`SILENCE`] when none comes.
    pub fn hear_of(&self, word: &str) -> String {
        (0..50)
            .map(|_| self.hear())
            .find(|line| line.contains(word) || line == SILENCE)
            .unwrap_or(SILENCE.into())
    }

    /// The port of the room.
    ///
    /// # Errors
    /// Those of getpeername(2).
    pub fn port(&self) -> io::Result<u16> {
        Ok(self.socket.peer_addr()?.port())
    }
}

/// Somebody in a room of framed lines over TCP: four bytes of length in network order, then the text. Stages 3 and 4.
#[derive(Debug)]
pub struct Member {
    stream: TcpStream,
}

impl Member {
    /// Somebody who comes in under that name: the first frame.
    ///
    /// # Errors
    /// Those of connect(2) and send(2).
    pub fn enter(port: u16, name: &str) -> io::Result<Self> {
        let mut member = Self { stream: TcpStream::connect(("127.0.0.1", port))? };
        member.stream.set_read_timeout(Some(PATIENCE))?;
        member.stream.set_nodelay(true)?;
        member.send(&frame(name.as_bytes()))?;
        Ok(member)
    }

    /// Sends bytes, as they are.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says a line.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn say(&mut self, text: &str) -> io::Result<()> {
        self.send(&frame(text.as_bytes()))
    }

    /// The next line that has this word in it: others may come before.
    pub fn hear_of(&mut self, word: &str) -> String {
        (0..100)
            .map(|_| self.hear())
            .find(|line| line.contains(word) || line == SILENCE)
            .unwrap_or(SILENCE.into())
    }

    /// The next line; [`SILENCE`] when none comes, or the room has closed the connection.
    pub fn hear(&mut self) -> String {
        read_frame(&mut self.stream, usize::MAX)
            .ok()
            .flatten()
            .map_or(SILENCE.into(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// A text with its length before it.
pub fn frame(text: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], text].concat()
}

/// Reads one frame; `None` at the end. A length over the limit is an error before anything of it is stored.
///
/// # Errors
/// Those of read(2), and `InvalidData`.
pub fn read_frame(stream: &mut impl Read, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > limit.min(16 << 20) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = vec![0; length];
    stream.read_exact(&mut text)?;
    Ok(Some(text))
}
