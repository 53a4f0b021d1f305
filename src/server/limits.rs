//! The limits on workers and on their clients, as a builder is told them.

use std::time::Duration;

use super::Server;
use crate::config::Spread;

impl Server<'_> {
    /// How long a worker may take from fork to ready; 30 s unless told otherwise, `None` is for ever.
    #[must_use]
    pub fn boot_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.boot = limit.into();
        self
    }

    /// How long a worker may work without a sign of life; 60 s unless told otherwise, `None` is for ever. One that waits
    /// is alive; [`extend_deadline`](crate::extend_deadline) asks for more.
    #[must_use]
    pub fn liveness_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.liveness = limit.into();
        self
    }

    /// How long a worker may work at one request without waiting for its client; for ever unless told otherwise.
    #[must_use]
    pub fn request_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.request = limit.into();
        self
    }

    /// How long a worker may take to finish what it has; 30 s unless told otherwise, `None` is for ever.
    #[must_use]
    pub fn drain_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.drain = limit.into();
        self
    }

    /// How long a client may stay silent between messages; 60 s unless told otherwise, `None` is for ever.
    #[must_use]
    pub fn idle_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle = limit.into();
        self
    }

    /// Replaces a worker that has answered so many requests: one at a time over the whole server, and its successor is
    /// ready before it drains. Where nobody counts requests, connections count. A [`Spread`] lets each worker
    /// draw a share of its own.
    ///
    /// ```
    /// use forkd::{Server, config::Spread};
    /// let server = Server::bind("127.0.0.1:0").max_requests(Spread { least: 10_000, jitter: 1_000 });
    /// ```
    #[must_use]
    pub fn max_requests(mut self, share: impl Into<Spread<u64>>) -> Self {
        self.settings.recycling.requests = Some(share.into());
        self
    }

    /// Replaces a worker that has more memory in use than this, in bytes, when it is looked at twice in a row.
    #[must_use]
    pub fn max_memory(mut self, bytes: u64) -> Self {
        self.settings.recycling.memory = Some(bytes);
        self
    }

    /// Replaces a worker that is older than this.
    #[must_use]
    pub fn max_age(mut self, age: impl Into<Spread<Duration>>) -> Self {
        self.settings.recycling.age = Some(age.into());
        self
    }
}
