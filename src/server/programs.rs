//! Serving by any program: the master is the same, the workers are somebody else's.

use super::{Blueprint, Outcome, Server};
use crate::{error::Result, process::program::Program};

impl Server<'_> {
    /// Fills the slots with processes of this program. They get the listening sockets from descriptor 3 on
    /// (`LISTEN_FDS`, `LISTEN_PID`, `LISTEN_FDNAMES`; sd_listen_fds(3)) and accept by themselves; their output goes into
    /// the log line by line. A reload starts the program anew.
    ///
    /// ```no_run
    /// # fn start() -> forkd::Result<forkd::Outcome> {
    /// forkd::Server::bind("127.0.0.1:9000").program(forkd::Program::new("./server").arg("--fast"))
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`Server`]; also when the program is not found or cannot be executed.
    pub fn program(self, program: Program) -> Result<Outcome> {
        self.run(|settings| Ok(Blueprint::of_program(settings, program)))
    }
}
