//! A limit on what a process may use of the machine, as it is typed: `nofile=4096`, `core=0`, `as=512M`.

use std::{fmt, str::FromStr};

use nix::sys::resource::{Resource, getrlimit};

use super::PrivilegeError;

/// See the module. setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit {
    name: &'static str,
    resource: Resource,
    soft: u64,
    hard: u64,
}

/// The words of limits.conf(5) and systemd.exec(5), and what each counts.
const RESOURCES: [(&str, Resource, Unit); 10] = [
    ("nofile", Resource::RLIMIT_NOFILE, Unit::Count),
    ("nproc", Resource::RLIMIT_NPROC, Unit::Count),
    ("core", Resource::RLIMIT_CORE, Unit::Bytes),
    ("fsize", Resource::RLIMIT_FSIZE, Unit::Bytes),
    ("as", Resource::RLIMIT_AS, Unit::Bytes),
    ("data", Resource::RLIMIT_DATA, Unit::Bytes),
    ("stack", Resource::RLIMIT_STACK, Unit::Bytes),
    ("memlock", Resource::RLIMIT_MEMLOCK, Unit::Bytes),
    ("cpu", Resource::RLIMIT_CPU, Unit::Count),
    ("nice", Resource::RLIMIT_NICE, Unit::Count),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Bytes,
}

impl ResourceLimit {
    /// As setrlimit(2) takes it.
    pub fn raw(self) -> (libc::c_int, libc::rlimit) {
        let resource = self.resource as libc::c_uint;
        (resource.cast_signed(), libc::rlimit { rlim_cur: self.soft, rlim_max: self.hard })
    }

    /// Whether it is the limit on descriptors.
    pub fn is_on_descriptors(self) -> bool {
        self.resource == Resource::RLIMIT_NOFILE
    }

    /// Whether it can be set at all by a child of this process, which may be root or not by then.
    ///
    /// # Errors
    /// When it is above the hard limit, and that takes root.
    pub(super) fn check(self, is_root: bool) -> Result<(), PrivilegeError> {
        let (_, hard) = getrlimit(self.resource).unwrap_or((u64::MAX, u64::MAX));
        if self.hard <= hard || is_root {
            return Ok(());
        }
        let text = format!("cannot set the limit {self}: the hard limit is {hard}");
        Err(PrivilegeError::new(text, "only root can raise it"))
    }
}

impl FromStr for ResourceLimit {
    type Err = PrivilegeError;

    fn from_str(text: &str) -> Result<Self, PrivilegeError> {
        let refused = |why: &str| {
            let names: Vec<_> = RESOURCES.iter().map(|(name, ..)| *name).collect();
            let remedy = format!("write NAME=NUMBER or NAME=SOFT:HARD with one of {}", names.join(", "));
            PrivilegeError::new(format!("cannot set a limit {text:?}: {why}"), remedy)
        };
        let (name, value) = text.split_once('=').ok_or_else(|| refused("it has no value"))?;
        let (name, resource, unit) = *RESOURCES
            .iter()
            .find(|(other, ..)| name.eq_ignore_ascii_case(other))
            .ok_or_else(|| refused("nothing is called so"))?;
        let (soft, hard) = value.split_once(':').unwrap_or((value, value));
        let number = |word| amount(word, unit).ok_or_else(|| refused("it is no number"));
        let limit = Self { name, resource, soft: number(soft)?, hard: number(hard)? };
        if limit.soft > limit.hard { Err(refused("the soft limit is above the hard one")) } else { Ok(limit) }
    }
}

/// A number, with a unit behind it where bytes are counted.
fn amount(word: &str, unit: Unit) -> Option<u64> {
    if ["unlimited", "infinity"].contains(&word) {
        return Some(libc::RLIM_INFINITY);
    }
    let (digits, shift) = match (word.trim_end_matches(['K', 'M', 'G', 'T', 'k', 'm', 'g', 't']), unit) {
        (digits, Unit::Bytes) if digits.len() + 1 == word.len() => {
            let unit = word.as_bytes()[digits.len()].to_ascii_uppercase();
            (digits, 10 * (1 + b"KMGT".iter().position(|other| *other == unit)?))
        }
        (_, Unit::Bytes | Unit::Count) => (word, 0),
    };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

impl fmt::Display for ResourceLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |number: u64| match number {
            libc::RLIM_INFINITY => "unlimited".to_owned(),
            number => number.to_string(),
        };
        write!(f, "{}={}", self.name, word(self.soft))?;
        if self.hard == self.soft { Ok(()) } else { write!(f, ":{}", word(self.hard)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_read_as_people_write_it() {
        for (text, shown) in [
            ("nofile=4096", "nofile=4096"),
            ("NOFILE=1024:4096", "nofile=1024:4096"),
            ("core=0", "core=0"),
            ("as=512M", "as=536870912"),
            ("data=1G:unlimited", "data=1073741824:unlimited"),
            ("nproc=infinity", "nproc=unlimited"),
        ] {
            assert_eq!(text.parse::<ResourceLimit>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for text in
            ["", "nofile", "nofile=", "nofile=x", "nofile=1K", "files=1", "nofile=2:1", "as=1KM", "as=+1"]
        {
            let error = text.parse::<ResourceLimit>().expect_err(text).to_string();
            assert!(error.starts_with("cannot set a limit"), "{error}");
        }
    }
}
