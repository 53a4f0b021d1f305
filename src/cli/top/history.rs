//! What two looks at a server have between them: rates, and the last minute of them.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::ipc::control::status::{StatusDocument, Worker};

/// As many looks as a minute has seconds.
pub const LOOKS: usize = 60;

/// What a worker does per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Requests answered.
    pub requests: f64,
    /// Bytes that went out.
    pub bytes_out: f64,
    /// Processors used: 1.0 is one of them, all the time.
    pub cpu: f64,
}

/// The last minute of a server, the youngest look last.
#[derive(Debug, Default)]
pub struct History {
    /// Requests per second, all workers together.
    pub requests: VecDeque<u64>,
    /// Bytes that went out per second.
    pub bytes_out: VecDeque<u64>,
    /// Connections that wait to be accepted.
    pub queued: VecDeque<u64>,
    /// Open connections.
    pub active: VecDeque<u64>,
    /// The rates of the workers, by pid.
    rates: BTreeMap<i32, Rate>,
    before: Option<StatusDocument>,
}

impl History {
    /// Takes up another look, and how long it is since the one before.
    pub fn add(&mut self, now: &StatusDocument, since: Duration) {
        let before = self.before.take();
        self.rates = now
            .workers
            .iter()
            .filter_map(|worker| {
                let older = before.as_ref()?.workers.iter().find(|older| older.pid == worker.pid);
                rate(older, worker, since).map(|rate| (worker.pid, rate))
            })
            .collect();
        let sum = |part: fn(&Rate) -> f64| self.rates.values().map(part).sum::<f64>().round() as u64;
        let (requests, bytes_out) = (sum(|rate| rate.requests), sum(|rate| rate.bytes_out));
        // The first look has nothing to be compared with: no rate is known, which is not a rate of nothing.
        if before.is_some() {
            push(&mut self.requests, requests);
            push(&mut self.bytes_out, bytes_out);
        }
        let queued = now.listeners.iter().filter_map(|listener| listener.queue).map(u64::from).sum();
        push(&mut self.queued, queued);
        push(&mut self.active, now.workers.iter().map(|worker| worker.active).sum());
        self.before = Some(now.clone());
    }

    /// What that worker does per second, once it was looked at twice.
    pub fn rate(&self, pid: i32) -> Option<Rate> {
        self.rates.get(&pid).copied()
    }
}

fn push(values: &mut VecDeque<u64>, value: u64) {
    if values.len() == LOOKS {
        values.pop_front();
    }
    values.push_back(value);
}

/// The rates of a worker. One that was not there before began with nothing.
fn rate(before: Option<&Worker>, now: &Worker, since: Duration) -> Option<Rate> {
    let seconds = since.as_secs_f64();
    if seconds <= 0.0 {
        return None;
    }
    let counts =
        |count: fn(&Worker) -> u64| count(now).saturating_sub(before.map_or(0, count)) as f64 / seconds;
    let used = now.cpu_s.unwrap_or(0.0) - before.and_then(|before| before.cpu_s).unwrap_or(0.0);
    Some(Rate {
        requests: counts(|worker| worker.requests),
        bytes_out: counts(|worker| worker.bytes_out),
        cpu: used.max(0.0) / seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::sample;

    #[test]
    fn rates_are_differences_between_two_looks() {
        let mut history = History::default();
        let mut status = sample::status();
        history.add(&status, Duration::ZERO);
        assert!(history.requests.is_empty() && history.rate(101).is_none());
        status.workers[0].requests += 50;
        status.workers[0].bytes_out += 4000;
        status.workers[0].cpu_s = status.workers[0].cpu_s.map(|used| used + 1.0);
        history.add(&status, Duration::from_secs(2));
        assert_eq!(history.rate(101), Some(Rate { requests: 25.0, bytes_out: 2000.0, cpu: 0.5 }));
        assert_eq!(history.requests, [25]);
    }

    #[test]
    fn a_worker_that_is_gone_makes_no_negative_rate() {
        let mut history = History::default();
        let mut status = sample::status();
        history.add(&status, Duration::ZERO);
        let gone = status.workers.remove(0);
        let mut successor = gone.clone();
        (successor.pid, successor.requests) = (999, 3);
        status.workers.push(successor);
        history.add(&status, Duration::from_secs(1));
        assert_eq!(history.requests, [3]);
        assert_eq!(history.rate(gone.pid), None);
    }

    #[test]
    fn a_minute_is_kept() {
        let mut history = History::default();
        for _ in 0..100 {
            history.add(&sample::status(), Duration::from_secs(1));
        }
        assert_eq!((history.requests.len(), history.queued.len()), (LOOKS, LOOKS));
    }
}
