//! What crosses between the processes of one server: messages, counts, and what people ask of a master.

pub mod bill;
pub mod bus;
pub mod channel;
pub mod control;
pub mod ident;
pub mod message;
pub mod notify;
pub mod reading;
pub mod row;
pub mod scoreboard;
pub mod tally;
