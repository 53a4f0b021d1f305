//! What each serving command makes of what it was told: settings, and what its workers are to do.
//!
//! It is made at the start and again at each reload, and says then what cannot be meant, before anything is bound.

pub mod args;

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

use super::{
    common::Common,
    paths::absolute,
    services::{ECHO, FILES, HTTP},
    words,
};
use crate::{
    Error, Result, Worker,
    app::{
        echo::{DatagramEcho, Echo},
        http::AccessLog,
        site::Site,
        transfer::{Access, Files},
    },
    config::{Model, Settings},
    listener::addr::Address,
    process::sandbox::Sandbox,
    server::Blueprint,
    session::Datagrams,
};

/// A serving command: its flags, and what it makes of them.
pub trait Serving {
    /// The flags that it has in common with the others.
    fn common(&self) -> &Common;

    /// Its settings, and what its workers are to do.
    ///
    /// # Errors
    /// For what cannot be meant; everything that can be known before a socket is bound is found here.
    fn blueprint(&self) -> Result<Blueprint<'static>>;
}

impl Serving for args::Http {
    fn common(&self) -> &Common {
        &self.common
    }

    fn blueprint(&self) -> Result<Blueprint<'static>> {
        let root = directory(&self.dir)?;
        let (options, access, metrics) = (self.site.options()?, self.common.access()?, self.site.metrics()?);
        let mut settings = self.common.settings(HTTP.word)?;
        serve(&mut settings, &root, if self.site.upload { Sandbox::write } else { Sandbox::read });
        settings.logs.extend(access.as_ref().and_then(AccessLog::path).map(Path::to_owned));
        streams_only("HTTP/1.1", &settings)?;
        let make = move |worker: &Worker| {
            let site = Site::with(&root, options.clone())?;
            let app = match &metrics {
                Some(metrics) => site.metrics(metrics(worker)).into_application(),
                None => site.into_application(),
            };
            match &access {
                Some(access) => app.access_log(access),
                None => Ok(app),
            }
        };
        Ok(Blueprint::of_sessions(settings, HTTP.scheme, make, None))
    }
}

impl Serving for args::Echo {
    fn common(&self) -> &Common {
        &self.common
    }

    fn blueprint(&self) -> Result<Blueprint<'static>> {
        let settings = self.common.settings(ECHO.word)?;
        let datagrams = |worker: &Worker| -> io::Result<Box<dyn Datagrams>> {
            // A datagram from a door of ours would be echoed to and fro for ever.
            let ports = worker.listeners().iter().filter_map(|listener| listener.local().port());
            Ok(Box::new(DatagramEcho::on_ports(ports)))
        };
        let warn = self.common.warn_of_access(ECHO.word);
        let make = move |worker: &Worker| {
            warn(worker);
            Ok(Echo)
        };
        Ok(Blueprint::of_sessions(settings, ECHO.scheme, make, Some(Box::new(datagrams))))
    }
}

impl Serving for args::Files {
    fn common(&self) -> &Common {
        &self.common
    }

    fn blueprint(&self) -> Result<Blueprint<'static>> {
        let root = directory(&self.dir)?;
        let mut settings = self.common.settings(FILES.word)?;
        serve(&mut settings, &root, if self.read_only { Sandbox::read } else { Sandbox::write });
        if settings.model != Model::Event {
            return Err(Error::usage(format!("cannot serve files by the {} model", settings.model))
                .remedy("leave --model out: files are served by the event model"));
        }
        streams_only("files", &settings)?;
        let access = if self.read_only { Access::ReadOnly } else { Access::ReadWrite };
        let (quota, warn) = (self.quota, self.common.warn_of_access(FILES.word));
        let make = move |worker: &Worker| {
            warn(worker);
            Ok(Files::open(&root, access)?.quota(quota))
        };
        Ok(Blueprint::of_sessions(settings, FILES.scheme, make, None))
    }
}

/// Lets workers have this directory, whatever else they give up.
fn serve(settings: &mut Settings, root: &Path, how: fn(Sandbox, PathBuf) -> Sandbox) {
    let privileges = &mut settings.privileges;
    privileges.serves.push(root.to_owned());
    privileges.sandbox = privileges.sandbox.take().map(|sandbox| how(sandbox, root.to_owned()));
}

/// What is spoken on streams alone: better said here than by each worker as it dies.
pub fn streams_only(what: &str, settings: &Settings) -> Result<()> {
    let is_datagram = |address: &&Address| matches!(address, Address::Udp(_) | Address::AnyUdp(_));
    match settings.listen.iter().find(is_datagram) {
        Some(address) => Err(Error::usage(format!("cannot serve {what} on {address}: it takes datagrams"))
            .remedy("take a TCP or a Unix address; forkd echo serves UDP")),
        None => Ok(()),
    }
}

/// The directory to serve, as an absolute path.
///
/// # Errors
/// A usage error for one that is missing, no directory or not readable.
fn directory(dir: &Path) -> Result<PathBuf> {
    let refused = |cause: std::io::Error| {
        Error::system(format!("serve {}", words::printable(&dir.to_string_lossy())), cause)
            .remedy("name a directory that you can read")
            .as_usage()
    };
    let path = absolute(dir)?;
    if !path.metadata().map_err(refused)?.is_dir() {
        return Err(refused(nix::errno::Errno::ENOTDIR.into()));
    }
    access(&path, AccessFlags::R_OK | AccessFlags::X_OK).map_err(|cause| refused(cause.into()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_served_is_the_users_to_mend() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("written");
        for path in [file, dir.path().join("nowhere")] {
            let error = directory(&path).expect_err("refused");
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().ends_with("(name a directory that you can read)"), "{error}");
        }
        assert_eq!(directory(dir.path()).expect("a directory"), dir.path());
    }
}
