//! Lines and members as the page reads them.

use serde_json::{Value, json};

use super::store::{Line, Member, Via, What};

/// A line as a document.
pub fn line(line: &Line) -> Value {
    let (what, text, to) = match &line.what {
        What::Said(text) => ("said", Some(text), None),
        What::Told { name, text, .. } => ("said", Some(text), Some(name.as_str())),
        What::Joined => ("joined", None, None),
        What::Left => ("left", None, None),
        What::Moved => ("moved", None, None),
    };
    json!({
        "number": line.number, "at": line.at, "what": what, "member": line.member, "name": line.name.as_str(),
        "door": line.door.word(), "via": via(line.via), "text": text, "to": to,
    })
}

/// A member as a document.
pub fn member(member: &Member) -> Value {
    json!({
        "member": member.id, "name": member.name.as_str(), "door": member.door.word(), "via": via(member.via),
    })
}

/// A worker as a document.
pub fn via(via: Via) -> Value {
    json!({ "slot": via.slot, "pid": via.pid })
}
