//! A master that cannot become another program, for a library that was built without the control socket's documents.

use crate::error::Result;

/// What this process takes over from the program before it.
#[derive(Debug)]
pub enum Arrival {
    /// Nothing: it is a server of its own.
    First,
}

/// Nobody was before.
///
/// # Errors
/// None.
pub fn arrive() -> Result<Arrival> {
    Ok(Arrival::First)
}

/// There is nothing to go back to.
pub fn abandon(_why: &str) {}
