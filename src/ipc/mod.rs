//! What crosses between the processes of one server: messages, counts, and what people ask of a master.

pub mod ident;
pub mod message;
pub mod scoreboard;
