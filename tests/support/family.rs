//! Processes to look at: zombies, orphans, stopped ones and ones with hostile names, made by small shell scripts.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};

use super::{process::Process, wait::eventually};

/// A script of sh(1) with its children, all gone when it is dropped.
pub struct Family {
    pub shell: Child,
    out: BufReader<ChildStdout>,
    /// Those who are no children of the shell any more.
    pub strays: Vec<i32>,
}

impl Family {
    /// Starts the script. Whatever it starts must not hold its standard output, see [`Family::line`].
    pub fn of(script: &str) -> Self {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().expect("sh and setsid are there");
        let out = BufReader::new(shell.stdout.take().expect("a pipe was asked for"));
        Self { shell, out, strays: Vec::new() }
    }

    pub fn pid(&self) -> i32 {
        self.shell.id().cast_signed()
    }

    /// The next line that the script prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("its output can be read");
        line.trim_end().to_owned()
    }

    /// The next line as a pid.
    pub fn printed_pid(&mut self) -> i32 {
        self.line().parse().expect("a pid")
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // The shell leads its session and group, and is not reaped before the signal is sent.
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.shell.kill();
        for stray in &self.strays {
            let _ = kill(Pid::from_raw(*stray), Signal::SIGKILL);
        }
        let _ = self.shell.wait();
    }
}

/// A process that was a shell, made a child, and is sleep now; the child exited with code 7, and sleep never waits.
pub fn family_with_zombie() -> (Family, i32) {
    // The child ends after its parent became sleep: before, the shell might still wait for it.
    let mut family = Family::of(
        "sh -c 'until read comm < /proc/$PPID/comm && [ \"$comm\" = sleep ]; do :; done; exit 7' >/dev/null & \
         echo $!; exec sleep 300 >/dev/null",
    );
    let zombie = family.printed_pid();
    eventually("it is a zombie", || {
        Process::read(zombie).is_some_and(|child| child.is_zombie()).then_some(())
    });
    (family, zombie)
}
