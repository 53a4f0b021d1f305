//! One running server, and the clean end that every story ends with.

use std::{
    cell::{Cell, RefCell},
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, ExitStatus},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{
    client::{Answer, Client, fetch},
    launch::Launch,
    log::Log,
    process::{Process, drawn, send},
    run::{Finished, code, forkd_command, run},
    wait::{DEADLINE, eventually, within},
};
use nix::sys::signal::Signal;

/// A running server. Dropping it stops it, and fails the test if anything is left of it or if it complained of
/// something that the story did not [`allow`](Instance::allow).
pub struct Instance {
    pub launch: Launch,
    /// What it logs.
    pub log: Log,
    /// What it prints.
    pub out: Log,
    /// The master's pid.
    pub master: i32,
    /// The ready line.
    pub ready_line: String,
    child: RefCell<Option<Child>>,
    pipe: Option<String>,
    allowed: RefCell<Vec<String>>,
    over: Cell<bool>,
    failed: Cell<bool>,
}

impl Instance {
    pub(super) fn in_foreground(launch: Launch, child: Child, out: Log, log: Log, pipe: String) -> Self {
        // What wraps forkd ends in an exec of it, so the child is the master.
        let master = child.id().cast_signed();
        let child = RefCell::new(Some(child));
        let (pipe, ready_line) = (Some(pipe), String::new());
        Self {
            launch,
            log,
            out,
            master,
            ready_line,
            child,
            pipe,
            allowed: RefCell::default(),
            over: Cell::new(false),
            failed: Cell::new(false),
        }
    }

    pub(super) fn detached(launch: Launch, ready_line: &str) -> Self {
        let log = Log::File(launch.file("log"));
        let mut instance = Self {
            log: log.clone(),
            out: log,
            launch,
            master: 0,
            ready_line: ready_line.to_owned(),
            child: RefCell::new(None),
            pipe: None,
            allowed: RefCell::default(),
            over: Cell::new(false),
            failed: Cell::new(false),
        };
        instance.master = instance.pid_in_ready_line();
        instance
    }

    /// Whether the ready line has come; it is then known.
    pub(super) fn learn_ready_line(&mut self) -> bool {
        let Some(line) = self.out.lines().first().cloned() else { return false };
        self.ready_line = line.0;
        assert_eq!(
            self.pid_in_ready_line(),
            self.master,
            "the ready line names the master: {}",
            self.ready_line
        );
        true
    }

    fn pid_in_ready_line(&self) -> i32 {
        let pid = self.ready_line.split("master ").nth(1).and_then(|rest| rest.split(',').next());
        pid.and_then(|pid| pid.parse().ok()).unwrap_or_else(|| panic!("no ready line: {}", self.ready_line))
    }

    /// The addresses of the ready line, in order.
    pub fn urls(&self) -> Vec<String> {
        let words = self.ready_line.split_whitespace().map(|word| word.trim_end_matches(','));
        words.filter(|word| word.contains("://") || word.starts_with("unix:")).map(str::to_owned).collect()
    }

