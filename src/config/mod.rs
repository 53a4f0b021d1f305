//! Settings as values: what a server is told, before anything is bound or forked.
//!
//! The library's builder and the command line both fill in a [`Settings`]; the master reads nothing else.

pub mod choices;
pub mod descriptors;
#[cfg(feature = "cli")]
pub mod file;
pub mod name;
pub mod parse;
pub mod privileges;
pub mod recycling;
pub mod runtime_dir;
pub mod settings;
pub mod workers;

pub use choices::{Balance, LogFormat, Model, Reap};
pub use recycling::{Recycling, Spread};
pub use settings::{Limits, LogSettings, Settings};
pub use workers::{Range, Workers};
