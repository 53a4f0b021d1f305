//! A pid in a document: serde(1)'s `with` for a type that is not ours.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Pid;

/// As a number, or null.
///
/// # Errors
/// Those of the document.
#[expect(clippy::ref_option, reason = "serde hands a field by reference")]
pub fn serialize<S: Serializer>(pid: &Option<Pid>, document: S) -> Result<S::Ok, S::Error> {
    pid.map(Pid::as_raw).serialize(document)
}

/// From a number, or null.
///
/// # Errors
/// Those of the document.
pub fn deserialize<'de, D: Deserializer<'de>>(document: D) -> Result<Option<Pid>, D::Error> {
    Ok(Option::<i32>::deserialize(document)?.map(Pid::from_raw))
}
