//! The limits under which a generation of workers lives.

use std::time::Duration;

use super::{action::Limit, respawn::RespawnPolicy};
use crate::{config::Recycling, worker::Taking};

/// The limits that the supervisor keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
pub struct Policy {
    /// Fork to ready.
    pub boot: Option<Duration>,
    /// Without a sign of life.
    pub liveness: Option<Duration>,
    /// At one request.
    pub request: Option<Duration>,
    /// Told to drain to gone.
    pub drain: Option<Duration>,
    /// When a worker is replaced although nothing is wrong with it.
    #[cfg_attr(feature = "control", serde(default))]
    pub recycling: Recycling,
    /// How deaths are answered.
    pub respawn: RespawnPolicy,
    /// Whether children can be told to leave the queue alone.
    pub pausing: Pausing,
    /// How many clients each takes at a time.
    #[cfg_attr(feature = "control", serde(default))]
    pub taking: Taking,
}

/// Whether children can be told to leave the queue alone.
#[cfg_attr(feature = "control", derive(serde::Serialize, serde::Deserialize))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pausing {
    /// Workers of ours can.
    Possible,
    /// Other programs accept by themselves.
    Impossible,
}

impl Policy {
    /// How long that limit is.
    pub fn limit(&self, limit: Limit) -> Option<Duration> {
        match limit {
            Limit::Boot => self.boot,
            Limit::Liveness => self.liveness,
            Limit::Request => self.request,
            Limit::Drain => self.drain,
        }
    }
}
