//! Sockets that a service manager keeps while a server is not there: it gives them back at the next start, and the
//! clients that came meanwhile wait in their queues. sd_notify(3), `FDSTORE=1`.
//!
//! A socket is kept under a name made of its address, and found again by it in `$LISTEN_FDNAMES`.

use socket2::Socket;

use super::{addr::Address, inherit};

/// What all such names begin with, so that they are not taken for those of a socket unit.
const MARK: &str = "forkd.";

/// The name under which the socket of this address is kept; none for one that the manager has already, or whose file
/// would be gone.
pub fn name(address: &Address) -> Option<String> {
    match address {
        Address::Tcp(_)
        | Address::AnyTcp(_)
        | Address::Udp(_)
        | Address::AnyUdp(_)
        | Address::Abstract(_) => Some(format!("{MARK}{}", inherit::plain(&address.to_string()))),
        Address::Unix(_) | Address::Fd(_) | Address::Systemd(_) => None,
    }
}

/// The same for the socket of one slot of a group; that of the first has the name of the address.
pub fn name_of(address: &Address, slot: u32) -> Option<String> {
    let name = name(address)?;
    Some(if slot == 1 { name } else { format!("{name}.slot{slot}") })
}

/// The socket that was kept for this address, or for this slot there, if it came back.
pub(super) fn find(address: &Address, slot: u32) -> Option<Socket> {
    let name = name_of(address, slot)?;
    inherit::take(|given| name == given)
}

/// Closes what came back and nobody has found, and answers the names of it.
pub fn drop_rest() -> Vec<String> {
    let rest = inherit::numbers(|name| name.starts_with(MARK));
    rest.into_iter()
        .filter(|(_, number)| inherit::descriptor(*number).is_ok())
        .map(|(name, _)| name)
        .collect()
}