    /// The first TCP address.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address_of(&["http://", "tcp://"])
    }

    /// The first UDP address.
    #[track_caller]
    pub fn udp(&self) -> SocketAddr {
        self.address_of(&["udp://"])
    }

    #[track_caller]
    fn address_of(&self, schemes: &[&str]) -> SocketAddr {
        let urls = self.urls();
        let mut found =
            urls.iter().filter_map(|url| schemes.iter().find_map(|scheme| url.strip_prefix(scheme)));
        let text = found.next().unwrap_or_else(|| panic!("no {schemes:?} in {}", self.ready_line));
        text.trim_end_matches('/').parse().expect("a URL with an address")
    }

    /// A new connection.
    #[track_caller]
    pub fn client(&self) -> Client {
        Client::connect(self.address()).expect("a running server can be connected to")
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        fetch(self.address(), path).expect("a running server answers")
    }

    /// It ended before it was ready: that is the story, and whatever it logged about it is part of it.
    pub(super) fn failed_to_start(&self) {
        self.over.set(true);
        self.failed.set(true);
        self.allow("");
    }

    /// Sends a signal to the master.
    pub fn signal(&self, signal: Signal) {
        send(self.master, signal);
    }

    /// Runs `forkd VERB NAME ARGUMENTS…` for this server.
    #[track_caller]
    pub fn operate(&self, verb: &str, arguments: &[&str]) -> Finished {
        let mut command = forkd_command();
        command.arg(verb).arg(self.launch.name()).arg("--runtime-dir").arg(self.launch.runtime());
        run(command.args(arguments))
    }

    /// The status document.
    #[track_caller]
    pub fn status(&self) -> Value {
        let end = self.operate("status", &["--json"]);
        assert!([0, 4].contains(&end.code), "{end:#?}");
        end.json()
    }

    /// The pids of the workers that serve, in the order of their slots.
    #[track_caller]
    pub fn workers(&self) -> Vec<i32> {
        let status = self.status();
        let rows = status["workers"].as_array().expect("a list of workers");
        let serving = rows.iter().filter(|row| row["state"] == "idle" || row["state"] == "busy");
        let pid = |row: &Value| row["pid"].as_i64().and_then(|pid| pid.try_into().ok());
        serving.map(|row| pid(row).expect("a pid")).collect()
    }

    /// Waits until the workers that serve are so many, and there are no others; gives their pids.
    #[track_caller]
    pub fn wait_workers(&self, count: usize) -> Vec<i32> {
        eventually(&format!("{count} workers and no others"), || {
            let workers = self.workers();
            (workers.len() == count && self.children().len() == count).then_some(workers)
        })
    }

    /// The master's children as /proc shows them.
    pub fn children(&self) -> Vec<Process> {
        Process::children(self.master)
    }

    /// How many descriptors the master has while nobody talks to it: a caller has its answer a moment before the master
    /// lets go of its connection.
    pub fn descriptors_at_rest(&self) -> usize {
        let socket = self.launch.file("sock").to_string_lossy().into_owned();
        eventually("nobody talks to the master", || {
            let sockets = fs::read_to_string("/proc/net/unix").expect("the kernel's table");
            // What it accepts has the path of the socket that it listens on.
            (sockets.lines().filter(|line| line.ends_with(&socket)).count() == 1).then_some(())
        });
        Process::read(self.master).expect("the master").descriptors().len()
    }

    /// Checks that no zombie stays. One may be seen in the moment between its death and the wait for it.
    #[track_caller]
    pub fn check_no_zombie(&self) {
        eventually("no zombie is left", || self.zombies().is_empty().then_some(()));
    }

    /// The zombies below the master.
    fn zombies(&self) -> Vec<Process> {
        let below = |process: &Process| {
            process.ppid == self.master || Process::read(process.ppid).is_some_and(|p| p.ppid == self.master)
        };
        Process::all().into_iter().filter(|process| process.is_zombie() && below(process)).collect()
    }

    /// Every process that is of this server, whoever its parent is now.
    pub fn all_processes(&self) -> Vec<Process> {
        let pipe = self.pipe.as_deref();
        let ours = |process: &Process| {
            // One that failed to start may have lost name and folder to another that runs: it is known by its pipe.
            let marked = match self.failed.get() {
                true => pipe.is_some_and(|pipe| process.holds(pipe)),
                false => process.belongs_to(self.launch.name(), self.launch.folder(), pipe),
            };
            marked && process.pid != std::process::id().cast_signed()
        };
        Process::all().into_iter().filter(ours).collect()
    }

    /// Lines of the log that warn or complain and match `pattern` are part of the story.
    pub fn allow(&self, pattern: &str) -> &Self {
        self.allowed.borrow_mut().push(pattern.to_owned());
        self
    }

    /// How it ended, if it has.
    pub fn try_exit(&self) -> Option<ExitStatus> {
        self.child.borrow_mut().as_mut()?.try_wait().expect("our own child can be waited for")
    }

    /// Waits for its end and gives the exit code; the story brought it about. For a daemon the code is 0, since only
    /// its parent could know.
    #[track_caller]
    pub fn wait_exit(&self) -> i32 {
        self.over.set(true);
        if self.child.borrow().is_some() {
            code(eventually("the master has ended", || self.try_exit()))
        } else {
            eventually("the master has ended", || (!Process::lives(self.master)).then_some(0))
        }
    }

    /// Stops it by TERM, waits for its end, and checks that it is a clean one.
    #[track_caller]
    pub fn stop(&self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait_exit(), 0, "a stopped master exits 0");
        self.check_clean();
    }

    /// Checks that nothing of it is left: no process, no socket or pid file, no unexpected complaint.
    #[track_caller]
    pub fn check_clean(&self) {
        self.check_no_process();
        let left = self.left_files();
        assert!(left.is_empty() || self.failed.get(), "left behind: {left:?}");
        self.check_log();
    }

    /// Checks that no process of it runs any more, whoever its parent is.
    #[track_caller]
    pub fn check_no_process(&self) {
        let gone = within(Duration::from_secs(5), || self.all_processes().is_empty().then_some(()));
        assert!(gone.is_some(), "left behind: {:#?}", self.all_processes());
    }

    fn left_files(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.launch.runtime()) else { return Vec::new() };
        let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
        entries.flatten().map(|entry| entry.path()).filter(|path| !is_log(path)).collect()
    }

    #[track_caller]
    fn check_log(&self) {
        let allowed = self.allowed.borrow();
        let lines = self.log.lines().into_iter().filter(super::log::Line::is_trouble);
        let trouble: Vec<_> =
            lines.filter(|line| !allowed.iter().any(|pattern| line.says(pattern))).collect();
        assert!(trouble.is_empty(), "unexpected in the log:\n{trouble:#?}");
    }

    /// Ends everything that is left of it, without asking.
    fn kill_all(&self) {
        send(self.master, Signal::SIGKILL);
        for process in self.all_processes() {
            send(process.pid, Signal::SIGKILL);
        }
        if let Some(child) = self.child.borrow_mut().as_mut() {
            let _ = child.wait();
        }
        within(DEADLINE, || self.all_processes().is_empty().then_some(()));
    }

    fn print(&self) {
        let lines: Vec<_> = self.log.lines().into_iter().map(|line| line.0).collect();
        let shown = lines.len().saturating_sub(200);
        let tree = drawn(self.master);
        let name = self.launch.name();
        // Through the standard library's macro, so that the test runner can show it with the failure it belongs to.
        #[expect(clippy::print_stderr, reason = "a failed test shows what it knows")]
        {
            eprintln!("--- the log of {name}, from line {shown}\n{}", lines[shown..].join("\n"));
            eprintln!("--- the processes of {name}\n{tree}---");
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if thread::panicking() {
            self.print();
            return self.kill_all();
        }
        let checks = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if !self.over.get() {
                self.check_no_zombie();
                self.stop();
            } else if self.try_exit().is_some_and(|status| code(status) < 0) {
                // Killed by the story: nobody was left to remove its files.
                self.check_no_process();
                self.check_log();
            } else {
                self.check_clean();
            }
        }));
        if let Err(failure) = checks {
            self.print();
            self.kill_all();
            std::panic::resume_unwind(failure);
        }
    }
}
