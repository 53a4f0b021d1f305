//! A listener on its way into another program: what is known of it, and the number of its socket.

use std::io;

use serde::{Deserialize, Serialize};
use socket2::Socket;

use super::{bind::Listener, error::BindError, queues::Queues, unix::Place};
use crate::sys::luggage::{Luggage, Ticket, claim};

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Packed {
    address: String,
    socket: Ticket,
    #[serde(default)]
    queues: Queues,
    /// The further ones, from the second slot on.
    #[serde(default)]
    others: Vec<Ticket>,
    place: Option<Place>,
}

impl Listener {
    /// Puts the socket into the luggage, and says what the next program must know of it.
    pub fn pack(&self, luggage: &mut Luggage) -> Packed {
        Packed {
            address: self.address().to_string(),
            socket: luggage.put(self),
            queues: self.queues,
            others: self.others.iter().map(|(_, fd)| luggage.put(fd)).collect(),
            place: self.place.clone(),
        }
    }
}

impl Packed {
    /// The listener as it was, queue and all.
    ///
    /// # Errors
    /// When the socket did not come with it.
    pub fn unpack(self) -> io::Result<Listener> {
        let address = self.address.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        let socket = Socket::from(claim(self.socket)?);
        let listener = Listener::over(&address, socket, self.place)
            .map_err(|refusal| io::Error::other(BindError::new(&address, refusal)))?;
        let mut listener = listener.with(self.queues);
        for (slot, ticket) in (2..).zip(self.others) {
            listener.take_over(slot, claim(ticket)?);
        }
        Ok(listener)
    }

    /// The same as somebody else's: its file is not for this process to remove.
    #[must_use]
    pub fn borrowed(self) -> Self {
        Self { place: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listener::bind;

    #[test]
    fn a_listener_is_the_same_after_the_journey() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        for address in ["127.0.0.1:0", "udp:127.0.0.1:0", &format!("unix:{}", path.display())] {
            let mut listener = bind(&address.parse().unwrap(), 16).unwrap().with(Queues::PerSlot);
            listener.reach(3, 16).unwrap();
            let mut luggage = Luggage::default();
            let packed = serde_json::to_string(&listener.pack(&mut luggage)).unwrap();
            let lifted = luggage.lift().unwrap();
            let unpack = || serde_json::from_str::<Packed>(&packed).unwrap();
            let (copy, guest) = (unpack().unpack().unwrap(), unpack().borrowed().unpack().unwrap());
            drop(lifted);
            assert_eq!((copy.address(), copy.local()), (listener.address(), listener.local()));
            assert_eq!((copy.queues(), copy.count()), (listener.queues(), listener.count()));
            guest.remove_path().unwrap();
            assert_eq!(path.exists(), address.starts_with("unix"));
            copy.remove_path().unwrap();
            assert!(!path.exists());
        }
    }
}
