//! What can be typed behind `forkd start`.

use std::path::PathBuf;

use clap::Args;

/// `forkd start`
#[derive(Debug, Args)]
pub struct Start {
    /// The TOML file: [server.NAME] begins a server, its keys are `command` and the flags of that command; what
    /// stands above holds for all
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Leave the terminal; return when all servers are ready, or with the reason why not
    #[arg(short, long)]
    pub daemon: bool,
    /// Where the control sockets stand [default: as the serving commands]
    #[arg(long, value_name = "DIR")]
    pub runtime_dir: Option<PathBuf>,
    /// Read and check everything, start nothing
    #[arg(long)]
    pub check: bool,
}

pub const EXAMPLES: &str = "\
A file of two servers:
  drain-timeout = \"10s\"                   # for both

  [server.web]
  command = \"http\"
  dir = \"/srv/www\"
  listen = [\":80\", \"unix:/run/web.sock\"]
  workers = 4

  [server.echo]
  command = \"echo\"

Examples:
  forkd start servers.toml                in the foreground; Ctrl-C stops all
  forkd start servers.toml -d             as daemons: forkd list, forkd reload web
  forkd start servers.toml --check        exit 0, or 2 with file, line and key
  forkd config print servers.toml         what each is told, and by what";
