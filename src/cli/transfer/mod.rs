//! The client of the file server: `forkd ls` and `forkd cp`.

pub mod args;
mod copy;
mod failed;
mod plan;
mod progress;
pub mod url;

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use serde::Serialize;

use self::{
    copy::Copier,
    failed::failed,
    plan::plan,
    url::{End, Url},
};
use super::{out, words};
use crate::{
    Result,
    app::transfer::client::{Client, Failure},
    process::signal,
    protocol::transfer::{Entry, Kind},
};

/// `forkd ls`: what is in these directories, or what these files are.
pub fn list(urls: &[Url], json: bool) -> Result<ExitCode> {
    let mut all = Vec::new();
    for url in urls {
        let entries = entries(url).map_err(|failure| failed(&format!("list {url}"), &failure))?;
        let lines: Vec<_> = entries.iter().map(Line::new).collect();
        if json {
            all.extend(lines);
            continue;
        }
        if urls.len() > 1 {
            out::line(&format!("{}:", words::printable(&url.to_string())))?;
        }
        lines.iter().try_for_each(|line| out::line(&line.text()))?;
    }
    if json {
        out::document(&all)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `forkd cp`: what can be copied is, and what cannot is named.
pub fn copy(ends: &[End], recursive: bool) -> Result<ExitCode> {
    // A file that may not be so long is an error like others, and no reason to die. setrlimit(2)
    let _ = signal::ignore(libc::SIGXFSZ);
    let mut copier = Copier::new();
    let jobs = plan(&mut copier, ends, recursive)?;
    Ok(if copier.copy_all(&jobs)? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn entries(url: &Url) -> std::result::Result<Vec<Entry>, Failure> {
    let mut client = Client::connect(&*url.server)?;
    let entry = client.look(&url.path)?;
    if entry.kind == Kind::Directory { client.list(&url.path) } else { Ok(vec![entry]) }
}

/// One entry as it is printed.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    kind: &'static str,
    size: u64,
    modified: String,
}

impl Line {
    fn new(entry: &Entry) -> Self {
        let (seconds, _) = entry.modified;
        // Before 1970 is as good as then.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        Self {
            name: String::from_utf8_lossy(&entry.name).into_owned(),
            kind: match entry.kind {
                Kind::File => "file",
                Kind::Program => "program",
                Kind::Directory => "directory",
            },
            size: if entry.kind == Kind::Directory { 0 } else { entry.size },
            modified: humantime::format_rfc3339_seconds(time).to_string(),
        }
    }

    fn text(&self) -> String {
        let (size, mark) = match self.kind {
            "directory" => ("-".to_owned(), "/"),
            _ => (self.size.to_string(), ""),
        };
        format!("{size:>14}  {}  {}{mark}", self.modified, words::printable(&self.name))
    }
}
