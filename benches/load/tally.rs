//! What a run found: good answers, failures by class, and how long the good answers took.

use std::time::Duration;

/// What became of a request that got no good answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The connection could not be made.
    Refused,
    /// The connection was reset before the first byte of an answer.
    Reset,
    /// The connection was closed before the first byte of an answer.
    Closed,
    /// The connection ended within an answer.
    Cut,
    /// An answer came, but another status, another length, or no HTTP.
    Wrong,
    /// No answer came in time.
    Late,
}

const FAILURES: [(Failure, &str); 6] = [
    (Failure::Refused, "refused"),
    (Failure::Reset, "reset"),
    (Failure::Closed, "closed"),
    (Failure::Cut, "cut"),
    (Failure::Wrong, "wrong"),
    (Failure::Late, "late"),
];

/// Each power of two of microseconds is told apart in so many steps: an error of at most 1.6 %.
const STEPS: u64 = 64;

/// The counts of one run.
#[derive(Debug)]
pub struct Tally {
    good: u64,
    failures: [u64; FAILURES.len()],
    latencies: Vec<u64>,
    time: Duration,
}

impl Tally {
    /// Nothing found yet.
    pub fn new() -> Self {
        Self { good: 0, failures: [0; FAILURES.len()], latencies: vec![0; 4096], time: Duration::ZERO }
    }

    /// A good answer, so long after its request.
    pub fn answered(&mut self, after: Duration) {
        self.good += 1;
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.latencies[step(micros).min(4095)] += 1;
    }

    /// Requests that got no good answer.
    pub fn failed(&mut self, failure: Failure, requests: usize) {
        self.failures[failure as usize] += requests as u64;
    }

    /// The run is over, and lasted so long.
    pub fn finish(&mut self, time: Duration) {
        self.time = time;
    }

    /// How many good answers came.
    pub fn good(&self) -> u64 {
        self.good
    }

    /// How many requests failed in any way.
    pub fn failures(&self) -> u64 {
        self.failures.iter().sum()
    }

    /// How many requests failed in this way.
    pub fn count(&self, failure: Failure) -> u64 {
        self.failures[failure as usize]
    }

    /// The latency in microseconds that this share of the good answers did not exceed.
    fn percentile(&self, share: f64) -> u64 {
        let wanted = (self.good as f64 * share).ceil() as u64;
        let mut seen = 0;
        let found = self.latencies.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, floor_of)
    }

    /// All of it as one line of JSON.
    pub fn json(&self) -> String {
        let failures: Vec<String> =
            FAILURES.iter().map(|(class, name)| format!("\"{name}\": {}", self.count(*class))).collect();
        format!(
            "{{\"good\": {}, \"seconds\": {:.4}, \"p50_us\": {}, \"p99_us\": {}, \"failures\": {{{}}}}}",
            self.good,
            self.time.as_secs_f64(),
            self.percentile(0.50),
            self.percentile(0.99),
            failures.join(", ")
        )
    }
}

/// The step that a latency falls into: each microsecond its own up to 64, then 64 to each power of two.
fn step(micros: u64) -> usize {
    let doublings = micros.max(1).ilog2().saturating_sub(STEPS.ilog2());
    (u64::from(doublings) * STEPS + (micros >> doublings)) as usize
}

/// The shortest latency of a step.
fn floor_of(step: usize) -> u64 {
    let step = step as u64;
    let doublings = (step / STEPS).saturating_sub(1);
    (step - doublings * STEPS) << doublings
}
