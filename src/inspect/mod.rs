//! Process trees and what they mean, read from /proc: any process of the machine, ours or not.
//!
//! A [`snapshot`] reads one file per process, so that a look at ten thousand of them costs what `ps` costs; what one
//! process is about is read for the shown ones alone. Everything is read as it was at some moment of a moving world:
//! a process that is gone before it is read was never there, and that is no error.

pub mod details;
pub mod doctor;
pub mod document;
pub mod draw;
pub mod explain;
pub mod history;
pub mod kin;
pub mod last_ran;
pub mod netlink;
pub mod paint;
pub mod select;
pub mod snapshot;
pub mod sock;
pub mod stat;
pub mod status;
pub mod text;
pub mod tree;
pub mod waits;
pub mod watch;
