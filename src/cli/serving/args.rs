//! What can be typed behind the commands that serve an application of ours.

use std::path::PathBuf;

use clap::Args;

use crate::{
    cli::{common::Common, site::SiteFlags},
    config::parse,
};

/// `forkd http`
#[derive(Debug, Args)]
pub struct Http {
    /// The directory to serve
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    #[command(flatten)]
    pub site: SiteFlags,
    #[command(flatten)]
    pub common: Common,
}

/// `forkd echo`
#[derive(Debug, Args)]
pub struct Echo {
    #[command(flatten)]
    pub common: Common,
}

/// A size, or `off`. Under its own name, since clap takes an `Option` for a flag that may be left out.
type MaybeSize = Option<u64>;

/// `forkd files`
#[derive(Debug, Args)]
pub struct Files {
    /// The directory to serve
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Let files be fetched, and none be sent
    #[arg(long)]
    pub read_only: bool,
    /// Take nothing that would make all files together larger than this: 500M, 20G, or off
    #[arg(long, value_name = "SIZE", default_value = "off", value_parser = parse::size)]
    pub quota: MaybeSize,
    #[command(flatten)]
    pub common: Common,
}

pub const HTTP_EXAMPLES: &str = "\
Examples:
  forkd http                              this directory on 127.0.0.1:8080
  forkd http -l :80 -w 4 /srv/www         four workers, all addresses
  forkd http -d --name web /srv/www       as a daemon: forkd status web, forkd stop web";

pub const ECHO_EXAMPLES: &str = "\
Examples:
  forkd echo                              TCP on 127.0.0.1:7007
  forkd echo -l :7007 -l udp::7007        TCP and UDP, all addresses
  forkd echo --model per-connection --reap double-fork
                                          a process for each connection; see it with pstree";

pub const FILES_EXAMPLES: &str = "\
Examples:
  forkd files /srv/files                  on 127.0.0.1:7008
  forkd files --read-only -l :7008 -d     this directory, to be fetched only, as a daemon";
