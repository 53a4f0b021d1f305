//! Why an experiment could not go on. A check that fails is no trouble: it is a result.

use std::{fmt, io};

/// How an experiment ends, its checks apart.
pub type Outcome<T = ()> = Result<T, Trouble>;

/// What stopped it.
#[derive(Debug)]
pub enum Trouble {
    /// This machine cannot show it, for this reason.
    Skip(String),
    /// The kernel refused something that the experiment needs.
    Refused(io::Error),
    /// What the experiment waited for did not come.
    Never(String),
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        Self::Refused(cause)
    }
}

impl From<nix::errno::Errno> for Trouble {
    fn from(cause: nix::errno::Errno) -> Self {
        Self::Refused(cause.into())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(why) => f.write_str(why),
            Self::Refused(cause) => write!(f, "refused by the kernel: {cause}"),
            Self::Never(what) => write!(f, "never came: {what}"),
        }
    }
}
