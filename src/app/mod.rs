//! The applications that come with forkd, as sessions.
#![forbid(unsafe_code)]

pub mod echo;
pub mod http;
pub mod site;

#[cfg(test)]
mod testing;
