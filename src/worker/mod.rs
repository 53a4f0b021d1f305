//! Life inside a child: the worker models and the session drivers.

pub mod output;
pub mod session;
