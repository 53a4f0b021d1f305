//! A server in the middle of a reload, for the tests of the view.

use crate::ipc::{
    control::status::{Counters, Exit, Listener, Master, ServerState, StatusDocument, Worker},
    reading::State,
};

/// Two slots: the first has its successor already, the second not yet.
pub fn status() -> StatusDocument {
    StatusDocument {
        name: "web".into(),
        version: "0.1.0".into(),
        state: ServerState::Running,
        model: "event".into(),
        uptime_s: 3725.0,
        generation: 2,
        master: Master { pid: 100, exe: None, user: None },
        listeners: vec![Listener {
            address: "127.0.0.1:8080".into(),
            protocol: "http".into(),
            queue: Some(90),
            backlog: Some(100),
        }],
        workers: vec![
            worker(1, 101, 1, State::Draining),
            worker(1, 201, 2, State::Idle),
            worker(2, 102, 1, State::Busy),
        ],
        counters: Counters::default(),
        range: None,
        last_exits: vec![Exit {
            slot: 2,
            generation: 1,
            pid: 99,
            reason: "killed by signal 9 (KILL)".into(),
            during: Some("GET /slow".into()),
            age_s: 12.0,
        }],
    }
}

fn worker(slot: u32, pid: i32, generation: u32, state: State) -> Worker {
    Worker {
        slot,
        pid,
        generation,
        state,
        age_s: 60.0,
        accepted: 7,
        share: Some(0.5),
        active: u64::from(state == State::Busy),
        requests: 1000,
        bytes_in: 100,
        bytes_out: 5000,
        rss_bytes: Some(4 << 20),
        pss_bytes: None,
        cpu_s: Some(1.5),
        current: (state == State::Busy).then(|| "GET /a".into()),
        current_s: (state == State::Busy).then_some(0.25),
    }
}
