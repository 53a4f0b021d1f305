//! How a server is to be started.

use std::{
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tempfile::TempDir;

use super::{
    instance::Instance,
    log::Log,
    run::{Finished, clean, code, run},
    wait::eventually,
};

/// What every server of files has to offer, unless a story adds to it.
pub const HELLO: &[u8] = b"Hello from a file.\n";

/// A server to be started, as often as a story likes, in a folder of its own.
///
/// The folder has `www` (the files to serve) and `run` (the runtime directory); it goes when the last copy goes.
#[derive(Clone)]
pub struct Launch {
    command: String,
    arguments: Vec<String>,
    /// What stands behind `--`.
    program: Vec<String>,
    listen: Vec<String>,
    wrapper: Vec<String>,
    environment: Vec<(String, String)>,
    working_directory: PathBuf,
    daemon: bool,
    named: bool,
    name: String,
    folder: Arc<TempDir>,
}

/// A folder with files to serve.
pub struct Root(PathBuf);

impl Root {
    /// Writes a file.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::write(self.0.join(name), content).expect("the test's own folder can be written");
        self
    }

    /// Makes a file of `size` bytes that cost no disk.
    pub fn sparse(&self, name: &str, size: u64) -> &Self {
        let file = fs::File::create(self.0.join(name)).expect("the test's own folder can be written");
        file.set_len(size).expect("a file can be long");
        self
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Launch {
    /// `forkd http` over a folder with `hello.txt` in it.
    pub fn http() -> Self {
        let mut launch = Self::new("http");
        let root = launch.root();
        fs::create_dir(root.path()).expect("a new folder is writable");
        root.file("hello.txt", HELLO);
        launch.arguments.push(root.path().to_string_lossy().into_owned());
        launch
    }

    /// `forkd files` over a folder with nothing in it.
    pub fn files() -> Self {
        let mut launch = Self::new("files");
        let root = launch.root();
        fs::create_dir(root.path()).expect("a new folder is writable");
        launch.arguments.push(root.path().to_string_lossy().into_owned());
        launch
    }

    /// `forkd echo`.
    pub fn echo() -> Self {
        Self::new("echo")
    }

    /// `forkd run`, with this program and its arguments.
    pub fn run(program: &[&str]) -> Self {
        let mut launch = Self::new("run");
        launch.program = program.iter().map(|word| (*word).to_owned()).collect();
        launch
    }

    /// `forkd chat`, in English.
    pub fn chat() -> Self {
        Self::new("chat").args(["--lang", "en"])
    }

    fn new(command: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder =
            tempfile::Builder::new().prefix("forkd-").tempdir().expect("a temporary folder can be made");
        Self {
            command: command.to_owned(),
            arguments: Vec::new(),
            program: Vec::new(),
            listen: vec!["127.0.0.1:0".to_owned()],
            wrapper: Vec::new(),
            environment: Vec::new(),
            working_directory: folder.path().to_owned(),
            daemon: false,
            named: true,
            name: format!("t{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)),
            folder: Arc::new(folder),
        }
    }

    /// More arguments.
    pub fn args<'a>(mut self, arguments: impl IntoIterator<Item = &'a str>) -> Self {
        self.arguments.extend(arguments.into_iter().map(str::to_owned));
        self
    }

    /// How many workers.
    pub fn workers(self, count: u32) -> Self {
        self.args(["-w", &count.to_string()])
    }

    /// These addresses in place of a port of the kernel's choice.
    pub fn listen<'a>(mut self, addresses: impl IntoIterator<Item = &'a str>) -> Self {
        self.listen = addresses.into_iter().map(str::to_owned).collect();
        self
    }

    /// Without `--name`: forkd finds one.
    pub fn unnamed(mut self) -> Self {
        self.named = false;
        self
    }

    /// Detached.
    pub fn daemon(mut self) -> Self {
        self.daemon = true;
        self
    }

    /// By a shell that runs `script` first.
    pub fn after(self, script: &str) -> Self {
        self.under(&["sh", "-c", &format!("{script}; exec \"$@\""), "sh"])
    }

    /// As the last words of another command.
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        self.wrapper = wrapper.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From this directory.
    pub fn from(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.working_directory);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that everything of it is in.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The runtime directory.
    pub fn runtime(&self) -> PathBuf {
        self.folder().join("run")
    }

    /// A file of the runtime directory: `NAME.pid`, `NAME.sock`, `NAME.log`.
    pub fn file(&self, extension: &str) -> PathBuf {
        self.runtime().join(format!("{}.{extension}", self.name))
    }

    /// The files that it serves.
    pub fn root(&self) -> Root {
        Root(self.folder().join("www"))
    }

    /// Starts it and waits until it says ready.
    #[track_caller]
    pub fn start(&self) -> Instance {
        self.attempt().unwrap_or_else(|end| panic!("it did not start: {end:#?}"))
    }

    /// Starts it; either it says ready, or it ends.
    ///
    /// # Errors
    /// How it ended.
    #[track_caller]
    pub fn attempt(&self) -> Result<Instance, Finished> {
        if self.daemon { self.attempt_detached() } else { self.spawn().ready() }
    }

    /// Starts it in the foreground and does not wait for anything.
    pub fn spawn(&self) -> Instance {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        // Both ends of a pipe have one name: that of our end tells the children that hold the other.
        let pipe = fs::read_link(format!("/proc/self/fd/{}", err.as_raw_fd())).expect("our own descriptor");
        let pipe = pipe.to_string_lossy().into_owned();
        Instance::in_foreground(self.clone(), child, Log::of_pipe(out), Log::of_pipe(err), pipe)
    }

    /// The command that starts it, as a user would type it.
    pub fn command(&self) -> Command {
        let mut words = self.wrapper.clone();
        words.extend([env!("CARGO_BIN_EXE_forkd").to_owned(), self.command.clone()]);
        words.extend(self.listen.iter().flat_map(|address| ["-l".to_owned(), address.clone()]));
        words.extend(["--runtime-dir".to_owned(), self.runtime().to_string_lossy().into_owned()]);
        if self.named {
            words.extend(["--name".to_owned(), self.name.clone()]);
        }
        words.extend(self.daemon.then(|| "-d".to_owned()));
        words.extend(self.arguments.iter().cloned());
        if !self.program.is_empty() {
            words.push("--".to_owned());
            words.extend(self.program.iter().cloned());
        }
        let mut command = Command::new(&words[0]);
        clean(&mut command);
        command.args(&words[1..]).current_dir(&self.working_directory).envs(self.environment.iter().cloned());
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
    }

    #[track_caller]
    fn attempt_detached(&self) -> Result<Instance, Finished> {
        let end = run(&mut self.command());
        if end.code != 0 {
            return Err(end);
        }
        assert_eq!(
            end.out.lines().count(),
            1,
            "a daemon's command prints the ready line and nothing else: {end:#?}"
        );
        Ok(Instance::detached(self.clone(), end.out.trim_end()))
    }
}

impl Instance {
    /// Waits for the ready line, or the end.
    fn ready(mut self) -> Result<Self, Finished> {
        let ended = eventually("ready, or over", || {
            let ended = self.try_exit();
            if self.learn_ready_line() { Some(None) } else { ended.map(Some) }
        });
        let Some(status) = ended else { return Ok(self) };
        self.failed_to_start();
        self.log.wait_end();
        self.out.wait_end();
        let text = |log: &Log| log.lines().iter().map(|line| format!("{line}\n")).collect();
        Err(Finished { code: code(status), out: text(&self.out), err: text(&self.log) })
    }
}

/// The command-line words that take a command's privileges: root may read and bind everything, so a refusal can
/// only be seen without its capabilities. Empty for a user who has none.
pub fn as_nobody() -> Vec<&'static str> {
    if nix::unistd::geteuid().is_root() { NOBODY.into() } else { Vec::new() }
}

/// The words that take root's privileges.
const NOBODY: &[&str] = &["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
