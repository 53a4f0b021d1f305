//! The document of `forkd status --json`.
//!
//! The names of the fields are a promise to whoever reads it with a program: they are added to, never changed. What
//! is not known is `null`, never missing. Times are seconds with milliseconds behind the point.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ipc::reading::State;

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusDocument {
    /// How the other commands find it.
    pub name: String,
    /// The version of the running binary.
    pub version: String,
    /// How it is, in one word.
    pub state: ServerState,
    /// The worker model.
    pub model: String,
    /// How long ago the master was started.
    pub uptime_s: f64,
    /// Rises at every reload and upgrade.
    pub generation: u32,
    /// The parent.
    pub master: Master,
    /// What it listens on, in the order of binding.
    pub listeners: Vec<Listener>,
    /// Its children, those that are leaving too.
    pub workers: Vec<Worker>,
    /// Of how many workers it chooses by itself, the least and the most; null if it does not.
    #[serde(default)]
    pub range: Option<[u32; 2]>,
    /// What has happened since the start.
    pub counters: Counters,
    /// The last children that ended.
    pub last_exits: Vec<Exit>,
}

/// How a server is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServerState {
    /// Not all workers have been ready yet.
    Starting,
    /// All is as it should be.
    Running,
    /// A worker is missing, or a slot was given up.
    Degraded,
    /// It accepts nothing until it is resumed.
    Paused,
    /// It drains.
    Stopping,
}

impl ServerState {
    /// The word for it, as in the document.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded => "degraded",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
        }
    }
}

/// The parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// Its process number.
    pub pid: i32,
    /// The binary that it runs.
    pub exe: Option<String>,
    /// The user that it has become; null if it stays who started it.
    #[serde(default)]
    pub user: Option<String>,
}

/// One listening socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Its address as given back by the kernel.
    pub address: String,
    /// What is spoken there: `http`, `tcp`, `lines` or `udp`.
    pub protocol: String,
    /// How many clients wait to be accepted, where the kernel says so.
    pub queue: Option<u32>,
    /// How many may.
    pub backlog: Option<u32>,
}

/// One child.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// The slot that it fills, counted from 1.
    pub slot: u32,
    /// Its process number.
    pub pid: i32,
    /// The generation that it was born in.
    pub generation: u32,
    /// What it is doing.
    pub state: State,
    /// How long ago it was forked.
    pub age_s: f64,
    /// Connections taken.
    pub accepted: u64,
    /// Its share of what all of these workers have taken, from 0 to 1: of connections, or where there are none, of
    /// datagrams. Nothing when nobody has taken any.
    #[serde(default)]
    pub share: Option<f64>,
    /// Those of them that are open.
    pub active: u64,
    /// Requests answered.
    pub requests: u64,
    /// Bytes that came in.
    pub bytes_in: u64,
    /// Bytes that went out.
    pub bytes_out: u64,
    /// Memory that it has in use, shared pages counted in full.
    pub rss_bytes: Option<u64>,
    /// The same, each shared page counted by its share.
    pub pss_bytes: Option<u64>,
    /// Processor time.
    pub cpu_s: Option<f64>,
    /// The request that it serves.
    pub current: Option<String>,
    /// For how long already.
    pub current_s: Option<f64>,
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Children forked.
    pub spawned: u64,
    /// Children that ended, for whatever reason.
    pub exited: u64,
    /// Those of them that ended unasked.
    pub crashed: u64,
    /// Those of them that the master killed.
    pub killed: u64,
    /// Reloads that went well.
    pub reloads: u64,
    /// Upgrades that went well.
    pub upgrades: u64,
    /// Reloads that failed and left everything as it was.
    pub failed_reloads: u64,
    /// Upgrades that failed and left everything as it was.
    #[serde(default)]
    pub failed_upgrades: u64,
}

/// One child that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// The slot that it filled.
    pub slot: u32,
    /// The generation that it was born in.
    pub generation: u32,
    /// The process number that it had.
    pub pid: i32,
    /// Why it ended, in words.
    pub reason: String,
    /// The request that it served at its end.
    pub during: Option<String>,
    /// How long ago it ended.
    pub age_s: f64,
}

/// A duration as the document says it: seconds, to the millisecond.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn worker() -> Worker {
        Worker {
            slot: 1,
            pid: 4243,
            generation: 2,
            state: State::Busy,
            age_s: seconds(Duration::from_micros(1_500_499)),
            accepted: 3,
            share: Some(0.25),
            active: 1,
            requests: 2,
            bytes_in: 100,
            bytes_out: u64::MAX,
            rss_bytes: Some(4096),
            pss_bytes: None,
            cpu_s: Some(0.25),
            current: None,
            current_s: None,
        }
    }

    pub(in super::super) fn document() -> StatusDocument {
        StatusDocument {
            name: "http-8080".into(),
            version: "0.1.0".into(),
            state: ServerState::Running,
            model: "event".into(),
            uptime_s: 12.5,
            generation: 2,
            master: Master { pid: 4242, exe: Some("/usr/bin/forkd".into()), user: None },
            listeners: vec![Listener {
                address: "127.0.0.1:8080".into(),
                protocol: "http".into(),
                queue: Some(0),
                backlog: None,
            }],
            workers: vec![worker()],
            counters: Counters::default(),
            range: Some([2, 8]),
            last_exits: vec![Exit {
                slot: 1,
                generation: 1,
                pid: 4000,
                reason: "was killed by signal 9 (KILL)".into(),
                during: Some("GET /x".into()),
                age_s: 1.0,
            }],
        }
    }

    #[test]
    fn the_document_has_the_fields_that_were_promised_and_says_null_for_what_is_not_known() {
        let document = serde_json::to_value(document()).unwrap();
        let expected = json!({
            "name": "http-8080", "version": "0.1.0", "state": "running", "model": "event", "uptime_s": 12.5,
            "generation": 2, "range": [2, 8], "master": { "pid": 4242, "exe": "/usr/bin/forkd", "user": null },
            "listeners": [{ "address": "127.0.0.1:8080", "protocol": "http", "queue": 0, "backlog": null }],
            "workers": [{
                "slot": 1, "pid": 4243, "generation": 2, "state": "busy", "age_s": 1.5, "accepted": 3, "share": 0.25, "active": 1,
                "requests": 2, "bytes_in": 100, "bytes_out": u64::MAX, "rss_bytes": 4096, "pss_bytes": null,
                "cpu_s": 0.25, "current": null, "current_s": null,
            }],
            "counters": {
                "spawned": 0, "exited": 0, "crashed": 0, "killed": 0, "reloads": 0, "upgrades": 0,
                "failed_reloads": 0, "failed_upgrades": 0,
            },
            "last_exits": [{
                "slot": 1, "generation": 1, "pid": 4000, "reason": "was killed by signal 9 (KILL)",
                "during": "GET /x", "age_s": 1.0,
            }],
        });
        assert_eq!(document, expected);
    }

    #[test]
    fn states_are_single_lower_case_words() {
        let all = [
            ServerState::Starting,
            ServerState::Running,
            ServerState::Degraded,
            ServerState::Paused,
            ServerState::Stopping,
        ];
        let words: Vec<_> = all.iter().map(|state| serde_json::to_value(state).unwrap()).collect();
        assert_eq!(words, ["starting", "running", "degraded", "paused", "stopping"].map(Value::from));
        let all = [State::Booting, State::Idle, State::Busy, State::Draining];
        let words: Vec<_> = all.iter().map(|state| serde_json::to_value(state).unwrap()).collect();
        assert_eq!(words, ["booting", "idle", "busy", "draining"].map(Value::from));
    }
}
