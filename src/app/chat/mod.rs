//! The group chat room: one room, many doors, any number of workers.
//!
//! Each worker is a process with a memory of its own, so that nothing of the room can live in one of them. Names,
//! presence, order and history are in a [`Store`]; a [`Bus`](crate::ipc::bus::Bus) wakes all workers when a line was
//! written; each worker reads what is new and tells its own members.

mod app;
mod browser;
mod datagrams;
mod document;
mod events;
mod feed;
mod lines;
mod page;
mod post;
mod reader;
mod room;
mod sqlite;
mod store;
mod words;

pub use self::{
    app::{ByKeeper, Chat, Plan},
    room::{Room, Rules},
    sqlite::{Keeping, Sqlite, is_used, remove},
    store::{
        Answer, Door, Guest, Kept, Line, Member, Pass, Patience, Rate, Refusal, Said, Speaker, Speech, Store,
        Via, What,
    },
    words::Lang,
};
