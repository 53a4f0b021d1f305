//! The applications that come with forkd, as sessions.
#![forbid(unsafe_code)]

mod beneath;
#[cfg(feature = "chat")]
pub mod chat;
pub mod echo;
pub mod http;
pub mod site;
#[cfg(feature = "files")]
pub mod transfer;

#[cfg(test)]
mod testing;
