//! The file server: list, fetch and send, whatever the length and whatever the name, and nothing outside its directory.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
    process::{Command, Output, Stdio},
};

use sha2::{Digest, Sha256};

use crate::{
    app::transfer::{Access, Files},
    lab::{
        Lab, Outcome,
        scratch::own_tmp,
        sockets::{Protocol, door_of},
    },
    server::Server,
};

/// Names and lengths that break careless servers: nothing, one byte, more than any buffer, a hole of a megabyte.
const SAMPLES: [(&str, u64); 5] = [
    ("empty", 0),
    ("one", 1),
    ("larger-than-a-buffer", 300_001),
    ("讲义 第一章.txt", 4096),
    ("sparse", 1 << 20),
];

pub fn run(lab: &mut Lab) -> Outcome {
    own_tmp(lab)?;
    let (served, ours) = (Path::new("/tmp/served"), Path::new("/tmp/ours"));
    for place in [served, ours] {
        fs::create_dir(place)?;
    }
    fs::write("/tmp/secret", "not for you")?;
    for (name, length) in SAMPLES {
        sample(&served.join(name), length)?;
    }
    let access = if lab.bug("read-only") { Access::ReadOnly } else { Access::ReadWrite };
    let s = lab.actor('S', |_| {
        Server::bind("127.0.0.1:0")
            .workers(1)
            .serve_session(|_| Files::open("/tmp/served", access))
            .map(drop)
            .map_err(io::Error::other)
    })?;
    let url = format!("tcp://127.0.0.1:{}", door_of(lab, s.who, Protocol::Tcp)?);
    lab.event("serving", &[("url", url.clone())]);

    let listing = String::from_utf8_lossy(&client(&["ls", &url])?.stdout).into_owned();
    let listed = SAMPLES.iter().filter(|(name, _)| listing.contains(name)).count();
    lab.check("list", SAMPLES.len(), listed);

    let mut same = 0;
    for (name, _) in SAMPLES {
        client(&["cp", &format!("{url}/{name}"), "/tmp/ours/"])?;
        same += usize::from(digest(&ours.join(name)).ok() == digest(&served.join(name)).ok());
    }
    lab.check("get", SAMPLES.len(), same);
    lab.event("fetched", &[]);

    let mut same = 0;
    for (name, _) in SAMPLES {
        client(&["cp", &format!("/tmp/ours/{name}"), &format!("{url}/back-{name}")])?;
        same +=
            usize::from(digest(&served.join(format!("back-{name}"))).ok() == digest(&ours.join(name)).ok());
    }
    lab.check("put", SAMPLES.len(), same);
    lab.event("sent", &[]);

    let outside = client(&["cp", &format!("{url}/../secret"), "/tmp/ours/stolen"])?;
    let stolen = Path::new("/tmp/ours/stolen").exists();
    lab.check(
        "outside",
        "exit 1, nothing came",
        format!(
            "exit {}, {}",
            outside.status.code().unwrap_or(-1),
            if stolen { "it came" } else { "nothing came" }
        ),
    );
    lab.event("refused", &[]);
    Ok(())
}

/// The client is the command that runs this experiment.
fn client(words: &[&str]) -> io::Result<Output> {
    Command::new("/proc/self/exe").args(words).stdin(Stdio::null()).output()
}

/// A file of that length: small ones with something in them, large ones all hole but for the last byte.
fn sample(path: &Path, length: u64) -> io::Result<()> {
    let file = File::create(path)?;
    file.set_len(length)?;
    if length > 0 {
        std::os::unix::fs::FileExt::write_all_at(&file, b"!", length - 1)?;
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut digest, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(digest.finalize().to_vec());
        }
        digest.update(&buffer[..count]);
    }
}
