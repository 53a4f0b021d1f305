//! The name by which a server is found: a file name, short enough for its control socket.

use std::path::{Path, PathBuf};

use crate::{
    error::{Error, Result},
    listener::Address,
};

/// The longest path of a Unix-domain socket in bytes: `sun_path` has 108 with its NUL, see unix(7).
pub const LONGEST_SOCKET_PATH: usize = 107;

/// The control socket of the server with this name.
///
/// ```
/// let path = forkd::config::name::control_socket("/run/forkd".as_ref(), "http-8080");
/// assert_eq!(path.to_str(), Some("/run/forkd/http-8080.sock"));
/// ```
pub fn control_socket(runtime_dir: &Path, name: &str) -> PathBuf {
    runtime_dir.join(format!("{name}.sock"))
}

/// The pid file of the server with this name, unless it is told another.
pub fn pid_file(runtime_dir: &Path, name: &str) -> PathBuf {
    runtime_dir.join(format!("{name}.pid"))
}

/// The log of the daemon with this name, unless it is told another.
pub fn log_file(runtime_dir: &Path, name: &str) -> PathBuf {
    runtime_dir.join(format!("{name}.log"))
}

/// The name of a server that nobody named: `http-8080`, or `http-web` for `unix:/run/web.sock`. `port` is what the
/// kernel picked where the address says 0.
pub fn default(command: &str, address: &Address, port: Option<u16>) -> String {
    let place = match address {
        Address::Tcp(address) | Address::Udp(address) => named_port(address.port(), port),
        Address::AnyTcp(asked) | Address::AnyUdp(asked) => named_port(*asked, port),
        Address::Unix(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        Address::Abstract(name) | Address::Systemd(name) => name.clone(),
        Address::Fd(number) => format!("fd{number}"),
    };
    let place: String = place.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    format!("{command}-{place}")
}

/// The port in a name: the one that was asked for, unless that left the choice to the kernel.
fn named_port(asked: u16, picked: Option<u16>) -> String {
    picked.filter(|_| asked == 0).unwrap_or(asked).to_string()
}

/// Says whether a server can have this name, and its control socket the path that follows from it.
///
/// # Errors
/// A usage error for a name that is no plain file name, that looks like a pid, a port or a flag, or that makes the
/// path of the control socket too long for the kernel.
pub fn check(name: &str, runtime_dir: Option<&Path>) -> Result<()> {
    if let Some(why) = fault(name) {
        let text = format!("cannot name a server {name:?}: {why}");
        return Err(Error::usage(text).remedy("write letters, digits and dashes, as in --name web"));
    }
    let length = runtime_dir.map_or(0, |dir| control_socket(dir, name).as_os_str().len());
    if length > LONGEST_SOCKET_PATH {
        let text = format!(
            "cannot name a server {name:?}: the path of its control socket has {length} bytes, \
             the kernel takes {LONGEST_SOCKET_PATH}"
        );
        return Err(Error::usage(text).remedy("shorten --name or --runtime-dir"));
    }
    Ok(())
}

/// What is wrong with a name.
fn fault(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.contains('/') {
        return Some("a slash would lead into another directory");
    }
    if !name.chars().all(allowed) {
        return Some("it has blanks or control characters");
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("a number means a process");
    }
    match name.as_bytes()[0] {
        b'.' => Some("a leading dot hides its files"),
        b':' => Some("a leading colon means a port"),
        b'-' | b'+' => Some("it looks like a flag"),
        _ => None,
    }
}

/// Whether a character may stand in a name: it is a file name, a word of the command line and part of a title.
fn allowed(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && c != '/'
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_nobody_gave() {
        let table = [
            ("127.0.0.1:8080", None, "http-8080"),
            ("[::1]:8081", Some(9), "http-8081"),
            (":80", None, "http-80"),
            ("127.0.0.1:0", Some(41234), "http-41234"),
            ("udp:127.0.0.1:9", None, "http-9"),
            ("unix:/run/web site.sock", None, "http-web-site"),
            ("unix:@a/b", None, "http-a-b"),
            ("fd:3", None, "http-fd3"),
        ];
        for (address, port, name) in table {
            assert_eq!(default("http", &address.parse().expect(address), port), name, "{address}");
        }
    }

    #[test]
    fn names_that_would_be_something_else() {
        for name in ["", "a/b", "..", ".hidden", ":80", "1234", "-1", "+1", "a b", "a\nb"] {
            assert_eq!(check(name, None).expect_err(name).exit_code(), 2);
        }
        for name in ["http-8080", "web", "站点", "a.b_c"] {
            check(name, None).expect(name);
        }
    }

    #[test]
    fn a_control_socket_fits_the_kernel_or_is_refused() {
        let dir =
            PathBuf::from(format!("/{}", "d".repeat(LONGEST_SOCKET_PATH - "/".len() - "/web.sock".len())));
        check("web", Some(&dir)).expect("just fits");
        let error = check("webb", Some(&dir)).expect_err("one byte too long").to_string();
        assert!(error.ends_with("(shorten --name or --runtime-dir)"), "{error}");
    }

    proptest! {
        #[test]
        fn the_default_name_is_always_allowed(name in "[^\0]{1,40}") {
            let address = Address::Abstract(name);
            prop_assert!(check(&default("http", &address, None), None).is_ok());
        }
    }
}
