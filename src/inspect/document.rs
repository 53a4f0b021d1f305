//! The tree as the JSON that programs read.

use serde::Serialize;

use super::tree::Node;

/// One process and those below it. Every process has a document of its own: nothing is folded here.
#[derive(Debug, Serialize)]
pub struct Document {
    pid: i32,
    ppid: i32,
    comm: String,
    title: String,
    state: char,
    state_name: &'static str,
    zombie: bool,
    /// Its parent is one that adopts and the leader of its session is gone: probably.
    orphan: bool,
    /// Its first parent has ended: probably.
    adopted: bool,
    threads: u32,
    rss_bytes: u64,
    wchan: Option<String>,
    /// What it waits for in words.
    waits: Option<String>,
    age_s: f64,
    /// How a zombie ended: `exit:7`, `signal:KILL`; null where this user may not know.
    exit_status: Option<String>,
    /// About how long a zombie is dead.
    dead_s: Option<f64>,
    group: i32,
    session: i32,
    children: Vec<Document>,
}

impl Document {
    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Its name **as it is**.
    pub fn comm(&self) -> &str {
        &self.comm
    }

    /// Its command line **as it is**.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The letter of its state.
    pub fn state(&self) -> char {
        self.state
    }

    /// The word for its state.
    pub fn state_name(&self) -> &'static str {
        self.state_name
    }
}

impl From<&Node> for Document {
    fn from(node: &Node) -> Self {
        let process = &node.process;
        Self {
            pid: process.pid,
            ppid: process.ppid,
            comm: process.comm.clone(),
            title: node.details.title.clone(),
            state: process.state.letter(),
            state_name: process.state.word(),
            zombie: process.is_zombie(),
            orphan: node.adoption.is_some_and(|adoption| adoption.leader_gone),
            adopted: node.adoption.is_some(),
            threads: process.threads,
            rss_bytes: process.rss_bytes,
            wchan: node.details.wchan.clone(),
            waits: node.details.waits.clone(),
            age_s: node.age.as_secs_f64(),
            exit_status: process.exit.map(|status| status.to_string()),
            dead_s: node.dead_for.map(|time| time.as_secs_f64()),
            group: process.group,
            session: process.session,
            children: node.children.iter().map(Self::from).collect(),
        }
    }
}
