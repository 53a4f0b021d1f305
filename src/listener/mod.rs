//! Addresses to listening sockets.
//!
//! The master alone binds, and it keeps every listener for as long as the server lives: so a worker that dies takes
//! no queued connection with it. Workers inherit the listeners across fork and accept from them.
//!
//! ```
//! use forkd::listener::{Address, bind};
//!
//! let address: Address = "127.0.0.1:0".parse()?;
//! let listener = bind(&address, 128)?;
//! assert!(listener.url("http").starts_with("http://127.0.0.1:"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod addr;
pub mod bind;
mod error;
mod group;
pub mod inherit;
pub mod kept;
#[cfg(feature = "control")]
pub mod packed;
pub mod peer;
mod queues;
mod unix;

pub use self::{
    addr::{Address, AddressError},
    bind::{Kind, Listener, Local, bind, bind_private},
    error::BindError,
    peer::{Mode, PeerAddress, accept},
    queues::{Dealing, Gauge, Queues},
};
