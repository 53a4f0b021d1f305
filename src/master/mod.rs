//! Life of the parent: what should be, what is, and the difference made good.
#![allow(dead_code)]

mod action;
mod event;
mod ledger;
mod respawn;
mod slot;
mod supervisor;
#[cfg(test)]
mod toy_kernel;
mod turn;
