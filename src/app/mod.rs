//! The applications that come with forkd, as sessions.
#![forbid(unsafe_code)]
