//! The commands that look at processes: any of the machine, ours or not.

pub mod args;
mod decode;
mod doctor;
mod structure;
mod target;
mod terminal;
mod tree;
mod unit;
mod watch;
mod why;

use super::out;

pub use self::{
    decode::decode,
    doctor::doctor,
    terminal::look,
    tree::tree,
    why::{locale, why},
};
