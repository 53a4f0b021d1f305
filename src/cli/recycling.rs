//! The flags that say when a worker is replaced although nothing is wrong with it.

use std::{str::FromStr, time::Duration};

use clap::Args;

use crate::{
    Error, Result,
    config::{self, Spread, parse},
};

const HEADING: &str = "Replace workers, one at a time, successor first (off)";

/// See the module.
#[derive(Debug, Args)]
pub struct Recycling {
    /// Replace a worker that has answered N requests, and by chance up to J more
    #[arg(long, value_name = "N[~J]", default_value = "off", help_heading = HEADING)]
    pub max_requests: Requests,
    /// Replace a worker that has more memory in use, as in 512M
    #[arg(long, value_name = "SIZE", default_value = "off", help_heading = HEADING)]
    pub max_memory: Size,
    /// Replace a worker that is older than T, and by chance up to J more
    #[arg(long, value_name = "T[~J]", default_value = "off", help_heading = HEADING)]
    pub max_age: Age,
}

/// A share of requests as it is typed: `None` is `off`.
#[derive(Debug, Clone, Copy)]
pub struct Requests(Option<Spread<u64>>);

/// A size as it is typed.
#[derive(Debug, Clone, Copy)]
pub struct Size(Option<u64>);

/// An age as it is typed.
#[derive(Debug, Clone, Copy)]
pub struct Age(Option<Spread<Duration>>);

impl Recycling {
    /// The setting.
    pub fn setting(&self) -> config::Recycling {
        config::Recycling { requests: self.max_requests.0, memory: self.max_memory.0, age: self.max_age.0 }
    }
}

impl FromStr for Requests {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse::requests(text).map(Self)
    }
}

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse::size(text).map(Self)
    }
}

impl FromStr for Age {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse::age(text).map(Self)
    }
}
