//! The datagrams' socket. One worker at a time has it, the keeper of the room: so what one client sends is read in the
//! order in which it came, and `OK` is on its way before any line.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, BorrowedFd},
};

use super::{
    feed::Feed,
    store::{Answer, Line, Member, Store, What},
    words::Lang,
};
use crate::protocol::chat::Datagram;

/// See the module.
#[derive(Debug)]
pub struct Post {
    socket: UdpSocket,
    /// Whose datagrams are never answered: services that answer by themselves, and ourselves.
    deaf_to: [u16; 4],
    lang: Lang,
    /// Up to which line the members were told, once this worker is the keeper.
    sent: Option<u64>,
    room: Box<[u8]>,
}

impl Post {
    /// How many datagrams are answered before others have their turn.
    pub const BURST: usize = 64;
    /// The longest datagram that can be meant, and one byte more.
    const LONGEST: usize = 8 * 1024;

    /// A post that is closed yet.
    ///
    /// # Errors
    /// When it is no socket that has an address.
    pub fn new(socket: UdpSocket, lang: Lang) -> io::Result<Self> {
        // Nothing, echo, chargen: RFC 862 and 864 answer whatever comes.
        let deaf_to = [0, 7, 19, socket.local_addr()?.port()];
        Ok(Self { socket, deaf_to, lang, sent: None, room: vec![0; Self::LONGEST].into() })
    }

    /// Opens it; whether it was closed before.
    pub fn open_once(&mut self) -> bool {
        let was_closed = self.sent.is_none();
        self.sent.get_or_insert(0);
        was_closed
    }

    /// The next datagram, if it is open.
    pub fn receive(&mut self) -> Option<(SocketAddr, Vec<u8>)> {
        self.sent?;
        loop {
            match self.socket.recv_from(&mut self.room) {
                Ok((count, from)) if !self.deaf_to.contains(&from.port()) => {
                    return Some((from, self.room[..count].to_vec()));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                // The errors of earlier answers come back here: an unreachable port.
                Err(_) => {}
            }
        }
    }

    /// Sends one datagram. A queue that is full loses it, as any router on the way would.
    pub fn send(&self, to: SocketAddr, text: &str) {
        let _ = self.socket.send_to(text.as_bytes(), to);
    }

    /// The last words to those who were let go.
    pub fn dismiss(&self, addresses: &[SocketAddr]) {
        for address in addresses {
            self.send(*address, &self.lang.silent());
            self.send(*address, Datagram::EXIT);
        }
    }

    /// Sends the members what is new for them. Up to where they were told stands in the store, so that a keeper who
    /// follows goes on from there.
    pub fn deliver(&mut self, feed: &Feed, store: &mut dyn Store) -> Answer<()> {
        let members: Vec<_> =
            store.present()?.into_iter().filter(|member| member.address.is_some()).collect();
        let mut sent = match self.sent {
            Some(sent) if sent > 0 => sent,
            Some(_) | None => store.posted(None)?,
        };
        if members.is_empty() {
            sent = feed.last();
        }
        let begin = sent;
        while sent < feed.last() {
            let lines = feed.after(sent, store)?;
            for line in &lines {
                members.iter().for_each(|member| self.send_line(line, member));
                sent = line.number;
            }
            if lines.is_empty() {
                break;
            }
        }
        if sent != begin {
            store.posted(Some(sent))?;
        }
        self.sent = Some(sent);
        Ok(())
    }

    /// As the course does it: a line end in front, and nobody gets what is their own.
    fn send_line(&self, line: &Line, to: &Member) {
        let concerns = line.number > to.since && line.member != to.id && line.is_for(to.id);
        let (Some(address), true) = (to.address, concerns) else { return };
        let text = match &line.what {
            What::Said(text) => Some(format!("{} : {text}", line.name)),
            What::Told { .. } | What::Joined | What::Left | What::Moved => self.lang.line(line, to.id),
        };
        if let Some(text) = text {
            self.send(address, &format!("\n{text}"));
        }
    }
}

impl AsFd for Post {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
