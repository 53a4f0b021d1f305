//! What the server does and has done, as Prometheus reads it: the text format, version 0.0.4.
//!
//! Any worker answers for all of them: the numbers come from the scoreboard, and those of workers that are gone are kept
//! there by the master, so that no counter ever falls.

use std::fmt::{self, Display, Formatter};

use crate::{
    app::http::Response,
    ipc::{
        row::Row,
        tally::{BOUNDS, Totals},
    },
};

/// Where the numbers are shown, and where they come from.
pub struct Metrics {
    path: String,
    row: Row,
    queues: Box<dyn Fn() -> Vec<Queue>>,
}

/// How many clients wait at a listener, and how many may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The listener's address.
    pub listener: String,
    /// How many wait.
    pub waiting: u32,
    /// How many may.
    pub backlog: u32,
}

impl Metrics {
    /// Under this path, `/metrics`, from any row of the server's scoreboard; `queues` looks at its listeners.
    pub fn new(path: impl Into<String>, row: Row, queues: impl Fn() -> Vec<Queue> + 'static) -> Self {
        Self { path: path.into(), row, queues: Box::new(queues) }
    }

    /// Whether a request for this path asks for them.
    pub fn stands_at(&self, path: &str) -> bool {
        self.path == path
    }

    /// The answer.
    pub fn answer(&self) -> Response {
        let page = Page { totals: self.row.totals().unwrap_or_default(), queues: (self.queues)() };
        Response::typed("text/plain; version=0.0.4; charset=utf-8", page.to_string())
            .header("Cache-Control", "no-store")
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Everything at one moment.
struct Page {
    totals: Totals,
    queues: Vec<Queue>,
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { totals, queues } = self;
        one(f, "forkd_requests_total", "counter", "Requests answered.", totals.requests)?;
        let statuses = totals.statuses.iter().zip(["2xx", "3xx", "4xx", "5xx"]);
        let statuses = statuses.map(|(count, class)| (format!("code=\"{class}\""), *count));
        many(f, "forkd_responses_total", "counter", "HTTP answers by class of status.", statuses)?;
        one(f, "forkd_received_bytes_total", "counter", "Bytes that came in.", totals.bytes_in)?;
        one(f, "forkd_sent_bytes_total", "counter", "Bytes that went out.", totals.bytes_out)?;
        one(f, "forkd_connections_accepted_total", "counter", "Connections taken.", totals.accepted)?;
        let all: u64 = totals.slots.values().fold(0, |sum, taken| sum.saturating_add(*taken));
        let share = |taken: &u64| if all == 0 { 0.0 } else { *taken as f64 / all as f64 };
        let shares = totals.slots.iter().map(|(slot, taken)| (format!("slot=\"{slot}\""), share(taken)));
        many(f, "forkd_worker_share_ratio", "gauge", "Of what the living workers took, by slot.", shares)?;
        one(f, "forkd_connections_active", "gauge", "Connections that are open.", totals.active)?;
        histogram(f, totals)?;
        let workers =
            totals.workers.iter().map(|(state, count)| (format!("state=\"{}\"", state.word()), *count));
        many(f, "forkd_workers", "gauge", "Workers by what they do.", workers)?;
        one(f, "forkd_workers_spawned_total", "counter", "Workers forked.", totals.spawned)?;
        let restarts =
            totals.restarts.iter().map(|(why, count)| (format!("reason=\"{}\"", why.word()), *count));
        many(f, "forkd_worker_restarts_total", "counter", "Workers replaced, by reason.", restarts)?;
        let of = |count: fn(&Queue) -> u32| {
            queues
                .iter()
                .map(move |queue| (format!("listener={}", Label(&queue.listener)), u64::from(count(queue))))
        };
        many(
            f,
            "forkd_accept_queue",
            "gauge",
            "Clients that wait to be accepted.",
            of(|queue| queue.waiting),
        )?;
        many(f, "forkd_accept_queue_limit", "gauge", "Clients that may wait.", of(|queue| queue.backlog))
    }
}

/// The value of a label between its quotes. No other escapes are known there than these three.
struct Label<'a>(&'a str);

impl Display for Label<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n"))
    }
}

fn histogram(f: &mut Formatter<'_>, totals: &Totals) -> fmt::Result {
    const NAME: &str = "forkd_request_duration_seconds";
    head(f, NAME, "histogram", "From when a whole request was there until its answer was.")?;
    let mut below = 0;
    for (bound, count) in BOUNDS.iter().zip(totals.latency) {
        below = count.wrapping_add(below);
        writeln!(f, "{NAME}_bucket{{le=\"{}\"}} {below}", *bound as f64 / 1e6)?;
    }
    let all = below.wrapping_add(totals.latency[BOUNDS.len()]);
    writeln!(f, "{NAME}_bucket{{le=\"+Inf\"}} {all}")?;
    writeln!(f, "{NAME}_sum {}", totals.took as f64 / 1e6)?;
    writeln!(f, "{NAME}_count {all}")
}

fn one(f: &mut Formatter<'_>, name: &str, kind: &str, help: &str, value: u64) -> fmt::Result {
    head(f, name, kind, help)?;
    writeln!(f, "{name} {value}")
}

fn many(
    f: &mut Formatter<'_>,
    name: &str,
    kind: &str,
    help: &str,
    values: impl Iterator<Item = (String, impl Display)>,
) -> fmt::Result {
    head(f, name, kind, help)?;
    for (label, value) in values {
        writeln!(f, "{name}{{{label}}} {value}")?;
    }
    Ok(())
}

fn head(f: &mut Formatter<'_>, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_the_escapes_that_prometheus_knows() {
        assert_eq!(Label("unix:/a\"b\\c\nd\te'é\u{7f}").to_string(), "\"unix:/a\\\"b\\\\c\\nd\te'é\u{7f}\"");
    }

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut totals = Totals { requests: 7, statuses: [5, 0, 2, 0], took: 1_500_000, ..Totals::default() };
        (totals.latency[0], totals.latency[16]) = (6, 1);
        totals.slots = [(1, 3), (2, 1)].into();
        let queues = vec![Queue { listener: "[::1]:80".into(), waiting: 3, backlog: 4096 }];
        let page = Page { totals, queues }.to_string();
        for line in [
            "# TYPE forkd_requests_total counter",
            "forkd_requests_total 7",
            "forkd_responses_total{code=\"4xx\"} 2",
            "forkd_request_duration_seconds_bucket{le=\"0.0001\"} 6",
            "forkd_request_duration_seconds_bucket{le=\"10\"} 6",
            "forkd_request_duration_seconds_bucket{le=\"+Inf\"} 7",
            "forkd_request_duration_seconds_sum 1.5",
            "forkd_request_duration_seconds_count 7",
            "forkd_worker_share_ratio{slot=\"1\"} 0.75",
            "forkd_accept_queue{listener=\"[::1]:80\"} 3",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} in {page}");
        }
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
}
