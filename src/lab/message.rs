//! What the stage tells the audience, as packets of JSON on a socket pair.

use std::{io, os::fd::AsRawFd, os::fd::OwnedFd};

use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, recv, send},
};
use serde::{Deserialize, Serialize};

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Something happened.
    Event(Event),
    /// Something was compared with what it should be.
    Check(Check),
    /// Checks that this machine cannot make.
    SkippedCheck {
        /// The claim that stays unproved here.
        claim: String,
        /// What would have been checked.
        what: String,
        /// Why not.
        why: String,
    },
    /// The whole experiment cannot be made here.
    Skipped(String),
    /// It could not go on.
    Trouble(String),
    /// What the processes of the experiment wrote, for whoever wants to know why a check failed.
    Output(String),
}

/// One line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Microseconds since the experiment began.
    pub at_us: u64,
    /// Each process or socket, as its letter and its state at that moment.
    pub states: Vec<(String, String)>,
    /// What happened.
    pub text: String,
}

/// What was expected, and what the kernel said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The claim of the course that it proves.
    pub claim: String,
    /// Its name in the text file.
    pub key: String,
    /// What was looked at.
    pub what: String,
    /// What the course promises.
    pub expected: String,
    /// What was seen.
    pub observed: String,
    /// Whether they agree.
    pub ok: bool,
}

/// Sends a packet. An audience that went away is told nothing, and the experiment ends all the same.
pub fn tell(wire: &OwnedFd, message: &Message) {
    let Ok(bytes) = serde_json::to_vec(message) else { return };
    let _ = send(wire.as_raw_fd(), &bytes, MsgFlags::MSG_NOSIGNAL);
}

/// The next packet; `None` when nobody is left who could send one.
///
/// # Errors
/// Those of recv(2), and a packet that is none of ours.
pub fn hear(wire: &OwnedFd) -> io::Result<Option<Message>> {
    let mut buffer = vec![0; 256 * 1024];
    let bytes = loop {
        match recv(wire.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            Err(Errno::ECONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    if bytes == 0 {
        return Ok(None);
    }
    serde_json::from_slice(&buffer[..bytes]).map(Some).map_err(io::Error::other)
}
