//! Commands that end by themselves: what they print and how they end.

use std::{
    io::{Read, Write},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::wait::within;

/// No command of forkd's may take longer.
const LONGEST: Duration = Duration::from_secs(60);

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; minus the signal's number for one that a signal killed.
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Finished {
    /// The same, checked to have succeeded.
    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:#?}");
        self
    }

    /// What it printed as a JSON document, and nothing else.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }
}

/// Runs `forkd` with these arguments to its end.
#[track_caller]
pub fn forkd(args: &[&str]) -> Finished {
    run(forkd_command().args(args))
}

/// `forkd` without arguments, in an environment without surprises.
pub fn forkd_command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forkd"));
    clean(&mut command);
    command
}

/// Takes out of a command's environment what could change how forkd behaves.
pub fn clean(command: &mut Command) {
    let rooms = ["RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID"];
    let tastes = ["RUST_LOG", "NO_COLOR", "LC_ALL", "LC_MESSAGES"];
    for name in rooms.into_iter().chain(tastes) {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8");
}

/// Runs a command to its end, with nothing on its standard input.
#[track_caller]
pub fn run(command: &mut Command) -> Finished {
    run_with_input(command, b"")
}

/// Runs a command to its end, with `input` on its standard input.
#[track_caller]
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let mut pipe = child.stdin.take().expect("a pipe was asked for");
    // A command that does not read its input to the end is free to do so.
    let _ = pipe.write_all(input);
    drop(pipe);
    let status = wait(&mut child).unwrap_or_else(|| {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} did not end: {:?} {:?}", text(&out), text(&err))
    });
    Finished { code: code(status), out: text(&out), err: text(&err) }
}

/// Waits for a child, at most so long as any command may take.
pub fn wait(child: &mut Child) -> Option<ExitStatus> {
    within(LONGEST, || child.try_wait().expect("our own child can be waited for"))
}

/// The exit code, or minus the number of the signal.
pub fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().expect("exited or killed"))
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    let mut pipe = pipe.expect("a pipe was asked for");
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

/// All that came through a pipe. The command has ended, so whoever keeps the pipe open now is something that it
/// left behind: a daemon that did not let go of its caller's output.
#[track_caller]
fn text(pipe: &mpsc::Receiver<Vec<u8>>) -> String {
    let bytes = pipe.recv_timeout(Duration::from_secs(10)).expect("nobody holds the command's output open");
    String::from_utf8_lossy(&bytes).into_owned()
}
