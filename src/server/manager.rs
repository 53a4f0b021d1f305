//! What a service manager is told of this server, by the protocol of sd_notify(3): systemd, or another forkd.
//!
//! The master alone speaks, and only if `$NOTIFY_SOCKET` is there. `READY=1` comes when every worker is ready; a reload or
//! an upgrade is announced when it begins and is over when its last predecessor is gone, however it came out. A stop may
//! take as long as a drain may.

use std::{process, time::Duration};

use crate::{
    ipc::{message::Accepts, notify::tell},
    master::News,
    process::clock::Time,
};

/// Every worker is ready for the first time.
pub fn ready(workers: u32, urls: &[String]) {
    let status = format!("{workers} workers ready, {}", urls.join(" "));
    tell(&format!("READY=1\nMAINPID={}\nSTATUS={status}", process::id()));
}

/// How much longer than a drain a stop may take: to kill who does not drain, and to leave.
const FAREWELL: Duration = Duration::from_secs(5);

/// What of this is news for a manager; `drain` is how long a drain may take.
pub fn hear(news: &News, drain: Option<Duration>) {
    match news {
        News::TurnBegan { change, generation } => tell(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS={change} to generation {generation}",
            Time::now().as_micros()
        )),
        News::Turned { generation, .. } => {
            tell(&format!("READY=1\nMAINPID={}\nSTATUS=generation {generation} serves", process::id()));
        }
        News::TurnFailed { change, reason, .. } => {
            tell(&format!("READY=1\nSTATUS={change} failed: {}", reason.replace('\n', " ")));
        }
        News::Scaled { to, .. } => tell(&format!("STATUS={to} workers wanted")),
        News::Accepts { accepts: Accepts::Paused } => tell("STATUS=paused"),
        News::Accepts { accepts: Accepts::Yes } => tell("STATUS=resumed"),
        News::Stopping { .. } => {
            let limit =
                drain.map(|drain| format!("\nEXTEND_TIMEOUT_USEC={}", (drain + FAREWELL).as_micros()));
            tell(&format!("STOPPING=1\nSTATUS=draining{}", limit.unwrap_or_default()));
        }
        News::GaveUp { who, .. } => tell(&format!("STATUS=slot {} given up", who.child.slot)),
        News::Spawned { .. }
        | News::SpawnFailed { .. }
        | News::Ready { .. }
        | News::Draining { .. }
        | News::Struck { .. }
        | News::Halted { .. }
        | News::Continued { .. }
        | News::Killed { .. }
        | News::Exited { .. }
        | News::Respawn { .. }
        | News::ReloadQueued { .. }
        | News::Refused { .. }
        | News::Stopped { .. } => {}
    }
}
