//! The course's protocol over a room: `L name`, `C name text`, `Q name`.
//!
//! Who writes is known by the address, and a name in a request is compared with it: nobody writes as another. What is
//! lost on the way can be asked again: a login that was granted before is granted, a farewell is answered to one who
//! has left.

use std::net::SocketAddr;

use super::{
    room::Room,
    store::{Answer, Door, Member, Pass, Refusal, Speaker, Speech},
};
use crate::protocol::chat::{Datagram, Name};

/// What goes back to the sender of a datagram.
pub fn answer(room: &Room, from: SocketAddr, bytes: &[u8]) -> Option<String> {
    let done = Datagram::read(bytes).map_err(Refusal::Wrong).and_then(|request| serve(room, from, request));
    done.unwrap_or_else(|refusal| Some(room.lang().refusal(&refusal)))
}

fn serve(room: &Room, from: SocketAddr, request: Datagram) -> Answer<Option<String>> {
    let member = room.find(&Pass::Address(from))?;
    match request {
        Datagram::Login { name, rest } => match member {
            // Its `OK` may have been lost.
            Some(member) if member.name == name => Ok(Some(Datagram::OK.to_owned())),
            Some(_) | None => {
                room.join(name, Door::Datagrams, Some(Pass::Address(from)), rest.as_deref())?;
                Ok(Some(Datagram::OK.to_owned()))
            }
        },
        Datagram::Chat { name, text } => {
            let member = claimed(member, name)?;
            room.say(Speaker::Member(member.id), &[Speech { text, to: None, ticket: None }])?;
            Ok(None)
        }
        Datagram::Quit { name } => match member {
            None => match room.present()?.into_iter().find(|other| other.name.key() == name.key()) {
                Some(other) => Err(Refusal::NotYou(other.name)),
                // Its `EXIT` may have been lost.
                None => Ok(Some(Datagram::EXIT.to_owned())),
            },
            Some(_) => {
                room.leave(claimed(member, name)?.id)?;
                Ok(Some(Datagram::EXIT.to_owned()))
            }
        },
    }
}

/// The member at that address, if it goes by that name.
fn claimed(member: Option<Member>, name: Name) -> Answer<Member> {
    let member = member.ok_or(Refusal::Stranger)?;
    if member.name.key() == name.key() { Ok(member) } else { Err(Refusal::NotYou(name)) }
}
